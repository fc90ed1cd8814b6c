// Buttons in the page's own HTML: what they carry in data-link is sent when they are pressed.
//
// The page replaces that HTML while maps form, so the document is listened to. That this runs at all
// says that the browser is through with loading and drawing the page, which Python waits for.
// A button with data-settings opens and closes the sidebar.
// A button pressed with the pointer gives up the focus: while a run lasts, Streamlit lets a focused
// one stand beside what took its place, and Start would stay beside Stop.

const mounted = new WeakMap();

export default function (component) {
  mounted.get(component.parentElement)?.abort();
  const listening = new AbortController();
  mounted.set(component.parentElement, listening);
  const press = (event) => {
    if (event.target.closest?.("[data-settings]")) settings()?.click();
    if (event.detail > 0) event.target.closest?.(".stButton button")?.blur(); // 0 is the keyboard's
    const link = event.target.closest?.("[data-link]")?.dataset.link;
    if (link) component.setTriggerValue("clicked", JSON.parse(link));
  };
  document.addEventListener("click", press, { signal: listening.signal });
  document.documentElement.dataset.wilLinks = ""; // the style sheet lets them be pressed from now on
  if (!component.data.stands) component.setTriggerValue("stands", true);
  return () => listening.abort();
}

// Streamlit's own button for that: the one to open the sidebar is there only while it is closed.
function settings() {
  return (
    document.querySelector('[data-testid="stExpandSidebarButton"]') ??
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')
  );
}
