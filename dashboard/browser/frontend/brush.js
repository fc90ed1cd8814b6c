// A brush on the model's input: what is painted is a mask of height x width bits.
//
// The mask (mask.js) is sent packed when the pointer is let go. Python's `data.mask` is read only when
// the picture changes or the component is mounted anew; from then on the hand leads.

const SIZES = { small: 1 / 22, medium: 1 / 11, large: 1 / 5 }; // diameters, share of the shorter side
const PAUSE = 300; // ms after the last key before the mask is sent
const UNDO = 50; // steps kept
const DETAIL = 4; // pixels of the canvas for one of the mask
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Brush(root));
  const brush = mounted.get(root);
  brush.send = (value) => component.setStateValue("mask", value);
  brush.follow(component.data);
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
    on("blur", () => this.showRing((this.spaceDown = false)));
    for (const input of this.sizes) input.onchange = () => this.choose(input.value);
    this.eraser.onclick = () => {
      this.erasing = !this.erasing;
      this.eraser.setAttribute("aria-pressed", this.erasing);
    };
    this.undo.onclick = () => this.past.length && this.change(this.past.pop());
    this.clear.onclick = () => {
      if (!this.mask.count()) return;
      this.remember();
      this.change(new Mask(...this.shape));
    };
  }

  follow(data) {
    this.image.alt = data.alt;
    this.canvas.setAttribute("aria-label", `Paint on: ${data.alt}`);
    if (data.picture_id !== this.picture) {
      clearTimeout(this.timer);
      this.dirty = false;
      this.picture = data.picture_id;
      this.shape = data.size; // height, width
      [this.canvas.height, this.canvas.width] = data.size.map((side) => DETAIL * side);
      this.stage.style.setProperty("--ratio", data.size[1] / data.size[0]);
      this.image.src = data.picture;
      this.mask = Mask.unpack(data.mask, ...data.size);
      this.past = [];
      this.stroke = null;
      this.cursor = [data.size[1] / 2, data.size[0] / 2];
      this.choose(this.size);
    }
    this.draw(); // the theme, and with it the accent colour, may be new
  }

  choose(size) {
    this.size = size;
    this.radius = (SIZES[size] * Math.min(...this.shape)) / 2;
    this.ring.style.width = `${(200 * this.radius) / this.shape[1]}%`;
    this.showRing(false);
  }

  remember() {
    this.past = [...this.past, this.mask.copy()].slice(-UNDO);
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
    this.send({ mask: this.mask.pack(), picture: this.picture, id });
  }

  at(event) {
    const frame = this.canvas.getBoundingClientRect();
    const scale = this.shape[1] / frame.width;
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
      const step = Math.max(1, Math.round(Math.min(...this.shape) / (event.shiftKey ? 14 : 56)));
      const from = this.cursor;
      const next = from.map((v, i) => v + step * ARROWS[event.key][i]);
      this.cursor = next.map((v, i) => Math.min(Math.max(v, 0), this.shape[1 - i]));
      if (this.spaceDown) this.paint(from, this.cursor);
    } else if (event.key === " ") {
      if (!this.spaceDown) this.remember();
      this.spaceDown = true;
      this.paint(this.cursor);
    } else return;
    event.preventDefault();
    this.showRing();
    clearTimeout(this.timer);
    if (this.dirty) this.timer = setTimeout(() => this.stage.isConnected && this.commit(), PAUSE);
  }

  showRing(seen = true) {
    this.ring.style.left = `${(100 * this.cursor[0]) / this.shape[1]}%`;
    this.ring.style.top = `${(100 * this.cursor[1]) / this.shape[0]}%`;
    this.ring.classList.toggle("seen", seen);
  }

  paint(from, to = from) {
    this.mask.paint(from, to, this.radius, this.erasing ? 0 : 1);
    this.dirty = true;
    this.draw();
  }

  // Half transparent in the accent colour, with a line around that is seen on any picture.
  draw() {
    const { canvas, context } = this;
    const [height, width] = this.shape;
    const { area, rim } = this.mask.paths();
    const pixel = width / (canvas.clientWidth || width); // of the screen, in those of the mask
    context.setTransform(DETAIL, 0, 0, DETAIL, 0, 0);
    context.clearRect(0, 0, width, height);
    context.fillStyle = context.strokeStyle = getComputedStyle(canvas).color;
    context.globalAlpha = 0.5;
    context.fill(area);
    context.globalAlpha = 1;
    context.lineCap = "square";
    context.lineWidth = 1.5 * pixel;
    context.shadowColor = "#fff";
    context.shadowBlur = 2;
    context.stroke(rim);
    context.shadowBlur = 0;
    const count = this.mask.count();
    const share = (100 * count) / (height * width);
    const digits = share > 0 && share < 10 ? 1 : 0;
    this.share.textContent = count ? `${share.toFixed(digits)} % painted` : "nothing painted";
    this.undo.setAttribute("aria-disabled", this.past.length === 0);
    this.clear.setAttribute("aria-disabled", count === 0);
  }
}
