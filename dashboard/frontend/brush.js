// A brush on the model's input: what is painted is a mask of side x side bits.
//
// The mask is kept here as one byte per pixel, and sent packed (row by row, highest bit first,
// base64) when the pointer is let go. Python's `data.mask` is read only when the picture changes or
// the component is mounted anew; from then on the hand leads.

const SIZES = { small: 1 / 22, medium: 1 / 11, large: 1 / 5 }; // diameters, share of the side
const PAUSE = 300; // ms after the last key before the mask is sent
const UNDO = 50; // steps kept
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Brush(root));
  const brush = mounted.get(root);
  brush.send = (value) => component.setStateValue("mask", value);
  brush.follow(component.data);
  return () => clearTimeout(brush.timer);
}

class Brush {
  constructor(root) {
    for (const name of ["stage", "image", "ring", "share", "eraser", "undo", "clear"])
      this[name] = root.querySelector(`.${name}`);
    this.canvas = root.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.sizes = [...root.querySelectorAll("input")];
    this.erasing = this.spaceDown = false;
    this.size = "medium";
    this.stroke = null; // last point of the stroke in progress
    const on = (name, act) => (this.canvas[`on${name}`] = act);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", () => this.end());
    on("pointercancel", () => this.end());
    on("pointerleave", () => this.showRing(this.stroke !== null));
    on("keydown", (event) => this.key(event));
    on("keyup", (event) => event.key === " " && (this.spaceDown = false));
    on("focus", () => this.showRing(this.canvas.matches(":focus-visible")));
    on("blur", () => this.showRing(false));
    for (const input of this.sizes) input.onchange = () => this.choose(input.value);
    this.eraser.onclick = () => {
      this.erasing = !this.erasing;
      this.eraser.setAttribute("aria-pressed", this.erasing);
    };
    this.undo.onclick = () => this.past.length && this.change(this.past.pop());
    this.clear.onclick = () => {
      if (!this.mask.includes(1)) return;
      this.remember();
      this.change(this.mask.map(() => 0));
    };
  }

  follow(data) {
    this.image.alt = data.alt;
    this.canvas.setAttribute("aria-label", `Paint on: ${data.alt}`);
    if (data.picture_id !== this.picture) {
      clearTimeout(this.timer);
      this.picture = data.picture_id;
      this.side = this.canvas.width = this.canvas.height = data.side;
      this.image.src = data.picture;
      this.mask = unpack(data.mask, data.side);
      this.past = [];
      this.stroke = null;
      this.cursor = [data.side / 2, data.side / 2];
      this.choose(this.size);
    }
    this.draw(); // the theme, and with it the accent colour, may be new
  }

  choose(size) {
    this.size = size;
    this.radius = (SIZES[size] * this.side) / 2;
    this.ring.style.width = `${100 * SIZES[size]}%`;
    this.showRing(false);
  }

  remember() {
    this.past = [...this.past, this.mask.slice()].slice(-UNDO);
  }

  change(mask) {
    this.mask = mask;
    this.draw();
    this.commit();
  }

  commit() {
    clearTimeout(this.timer);
    this.dirty = false;
    const id = Math.random().toString(36).slice(2);
    this.send({ mask: pack(this.mask), picture: this.picture, id });
  }

  at(event) {
    const frame = this.canvas.getBoundingClientRect();
    const scale = this.side / frame.width;
    return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
  }

  begin(event) {
    if (this.stroke || event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.paint((this.stroke = this.at(event)));
  }

  move(event) {
    this.cursor = this.at(event);
    this.showRing();
    if (!this.stroke) return;
    const from = this.stroke;
    this.paint(from, (this.stroke = this.cursor));
  }

  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.commit();
  }

  key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "z") this.undo.onclick();
    else if (ARROWS[event.key]) {
      const step = Math.max(1, Math.round(this.side / (event.shiftKey ? 14 : 56)));
      const from = this.cursor;
      const next = from.map((v, i) => v + step * ARROWS[event.key][i]);
      this.cursor = next.map((v) => Math.min(Math.max(v, 0), this.side));
      if (this.spaceDown) this.paint(from, this.cursor);
    } else if (event.key === " ") {
      if (!this.spaceDown) this.remember();
      this.spaceDown = true;
      this.paint(this.cursor);
    } else return;
    event.preventDefault();
    this.showRing();
    clearTimeout(this.timer);
    if (this.dirty) this.timer = setTimeout(() => this.commit(), PAUSE);
  }

  showRing(seen = true) {
    this.ring.style.left = `${(100 * this.cursor[0]) / this.side}%`;
    this.ring.style.top = `${(100 * this.cursor[1]) / this.side}%`;
    this.ring.classList.toggle("seen", seen);
  }

  // A round stamp, or a line of them.
  paint(from, to = from) {
    const { side, radius, mask } = this;
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const stamps = Math.ceil(length / Math.max(1, radius / 3)) || 1;
    for (let i = 0; i <= stamps; i++) {
      const [x, y] = from.map((v, axis) => v + ((to[axis] - v) * i) / stamps);
      const [top, bottom] = [Math.max(0, Math.floor(y - radius)), Math.min(side, y + radius)];
      const [left, right] = [Math.max(0, Math.floor(x - radius)), Math.min(side, x + radius)];
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius)
            mask[row * side + column] = this.erasing ? 0 : 1;
    }
    this.dirty = true;
    this.draw();
  }

  // Half transparent accent colour, full at the rim.
  draw() {
    const { side, mask } = this;
    const [red, green, blue] = getComputedStyle(this.canvas).color.match(/[\d.]+/g).map(Number);
    const pixels = this.context.createImageData(side, side);
    let count = 0;
    mask.forEach((painted, i) => {
      if (!painted) return;
      count += 1;
      const inside = mask[i - side] && mask[i + side] && mask[i - 1] && mask[i + 1];
      pixels.data.set([red, green, blue, inside ? 128 : 255], 4 * i);
    });
    this.context.putImageData(pixels, 0, 0);
    const share = (100 * count) / (side * side);
    const digits = share > 0 && share < 10 ? 1 : 0;
    this.share.textContent = count ? `${share.toFixed(digits)} % painted` : "nothing painted";
    this.undo.setAttribute("aria-disabled", this.past.length === 0);
    this.clear.setAttribute("aria-disabled", count === 0);
  }
}

function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((painted, i) => (bytes[i >> 3] |= painted << (7 - (i & 7))));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function unpack(text, side) {
  const bytes = atob(text); // empty when nothing is painted
  return Uint8Array.from({ length: side * side }, (_, i) =>
    bytes.length ? (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1 : 0,
  );
}
