"use strict";
/* Reading maps: the same place in all maps of a picture, by pointer, finger or arrow keys. */
const unpacked = (text, type) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new type(bytes.buffer);
};
const digits = (value) => {
  const size = Math.abs(value);
  const places = size >= 10 ? 1 : size >= 0.1 ? 2 : size >= 0.01 ? 3 : 5;
  const text = size > 0 && size < 1e-5 ? value.toExponential(1) : size ? value.toFixed(places) : "0";
  return text.replaceAll("-", "−");
};
const cell = (edges, place) => {
  let low = 0;
  let high = edges.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= place) low = middle;
    else high = middle;
  }
  return low;
};

for (const exhibit of document.querySelectorAll(".exhibit")) {
  const maps = JSON.parse(document.getElementById("maps").textContent)[exhibit.dataset.exhibit];
  const boxes = [...exhibit.querySelectorAll(".box.map")];
  const [rows, columns] = [Number(exhibit.dataset.rows), Number(exhibit.dataset.columns)];
  let at = [rows >> 1, columns >> 1];
  maps.forEach((map) => {
    map.values = unpacked(map.values, Float32Array);
    if (map.notes) map.notes = unpacked(map.notes, Uint16Array);
  });

  const read = (row, column) => {
    at = [Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(columns - 1, column))];
    exhibit.classList.add("reading");
    for (const cross of exhibit.querySelectorAll(".box.seen path, .box.map path")) {
      const [y, x] = [at[0] + 0.5, at[1] + 0.5];
      cross.setAttribute("d", `M${x} 0V${y - 5}M${x} ${y + 5}V${rows}M0 ${y}H${x - 5}M${x + 5} ${y}H${columns}`);
    }
    boxes.forEach((box, number) => {
      const map = maps[number];
      const index = cell(map.rows, at[0]) * (map.columns.length - 1) + cell(map.columns, at[1]);
      const note = map.notes ? ` · ${map.words[map.notes[index]]}` : "";
      const text = `row ${at[0]}, column ${at[1]}: ${digits(map.values[index])} ${map.units}${note}`;
      box.parentElement.querySelector(".value").textContent = text;
    });
  };

  const place = (event) => {
    const frame = event.currentTarget.getBoundingClientRect();
    read(
      Math.floor(((event.clientY - frame.top) / frame.height) * rows),
      Math.floor(((event.clientX - frame.left) / frame.width) * columns),
    );
  };
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  for (const box of boxes) {
    box.addEventListener("pointermove", place);
    box.addEventListener("pointerdown", place);
    box.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      read(at[0] + far * move[0], at[1] + far * move[1]);
    });
  }
  exhibit.querySelector(".strength").addEventListener("input", (event) => {
    exhibit.style.setProperty("--strength", event.target.value / 100);
  });
  exhibit.querySelector(".behind").addEventListener("change", (event) => {
    exhibit.classList.toggle("in-colour", event.target.checked);
  });
}
