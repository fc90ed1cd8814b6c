// Hover read-outs for the page's panels: a value near the pointer, a crosshair on all panels that
// show the model's input.
//
// The page replaces the panels' HTML while maps form, so nothing is attached to them: the document
// is listened to, and everything drawn lies in one layer over the page that takes no pointer events.
// Who has no pointer gives a map the focus and moves with the arrow keys; what is there is read out.

const INPUT = "What the model sees"; // the panel without values that still gets the crosshair
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ACROSS = 28; // key strokes from one edge of a map to the other

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Inspector(root));
  const inspector = mounted.get(root);
  inspector.follow(component.data);
  // Streamlit may call the clean-up of a superseded run after the next run: only the last counts.
  const run = (inspector.run = (inspector.run ?? 0) + 1);
  return () => {
    if (inspector.run !== run) return;
    inspector.stop();
    mounted.delete(root);
  };
}

class Inspector {
  constructor(root) {
    this.layer = root.querySelector(".layer");
    this.tip = root.querySelector(".tip");
    this.spoken = root.querySelector(".spoken");
    this.marks = [];
    this.listening = new AbortController();
    const options = { passive: true, capture: true, signal: this.listening.signal };
    const at = (event) => {
      this.aloud = false;
      this.pointer = [event.clientX, event.clientY];
      this.soon();
    };
    for (const name of ["pointermove", "pointerdown"]) document.addEventListener(name, at, options);
    document.addEventListener("focusin", (event) => this.focus(event), options);
    document.addEventListener("focusout", (event) => event.target.matches?.(".wil-photo") && this.leave(), options);
    document.addEventListener("keydown", (event) => this.key(event), { ...options, passive: false });
    for (const name of ["scroll", "resize"]) window.addEventListener(name, () => this.soon(), options);
    document.documentElement.addEventListener("pointerleave", () => this.leave(), options);
    window.addEventListener("blur", () => this.leave(), options);
  }

  stop() {
    this.listening.abort();
    cancelAnimationFrame(this.frame);
    this.leave();
  }

  follow(data) {
    this.panels = new Map(Object.entries(data.panels).map(([title, panel]) => [title, read(panel)]));
    if (this.pointer) this.soon();
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.show();
    });
  }

  focus({ target }) {
    if (!target.matches?.(".wil-photo:focus-visible")) return;
    const { left, top, width, height } = target.getBoundingClientRect();
    this.aloud = true;
    this.pointer = [left + width / 2, top + height / 2];
    this.soon();
  }

  key(event) {
    const step = STEPS[event.key];
    const photo = document.activeElement;
    if (!step || !this.pointer || !photo?.matches(".wil-photo")) return;
    event.preventDefault(); // the page would scroll
    const { left, top, width, height } = photo.getBoundingClientRect();
    const along = (at, by, from, size) => Math.min(Math.max(at + (by * size) / ACROSS, from), from + size - 1);
    this.pointer = [
      along(this.pointer[0], step[0], left, width),
      along(this.pointer[1], step[1], top, height),
    ];
    this.soon();
  }

  leave() {
    this.pointer = null;
    this.show();
  }

  show() {
    const photo = this.pointer && document.elementFromPoint(...this.pointer)?.closest(".wil-photo");
    const title = photo && titleOf(photo);
    const panel = this.panels.get(title);
    const known = panel || title === INPUT;
    const frame = known && inputFrame(photo, panel);
    const x = known && (this.pointer[0] - frame.left) / frame.width;
    const y = known && (this.pointer[1] - frame.top) / frame.height;
    if (!known || Math.min(x, y) < 0 || Math.max(x, y) >= 1) {
      if (this.layer.matches(":popover-open")) this.layer.hidePopover();
      return;
    }
    this.tip.classList.toggle("one", Boolean(panel));
    const lines = panel ? about(panel, x, y) : this.everything(x, y);
    this.tip.replaceChildren(
      ...lines.map((text) => Object.assign(document.createElement("div"), { textContent: text })),
    );
    if (this.aloud) this.spoken.textContent = lines.join(". ");
    // The top layer: no panel, column or sidebar cuts it off.
    if (!this.layer.matches(":popover-open")) this.layer.showPopover();
    this.mark(x, y);
    this.place();
  }

  // On the model's input: what each map says there.
  everything(x, y) {
    const panels = [...this.panels];
    if (!panels.length) return ["no values yet"];
    return panels.map(([title, panel]) => `${title}: ${valueAt(panel, x, y)}`);
  }

  mark(x, y) {
    const photos = [...document.querySelectorAll("[data-panel] .wil-photo")].filter(
      (photo) => titleOf(photo) === INPUT || this.panels.has(titleOf(photo)),
    );
    while (this.marks.length > photos.length) this.marks.pop().remove();
    while (this.marks.length < photos.length) {
      this.marks.push(document.createElement("div"));
      this.marks.at(-1).className = "mark";
      this.layer.prepend(this.marks.at(-1));
    }
    photos.forEach((photo, i) => {
      const { left, top, width, height } = inputFrame(photo, this.panels.get(titleOf(photo)));
      this.marks[i].style.cssText = `left:${left}px;top:${top}px;width:${width}px;height:${height}px;
        --x:${x * width}px;--y:${y * height}px`;
    });
  }

  // Right below the pointer, or on its other side where the window ends.
  place() {
    const [x, y] = this.pointer;
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = x + 16 + width < innerWidth ? x + 16 : x - 16 - width;
    const top = y + 16 + height < innerHeight ? y + 16 : y - 16 - height;
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}

