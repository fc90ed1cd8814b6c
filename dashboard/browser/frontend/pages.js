// The scenes of a talk: keys and clickers turn the pages, and so does a quiet line at the bottom.
// Escape leaves the talk, as its cross does.
//
// The page wanted is sent, not the step, so that two quick presses go two pages on. Until Python has
// answered the last message, what it says of the page is old news.

const STEPS = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };
const TYPING = "textarea, select, [contenteditable], input:not([type=file])"; // and choosing

// Escape first leaves what lies over the page.
const taken = () => document.fullscreenElement || document.querySelector("[role=dialog]");

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Pages(root));
  const pages = mounted.get(root);
  pages.send = (value) => component.setStateValue("page", value);
  pages.follow(component.data);
  // Streamlit may call the clean-up of a superseded run after the next run: only the last counts.
  const run = (pages.run = (pages.run ?? 0) + 1);
  return () => {
    if (pages.run !== run) return;
    pages.listening.abort();
    mounted.delete(root);
  };
}

class Pages {
  constructor(root) {
    for (const name of ["back", "place", "on", "leave"]) this[name] = root.querySelector(`.${name}`);
    this.back.onclick = () => this.turn(-1);
    this.on.onclick = () => this.turn(1);
    this.listening = new AbortController();
    // Captured before what has the focus: a clicker must never get stuck.
    const options = { capture: true, signal: this.listening.signal };
    document.addEventListener("keydown", (event) => this.key(event), options);
    document.addEventListener("pointerdown", () => (this.tabbed = false), options);
  }

  follow(data) {
    this.count = data.count;
    if (!this.sent || data.answer === this.sent) this.page = data.page;
    this.show();
  }

  // Arrow keys belong to the brush only for those who came to it with the Tab key, not with a mouse.
  key(event) {
    if (event.key === "Tab") this.tabbed = true;
    const step = STEPS[event.key];
    const leaves = event.key === "Escape" && !taken();
    if (!(step || leaves) || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (leaves) return this.leave.click();
    const on = event.composedPath()[0];
    const clicker = event.key.startsWith("Page"); // no hand is at the keyboard
    if (!clicker && on.matches?.(this.tabbed ? `${TYPING}, canvas` : TYPING)) return;
    if (event.key === " " && on.matches?.("button, a, label, input")) return;
    event.preventDefault();
    event.stopPropagation();
    this.turn(step);
  }

  turn(step) {
    const page = Math.min(Math.max(this.page + step, 1), this.count);
    if (page === this.page) return;
    this.page = page;
    this.sent = Math.random().toString(36).slice(2);
    this.send({ page, id: this.sent });
    this.show();
  }

  show() {
    this.place.textContent = `${this.page} / ${this.count}`;
    this.back.disabled = this.page === 1;
    this.on.disabled = this.page === this.count;
  }
}
