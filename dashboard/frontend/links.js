// Buttons in the page's own HTML: what they carry in data-link is sent when they are pressed.
//
// The page replaces that HTML while maps form, so the document is listened to.

const mounted = new WeakMap();

export default function (component) {
  mounted.get(component.parentElement)?.abort();
  const listening = new AbortController();
  mounted.set(component.parentElement, listening);
  const press = (event) => {
    const link = event.target.closest?.("[data-link]")?.dataset.link;
    if (link) component.setTriggerValue("clicked", JSON.parse(link));
  };
  document.addEventListener("click", press, { signal: listening.signal });
  return () => listening.abort();
}
