// A photo on the left of a divider, the photo with its map on the right. No message to Python.
//
// The range input carries the value for keyboards and screen readers; pointers drag anywhere on the
// picture.

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Compare(root));
  mounted.get(root).follow(component.data);
}

class Compare {
  constructor(root) {
    for (const name of ["stage", "photo", "overlay", "above", "right"])
      this[name] = root.querySelector(`.${name}`);
    this.left = root.querySelector(".left");
    this.range = root.querySelector("input");
    this.range.oninput = () => this.show();
    this.photo.onload = () =>
      this.stage.style.setProperty("--ratio", this.photo.naturalWidth / this.photo.naturalHeight);
    this.stage.onpointerdown = (event) => {
      if (event.button) return;
      this.stage.setPointerCapture(event.pointerId);
      this.held = true;
      this.drag(event);
      this.range.focus({ preventScroll: true });
      event.preventDefault(); // the focus stays on the range
    };
    this.stage.onpointermove = (event) => this.held && this.drag(event);
    this.stage.onpointerup = this.stage.onpointercancel = () => (this.held = false);
  }

  follow(data) {
    if (this.photo.src !== data.photo) this.photo.src = data.photo;
    if (this.overlay.src !== data.overlay) this.overlay.src = data.overlay;
    this.photo.alt = data.alt;
    this.right.textContent = data.label;
    this.range.setAttribute("aria-label", `Divider: photo on the left, ${data.label} on the right`);
    this.show();
  }

  drag(event) {
    const frame = this.stage.getBoundingClientRect();
    this.range.value = (100 * (event.clientX - frame.left)) / frame.width;
    this.show();
  }

  show() {
    const value = Number(this.range.value);
    this.stage.style.setProperty("--at", `${value}%`);
    this.range.setAttribute("aria-valuetext", `${Math.round(value)} % photo`);
    // A label goes when its side is too narrow for it.
    const width = this.stage.clientWidth;
    this.left.classList.toggle("gone", (value / 100) * width < this.left.offsetWidth + 16);
    this.right.classList.toggle("gone", (1 - value / 100) * width < this.right.offsetWidth + 16);
  }
}
