"use strict";
// Poses, rulers and heatmaps. Coordinates are px of the photograph; whole numbers are pixel centres.

const SVG = "http://www.w3.org/2000/svg";
const RIM = "#141414";

function svg(name, attributes = {}, ...inside) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

function html(name, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...inside);
  return made;
}

const words = (joint) => joint.replaceAll("_", " ");
const rgb = (values) => `rgb(${values.join(" ")})`;

/** The limbs, joints and names of an answer as an SVG that covers the photograph.

    `px` is the size of a CSS pixel in px of the photograph; `chosen` {person, joint} is drawn larger. */
function overlay(answer, model, { px, threshold, names, chosen = {} }) {
  const side = Object.fromEntries(model.joints.map((joint) => [joint.name, joint.side]));
  const colour = (name) => rgb(model.colours[side[name]]);
  const drawn = svg("svg", {
    xmlns: SVG, viewBox: `-0.5 -0.5 ${answer.width} ${answer.height}`, "stroke-linecap": "round",
    "font-family": "system-ui, sans-serif", fill: "none",
  });
  answer.persons.forEach((person, number) => {
    const at = Object.fromEntries(person.joints.map((joint) => [joint.name, joint]));
    const sure = (name) => at[name].score >= threshold;
    const group = svg("g", { opacity: chosen.person === undefined || chosen.person === number ? 1 : 0.55 });
    for (const rim of [true, false]) {
      for (const [a, b] of model.limbs) {
        const whole = sure(a) && sure(b);
        const sides = new Set([side[a], side[b]].filter((one) => one !== "middle"));
        const of = sides.size === 1 ? [...sides][0] : "middle";
        const width = (whole ? 3 : 1.8) * px;
        group.append(svg("line", {
          x1: at[a].x, y1: at[a].y, x2: at[b].x, y2: at[b].y,
          stroke: rim ? RIM : rgb(model.colours[of]), "stroke-width": width + (rim ? 2 * px : 0),
          ...(whole ? {} : { "stroke-dasharray": `${5 * px} ${6 * px}` }),
        }));
      }
    }
    for (const joint of person.joints) {
      const is = chosen.person === number && chosen.joint === joint.name;
      const r = (is ? 7 : 4.5) * px;
      const place = { cx: joint.x, cy: joint.y };
      if (sure(joint.name)) {
        group.append(svg("circle", { ...place, r, fill: colour(joint.name), stroke: RIM, "stroke-width": 1.2 * px }));
      } else {
        group.append(svg("circle", { ...place, r, stroke: RIM, "stroke-width": 4 * px }));
        group.append(svg("circle", { ...place, r, stroke: colour(joint.name), "stroke-width": 2 * px }));
      }
      group.append(svg("circle", { ...place, r: 12 * px, class: "hit", "data-person": number, "data-joint": joint.name, fill: "transparent" }));
    }
    drawn.append(group);
  });
  const person = answer.persons[chosen.person ?? 0];
  const named = answer.persons.flatMap((one) => (one === person || chosen.person === undefined ? one.joints : []));
  const large = person?.joints.filter((joint) => joint.name === chosen.joint) || [];
  const taken = [];
  drawn.append(...large.map((joint) => label(joint, 14 * px, answer, taken)));
  if (names) drawn.append(...named.filter((joint) => !large.includes(joint)).map((joint) => label(joint, 11 * px, answer, taken)));
  return drawn;
}

/** A joint's name and score beside it, where there is room: `taken` are the places of other labels. */
function label(joint, size, answer, taken) {
  const said = `${words(joint.name)} ${joint.score.toFixed(2)}`;
  const [width, height, gap] = [0.6 * size * said.length, 1.15 * size, 0.8 * size];
  const places = [[gap, -0.5], [-gap - width, -0.5], [-width / 2, -1.7], [-width / 2, 0.7], [gap, -1.4], [gap, 0.4], [-gap - width, -1.4], [-gap - width, 0.4]]
    .map(([dx, dy]) => [joint.x + dx, joint.y + dy * height]);
  const free = ([x, y]) => x >= 0 && x + width <= answer.width && y >= 0 && y + height <= answer.height
    && !taken.some(([left, top, w, h]) => x < left + w && left < x + width && y < top + h && top < y + height);
  const [x, y] = places.find(free) || places.find(([left]) => left >= 0 && left + width <= answer.width) || places[0];
  taken.push([x, y, width, height]);
  const text = svg("text", {
    x, y: y + 0.85 * size, fill: "#fff", stroke: RIM, "stroke-width": size / 4, "paint-order": "stroke",
    "stroke-linejoin": "round", "font-size": size, "font-weight": 600, "pointer-events": "none",
  });
  text.textContent = said;
  return text;
}

