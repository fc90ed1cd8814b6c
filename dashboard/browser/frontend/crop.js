// A crop box of one shape on a photo: drag it, drag its corners, or use the keyboard.
//
// Python's `data.box` (photo pixels) is the truth. While a message is on its way, that is until
// `data.answer` carries the id of the last message sent, an older `data.box` does not move the box.

const MIN_SIDE = 16; // photo pixels
const PAUSE = 300; // ms after the last key before the box is sent

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new Crop(root));
  const crop = mounted.get(root);
  crop.send = (value) => component.setStateValue("box", value);
  crop.follow(component.data);
}

class Crop {
  constructor(root) {
    this.stage = root.querySelector(".stage");
    this.image = root.querySelector("img");
    this.box = root.querySelector(".box");
    this.shade = root.querySelector(".hole");
    this.readout = root.querySelector(".readout");
    this.spoken = root.querySelector(".spoken");
    this.photo = null; // id of the photo on the stage
    this.sent = null; // id of the last message
    this.grip = null; // what the pointer holds
    this.held = [0, 0, 0]; // left, top, width
    this.box.onpointerdown = (event) => this.grab(event);
    this.box.onpointermove = (event) => this.drag(event);
    this.box.onpointerup = () => this.release();
    this.box.onpointercancel = () => this.cancel();
    this.box.onkeydown = (event) => this.key(event);
  }

  follow(data) {
    if (data.photo_id !== this.photo) {
      this.wait();
      this.photo = data.photo_id;
      this.size = data.size;
      this.grip = this.sent = null;
      this.image.src = data.photo;
      this.stage.style.setProperty("--ratio", data.size[0] / data.size[1]);
    }
    this.image.alt = data.alt;
    this.aspect = data.aspect; // width by height
    const upToDate = this.sent === null || data.answer === this.sent;
    if (upToDate && !this.grip && !this.timer) {
      const [left, top, right, bottom] = data.box;
      this.place(left, top, Math.min(right - left, (bottom - top) * this.aspect));
    }
  }

  // Put the box there, as near as the photo allows.
  place(left, top, wide) {
    const [width, height] = this.size;
    wide = clamp(wide, ...this.widths());
    const tall = wide / this.aspect;
    this.held = [clamp(left, 0, width - wide), clamp(top, 0, height - tall), wide];
    const [x, y] = this.held;
    for (const element of [this.box, this.shade]) {
      element.style.left = `${(100 * x) / width}%`;
      element.style.top = `${(100 * y) / height}%`;
      element.style.width = `${(100 * wide) / width}%`;
      element.style.height = `${(100 * tall) / height}%`;
    }
    this.readout.textContent = `${Math.round(wide)} × ${Math.round(tall)}`;
  }

  // The least and the largest width that the box can have.
  widths() {
    const most = Math.min(this.size[0], this.size[1] * this.aspect);
    return [Math.min(MIN_SIDE * Math.max(1, this.aspect), most), most];
  }

  // Do this when the keys have rested, instead of what waited before.
  wait(act) {
    clearTimeout(this.timer);
    this.timer = act ? setTimeout(() => this.stage.isConnected && act(), PAUSE) : 0;
  }

  commit() {
    this.wait();
    const [x, y, wide] = this.held;
    const tall = wide / this.aspect;
    const box = [x, y, x + wide, y + tall].map((v) => Math.round(100 * v) / 100);
    this.sent = Math.random().toString(36).slice(2);
    const size = this.aspect === 1 ? `side ${Math.round(wide)}` : this.readout.textContent;
    this.spoken.textContent = `Left ${Math.round(x)}, top ${Math.round(y)}, ${size} pixels`;
    this.send({ box, photo: this.photo, id: this.sent });
  }

  // The pointer's place in photo pixels.
  at(event) {
    const frame = this.stage.getBoundingClientRect();
    const scale = this.size[0] / frame.width;
    return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
  }

  grab(event) {
    if (this.grip || event.button) return;
    this.box.setPointerCapture(event.pointerId);
    this.box.classList.add("held");
    const corner = event.target.dataset.corner; // such as "se"; undefined on the box itself
    this.grip = { corner, from: this.at(event), place: [...this.held] };
  }

  drag(event) {
    if (!this.grip) return;
    const [x, y] = this.at(event);
    const { corner, from, place } = this.grip;
    const [left, top, wide] = place;
    const tall = wide / this.aspect;
    const [dx, dy] = [x - from[0], y - from[1]];
    if (!corner) return this.place(left + dx, top + dy, wide);
    // The opposite corner stays; the box grows until the photo ends.
    const [east, south] = [corner.includes("e"), corner.includes("s")];
    const room = Math.min(
      east ? this.size[0] - left : left + wide,
      (south ? this.size[1] - top : top + tall) * this.aspect,
    );
    const wanted = wide + Math.max(east ? dx : -dx, (south ? dy : -dy) * this.aspect);
    const next = Math.min(Math.max(wanted, this.widths()[0]), room);
    const higher = tall - next / this.aspect;
    this.place(east ? left : left + wide - next, south ? top : top + higher, next);
  }

  release() {
    if (!this.grip) return;
    const before = this.grip.place;
    this.grip = null;
    this.box.classList.remove("held");
    if (before.some((value, i) => value !== this.held[i])) this.commit();
  }

  cancel() {
    if (!this.grip) return;
    this.place(...this.grip.place);
    this.release();
  }

  key(event) {
    if (this.grip || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (event.shiftKey ? 0.05 : 0.01) * Math.min(...this.size);
    const [x, y, wide] = this.held;
    const resize = (by) => this.place(x - by / 2, y - by / 2 / this.aspect, wide + by);
    if (event.key === "ArrowLeft") this.place(x - step, y, wide);
    else if (event.key === "ArrowRight") this.place(x + step, y, wide);
    else if (event.key === "ArrowUp") this.place(x, y - step, wide);
    else if (event.key === "ArrowDown") this.place(x, y + step, wide);
    else if (event.key === "+" || event.key === "=") resize(2 * step);
    else if (event.key === "-" || event.key === "_") resize(-2 * step);
    else return;
    event.preventDefault();
    this.wait(() => this.commit());
  }
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