// Where the model's input lies on the screen: all of a panel's picture, or a part of the photo.
function inputFrame(photo, panel) {
  const { left, top, width, height } = photo.getBoundingClientRect();
  const [x, y, across, down] = panel?.place ?? [0, 0, 1, 1];
  return { left: left + x * width, top: top + y * height, width: across * width, height: down * height };
}

function titleOf(photo) {
  return photo.closest("[data-panel]")?.dataset.panel;
}

// Decoded when first asked for: a map of pixels is a quarter of a megabyte.
function read(panel) {
  const view = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  let values, notes;
  return {
    ...panel,
    value: (cell) => (values ??= view(panel.values)).getFloat32(4 * cell, true),
    note: (cell) => panel.notes && panel.words[(notes ??= view(panel.notes)).getUint16(2 * cell, true)],
  };
}

function find(edges, share) {
  const pixel = share * edges.at(-1);
  return edges.findLastIndex((edge) => edge <= pixel);
}

function cellAt({ rows, columns }, x, y) {
  const [row, column] = [find(rows, y), find(columns, x)];
  const inside = row >= 0 && column >= 0 && row < rows.length - 1 && column < columns.length - 1;
  return inside ? { row, column, index: row * (columns.length - 1) + column } : null;
}

function valueAt(panel, x, y) {
  const cell = cellAt(panel, x, y);
  const value = cell ? panel.value(cell.index) : NaN;
  return Number.isNaN(value) ? "not known yet" : `${number(value)} ${panel.units}`;
}

function about(panel, x, y) {
  const cell = cellAt(panel, x, y);
  if (!cell) return ["not known yet"];
  const { rows, columns } = panel;
  const where = [span("row", rows, cell.row), span("column", columns, cell.column)].join(", ");
  return [valueAt(panel, x, y), where, panel.note(cell.index)].filter(Boolean);
}

function span(word, edges, i) {
  const [first, last] = [edges[i], edges[i + 1] - 1];
  return first >= last ? `${word} ${first}` : `${word}s ${first}–${last}`;
}

// As core.story.number: as many digits as the page's captions have, and a true minus sign.
function number(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const digits = size >= 10 ? 1 : size >= 0.1 ? 2 : size >= 0.01 ? 3 : 5;
  const text = size < 1e-5 ? value.toExponential(1) : value.toFixed(digits);
  return text.replace(/e-(.)$/, "e-0$1").replaceAll("-", "−");
}