/** Ticks along an edge of `length` CSS px that covers `size` px; `at` is marked with its value. */
function ruler(target, size, length, down, at) {
  const thick = down ? target.clientWidth : target.clientHeight;
  const scale = length / size;
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000].find((one) => one * scale >= 52) || size;
  const made = [];
  const tick = (value, reach, kind = {}) => {
    const place = (value + 0.5) * scale;
    const ends = down ? { x1: thick - reach, x2: thick, y1: place, y2: place } : { y1: thick - reach, y2: thick, x1: place, x2: place };
    made.push(svg("line", { ...ends, ...kind }));
    return place;
  };
  const write = (value, place, kind = {}) => {
    const where = down
      ? { x: thick - 8, y: Math.max(9, Math.min(place + 3.5, length)), "text-anchor": "end" }
      : { x: place, y: thick - 9, "text-anchor": value === 0 ? "start" : "middle" };
    const text = svg("text", { ...where, ...kind });
    text.textContent = Math.round(value);
    return text;
  };
  for (let value = 0; value < size; value += step / 5) {
    const major = Math.abs(value / step - Math.round(value / step)) < 1e-9;
    const place = tick(value, major ? 6 : 3);
    const near = at !== undefined && Math.abs(value - at) * scale < 30;
    if (major && !near) made.push(write(value, place));
  }
  if (at !== undefined && at >= 0 && at < size) made.push(write(at, tick(at, 9, { class: "at" }), { class: "at" }));
  target.replaceChildren(...made);
}

// ---- heatmaps -----------------------------------------------------------------------------------

const HEAT = [[20, 11, 52], [101, 21, 110], [174, 42, 86], [226, 93, 40], [251, 165, 20], [252, 248, 165]];

/** RGB of a value from 0 to 1: dark violet to pale yellow, even to the eye. */
function heat(value) {
  const place = Math.min(Math.max(value, 0), 1) * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[low].map((from, i) => from + (place - low) * (HEAT[low + 1][i] - from));
}

/** The maps of a set, decoded: for each joint its cells, 0 to 255. */
async function unfold(set) {
  const image = new Image();
  image.src = `data:image/png;base64,${set.png}`;
  await image.decode();
  const canvas = html("canvas", { width: image.width, height: image.height });
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  paper.drawImage(image, 0, 0);
  const cells = paper.getImageData(0, 0, image.width, image.height).data;
  return { ...set, cells };
}

/** Paints one joint's map; what is nearly nothing lets the photograph through. */
function paintMap(canvas, set, joint) {
  Object.assign(canvas, { width: set.width, height: set.height });
  const paper = canvas.getContext("2d");
  const picture = paper.createImageData(set.width, set.height);
  const first = joint * set.width * set.height;
  for (let cell = 0; cell < set.width * set.height; cell++) {
    const value = set.cells[4 * (first + cell)] / 255;
    picture.data.set([...heat(value), 255 * Math.min(0.85, 0.25 + 1.2 * value)], 4 * cell);
  }
  paper.putImageData(picture, 0, 0);
}

function paintScale(canvas) {
  Object.assign(canvas, { width: 64, height: 1 });
  const paper = canvas.getContext("2d");
  for (let x = 0; x < 64; x++) {
    paper.fillStyle = rgb(heat(x / 63).map(Math.round));
    paper.fillRect(x, 0, 1, 1);
  }
}

// ---- what is taken away -------------------------------------------------------------------------

/** A PNG of the photograph once for each answer, side by side, with the poses drawn on it. */
async function drawPicture(photo, drawings) {
  const longest = Math.max(photo.width, photo.height);
  const scale = Math.min(1, 4096 / longest);
  const [w, h] = [Math.round(photo.width * scale), Math.round(photo.height * scale)];
  const canvas = html("canvas", { width: w * drawings.length, height: h });
  const paper = canvas.getContext("2d");
  const image = new Image();
  image.src = photo.url;
  await image.decode();
  for (const [number, drawing] of drawings.entries()) {
    drawing.setAttribute("width", w);
    drawing.setAttribute("height", h);
    const shown = new Image();
    shown.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
    await shown.decode();
    paper.drawImage(image, number * w, 0, w, h);
    paper.drawImage(shown, number * w, 0, w, h);
  }
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function save(blob, name) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
