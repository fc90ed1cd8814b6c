// A square crop box on a photo: drag it, drag its corners, or use the keyboard.
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
    this.square = [0, 0, 0]; // left, top, side
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
    const upToDate = this.sent === null || data.answer === this.sent;
    if (upToDate && !this.grip && !this.timer) {
      const [left, top, right, bottom] = data.box;
      this.place(left, top, Math.min(right - left, bottom - top));
    }
  }

  // Put the box there, as near as the photo allows.
  place(left, top, side) {
    const [width, height] = this.size;
    const short = Math.min(width, height);
    side = clamp(side, Math.min(MIN_SIDE, short), short);
    this.square = [clamp(left, 0, width - side), clamp(top, 0, height - side), side];
    const [x, y] = this.square;
    for (const element of [this.box, this.shade]) {
      element.style.left = `${(100 * x) / width}%`;
      element.style.top = `${(100 * y) / height}%`;
      element.style.width = `${(100 * side) / width}%`;
      element.style.height = `${(100 * side) / height}%`;
    }
    const pixels = Math.round(side);
    this.readout.textContent = `${pixels} × ${pixels}`;
  }

  // Do this when the keys have rested, instead of what waited before.
  wait(act) {
    clearTimeout(this.timer);
    this.timer = act ? setTimeout(() => this.stage.isConnected && act(), PAUSE) : 0;
  }

  commit() {
    this.wait();
    const [x, y, side] = this.square;
    const box = [x, y, x + side, y + side].map((v) => Math.round(100 * v) / 100);
    this.sent = Math.random().toString(36).slice(2);
    this.spoken.textContent =
      `Left ${Math.round(x)}, top ${Math.round(y)}, side ${Math.round(side)} pixels`;
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
    this.grip = { corner, from: this.at(event), square: [...this.square] };
  }

  drag(event) {
    if (!this.grip) return;
    const [x, y] = this.at(event);
    const { corner, from, square } = this.grip;
    const [left, top, side] = square;
    const [dx, dy] = [x - from[0], y - from[1]];
    if (!corner) return this.place(left + dx, top + dy, side);
    // The opposite corner stays; the square grows until the photo ends.
    const [east, south] = [corner.includes("e"), corner.includes("s")];
    const room = Math.min(
      east ? this.size[0] - left : left + side,
      south ? this.size[1] - top : top + side,
    );
    const wanted = side + Math.max(east ? dx : -dx, south ? dy : -dy);
    const next = Math.min(Math.max(wanted, Math.min(MIN_SIDE, ...this.size)), room);
    this.place(east ? left : left + side - next, south ? top : top + side - next, next);
  }

  release() {
    if (!this.grip) return;
    const before = this.grip.square;
    this.grip = null;
    this.box.classList.remove("held");
    if (before.some((value, i) => value !== this.square[i])) this.commit();
  }

  cancel() {
    if (!this.grip) return;
    this.place(...this.grip.square);
    this.release();
  }

  key(event) {
    if (this.grip || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (event.shiftKey ? 0.05 : 0.01) * Math.min(...this.size);
    const [x, y, side] = this.square;
    const resize = (by) => this.place(x - by / 2, y - by / 2, side + by);
    if (event.key === "ArrowLeft") this.place(x - step, y, side);
    else if (event.key === "ArrowRight") this.place(x + step, y, side);
    else if (event.key === "ArrowUp") this.place(x, y - step, side);
    else if (event.key === "ArrowDown") this.place(x, y + step, side);
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
