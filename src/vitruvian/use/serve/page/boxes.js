"use strict";
// Boxes around persons, drawn with a pointer or moved with keys: [x, y, width, height] as in COCO.

/** Lets boxes of the photograph be drawn on a picture. `shown()` gives {boxes, width, height}. */
function drawBoxes(picture, shown, changed) {
  let start = null;
  const place = (event) => {
    const { width, height } = shown();
    const edge = picture.getBoundingClientRect();
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      clamp(((event.clientX - edge.left) / edge.width) * width, width),
      clamp(((event.clientY - edge.top) / edge.height) * height, height),
    ];
  };
  const between = ([a, b], [c, d]) => [Math.min(a, c), Math.min(b, d), Math.abs(a - c), Math.abs(b - d)].map((one) => Math.round(one));
  picture.addEventListener("pointerdown", (event) => {
    if (!picture.classList.contains("drawing") || event.button) return;
    start = place(event);
    picture.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  picture.addEventListener("pointermove", (event) => {
    if (start) changed([...shown().boxes, between(start, place(event))], false);
  });
  const end = (event) => {
    if (!start) return;
    const box = between(start, place(event));
    start = null;
    const large = box[2] >= 4 && box[3] >= 4;
    changed(large ? [...shown().boxes, box] : shown().boxes, large);
  };
  picture.addEventListener("pointerup", end);
  picture.addEventListener("pointercancel", end);
}

/** The rectangles of boxes; each takes the keyboard. `changed(boxes, done, focus)` is told of moves. */
function boxShapes(boxes, size, px, changed) {
  return boxes.map((box, number) => {
    const [x, y, width, height] = box;
    const shape = svg("g", { class: "box", tabindex: 0, role: "button", "aria-label": `box ${number + 1}: ${width} by ${height} px at ${x}, ${y}` });
    const frame = { x: x - 0.5, y: y - 0.5, width, height };
    shape.append(
      svg("rect", { ...frame, stroke: RIM, "stroke-width": 3 * px, fill: "none" }),
      svg("rect", { ...frame, stroke: "#fff", "stroke-width": 1.4 * px, "stroke-dasharray": `${6 * px} ${4 * px}`, fill: "none" }),
    );
    const tag = svg("text", { x: x + 5 * px, y: y + 16 * px, fill: "#fff", stroke: RIM, "stroke-width": 3 * px, "paint-order": "stroke", "font-size": 13 * px, "font-weight": 600, "font-family": "system-ui, sans-serif" });
    tag.textContent = number + 1;
    shape.append(tag);
    shape.addEventListener("keydown", (event) => {
      const moved = moveBox(box, event, size);
      if (!moved && event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      changed(moved ? boxes.with(number, moved) : boxes.toSpliced(number, 1), true, moved ? number : null);
    });
    return shape;
  });
}

function moveBox([x, y, width, height], event, size) {
  const along = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!along) return null;
  const step = Math.max(1, Math.round((event.altKey ? 0.002 : 0.02) * Math.max(size.width, size.height)));
  const [dx, dy] = along.map((one) => one * step);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  if (event.shiftKey) return [x, y, clamp(width + dx, 4, size.width - x), clamp(height + dy, 4, size.height - y)];
  return [clamp(x + dx, 0, size.width - width), clamp(y + dy, 0, size.height - height), width, height];
}
