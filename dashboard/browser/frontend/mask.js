// The brush's mask: height x width bits, one byte each while they are painted on. Placed before brush.js.

class Mask {
  constructor(height, width, cells = new Uint8Array(height * width)) {
    this.height = height;
    this.width = width;
    this.cells = cells;
  }

  // From packed bits in base64; no text, nothing painted.
  static unpack(text, height, width) {
    const mask = new Mask(height, width);
    const bytes = atob(text);
    const bit = (i) => (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
    if (bytes) mask.cells.forEach((_, i) => (mask.cells[i] = bit(i)));
    return mask;
  }

  // Row by row without gaps, highest bit first, in base64.
  pack() {
    const bytes = new Uint8Array(Math.ceil(this.cells.length / 8));
    this.cells.forEach((cell, i) => (bytes[i >> 3] |= cell << (7 - (i & 7))));
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }

  copy() {
    return new Mask(this.height, this.width, this.cells.slice());
  }

  count() {
    return this.cells.reduce((sum, cell) => sum + cell, 0);
  }

  // Round stamps in a line; places are [x, y] in pixels.
  paint(from, to, radius, cell) {
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const stamps = Math.ceil(length / Math.max(1, radius / 3)) || 1;
    for (let i = 0; i <= stamps; i++) {
      const [x, y] = from.map((v, axis) => v + ((to[axis] - v) * i) / stamps);
      const [top, bottom] = [Math.max(0, Math.floor(y - radius)), Math.min(this.height, y + radius)];
      const [left, right] = [Math.max(0, Math.floor(x - radius)), Math.min(this.width, x + radius)];
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius)
            this.cells[row * this.width + column] = cell;
    }
  }

  // What is painted, and the line around it, as paths in pixels.
  paths() {
    const [area, rim] = [new Path2D(), new Path2D()];
    const { height, width, cells } = this;
    const line = (x, y, across, down) => {
      rim.moveTo(x, y);
      rim.lineTo(x + across, y + down);
    };
    for (let y = 0; y < height; y++)
      for (let x = 0, start = -1; x <= width; x++) {
        const here = x < width && cells[y * width + x];
        if (here && start < 0) start = x;
        if (!here && start >= 0) {
          area.rect(start, y, x - start, 1);
          line(start, y, 0, 1);
          line(x, y, 0, 1);
          start = -1;
        }
        if (!here) continue;
        if (!y || !cells[(y - 1) * width + x]) line(x, y, 1, 0);
        if (y === height - 1 || !cells[(y + 1) * width + x]) line(x, y + 1, 1, 0);
      }
    return { area, rim };
  }
}
