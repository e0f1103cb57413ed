"use strict";
// What is shown and what it was asked: one state, and functions that make the page follow it.

const $ = (id) => document.getElementById(id);
const state = {
  models: [], limits: null, chosen: new Set(), photos: [], current: null, person: 0, joint: null,
  set: null, live: null, stop: null, drawing: false,
};
const panels = new Map(); // by model: the elements of its panel

// ---- asking -------------------------------------------------------------------------------------

const model = (name) => state.models.find((one) => one.name === name);
const shownModels = () => state.models.filter((one) => state.chosen.has(one.name));
const key = (photo, name) => JSON.stringify([name, $("passes").value, $("flip").checked && model(name).flip, photo.boxes]);
const answerOf = (photo, name) => photo?.answers.get(key(photo, name));

async function post(photo, name, maps) {
  const query = new URLSearchParams({ model: name });
  if ($("passes").value) query.set("passes", $("passes").value);
  if ($("flip").checked && model(name).flip) query.set("flip", 1);
  if (maps) query.set("maps", 1);
  const form = new FormData();
  form.append("photo", photo.blob, "photo");
  if (photo.boxes.length) form.append("boxes", JSON.stringify(photo.boxes));
  const began = performance.now();
  let response;
  try {
    response = await fetch(`predict?${query}`, { method: "POST", body: form });
  } catch {
    throw new Error("The service does not answer.");
  }
  const answer = await response.json().catch(() => ({ error: `The service answered ${response.status}.` }));
  if (!response.ok) throw new Error(answer.error);
  return { ...answer, ms: performance.now() - began };
}

/** Asks about a photograph what has not been asked yet; a newer question of the same model wins. */
async function ask(photo, name) {
  const about = key(photo, name);
  if (photo.answers.has(about) || photo.asking.has(about)) return;
  photo.asking.add(about);
  show();
  let answer;
  try {
    answer = await post(photo, name, false);
  } catch (error) {
    answer = { error: error.message };
  }
  photo.asking.delete(about);
  photo.answers.set(about, answer);
  if (!photo.frame && photo === state.current) tell(photo, name, answer);
  show();
}

function askAll() {
  const photo = state.current;
  if (photo && !photo.frame) for (const one of shownModels()) ask(photo, one.name);
}

async function askMaps(photo, name) {
  const about = key(photo, name);
  if (photo.maps.has(about) || photo.frame) return;
  photo.maps.set(about, null);
  try {
    const { persons } = await post(photo, name, true);
    photo.maps.set(about, await Promise.all(persons.map((person) => Promise.all(person.maps.map(unfold)))));
  } catch (error) {
    photo.maps.set(about, { error: error.message });
  }
  showJoint();
}

function tell(photo, name, answer) {
  const count = answer.persons?.length;
  $("news").textContent = answer.error
    ? `${photo.name}, ${name}: ${answer.error}`
    : `${photo.name}, ${name}: ${count} ${count === 1 ? "person" : "persons"}`;
}

// ---- photographs --------------------------------------------------------------------------------

function newPhoto(blob, name) {
  return { blob, name, url: URL.createObjectURL(blob), boxes: [], draft: null, answers: new Map(), asking: new Set(), maps: new Map() };
}

function problem(text) {
  $("message").textContent = text || "";
  $("message").hidden = !text;
}

function add(files) {
  const photos = [...files].filter((file) => file.type.startsWith("image/"));
  const left = files.length - photos.length;
  problem(left ? `${left} of ${files.length} files ${left === 1 ? "is" : "are"} no photograph.` : "");
  const large = photos.find((file) => state.limits && file.size > state.limits.bytes);
  if (large) problem(`${large.name} is larger than ${mega(state.limits.bytes, 2 ** 20)} MiB: save it smaller.`);
  const fine = photos.filter((file) => !state.limits || file.size <= state.limits.bytes);
  if (!fine.length) return;
  halt();
  const made = fine.map((file) => newPhoto(file, file.name || "pasted"));
  state.photos.push(...made);
  choose(made[0]);
}

function choose(photo) {
  Object.assign(state, { current: photo, person: 0 });
  showStrip();
  askAll();
  show();
}

function setBoxes(boxes, done, focus = null) {
  const photo = state.current;
  if (!done) {
    photo.draft = boxes;
    return show();
  }
  Object.assign(photo, { boxes, draft: null });
  state.person = Math.min(state.person, Math.max(0, boxes.length - 1));
  show();
  if (focus !== null) panels.get(shownModels()[0]?.name)?.picture.querySelectorAll(".box")[focus]?.focus();
  clearTimeout(setBoxes.soon);
  setBoxes.soon = setTimeout(askAll, 250);
}

// ---- showing ------------------------------------------------------------------------------------

function newPanel(name) {
  const panel = { caption: html("figcaption"), along: svg("svg", { class: "along" }), down: svg("svg", { class: "down" }),
    picture: html("div", { className: "picture" }), image: html("img", { alt: "" }), map: html("canvas", { hidden: true }), drawn: svg("svg") };
  for (const decoration of [panel.along, panel.down]) decoration.setAttribute("aria-hidden", "true");
  panel.picture.append(panel.image, panel.map, panel.drawn);
  panel.root = html("figure", { className: "panel" }, panel.caption, html("div", { className: "sheet" }, panel.along, panel.down, panel.picture));
  panel.image.addEventListener("load", () => showPanel(name));
  new ResizeObserver(() => showPanel(name)).observe(panel.picture);
  drawBoxes(panel.picture, () => ({ boxes: state.current.boxes, width: panel.image.naturalWidth, height: panel.image.naturalHeight }), setBoxes);
  const pointed = (event) => event.target.closest?.(".hit");
  panel.picture.addEventListener("pointerover", (event) => {
    const hit = pointed(event);
    if (hit) light(hit.dataset.joint, Number(hit.dataset.person));
  });
  panel.picture.addEventListener("pointerleave", () => light(null));
  panels.set(name, panel);
  return panel;
}

function show() {
  const photo = state.current;
  $("empty").hidden = Boolean(photo);
  $("work").hidden = !photo;
  if (!photo) return;
  const roots = shownModels().map((one) => (panels.get(one.name) || newPanel(one.name)).root);
  if (roots.length !== $("panels").children.length || roots.some((root, i) => root !== $("panels").children[i])) $("panels").replaceChildren(...roots);
  $("live").hidden = !state.stop;
  $("clear").hidden = !photo.boxes.length;
  $("draw").disabled = $("add").disabled = Boolean(photo.frame);
  $("hint").hidden = !state.drawing && !photo.boxes.length;
  for (const one of shownModels()) showPanel(one.name);
  showPersons();
  showTable();
  showJoint();
}

function showPanel(name) {
  const [photo, panel] = [state.current, panels.get(name)];
  if (!photo || !panel.root.isConnected) return;
  const answer = answerOf(photo, name);
  if (panel.image.src !== photo.url) panel.image.src = photo.url;
  panel.picture.classList.toggle("asking", photo.asking.size > 0 && !answer && !photo.frame);
  panel.picture.classList.toggle("drawing", state.drawing && !photo.frame);
  caption(panel, name, answer);
  const [width, height] = [panel.image.naturalWidth, panel.image.naturalHeight];
  if (!panel.image.complete || !width) return;
  panel.picture.style.setProperty("--aspect", width / height);
  if (!panel.picture.clientWidth) return;
  const px = width / panel.picture.clientWidth;
  const found = answer?.persons ? answer : { width, height, persons: [] };
  const drawn = overlay(found, model(name), { px, threshold: Number($("threshold").value), names: $("names").checked, chosen: { person: state.person, joint: state.joint } });
  drawn.setAttribute("role", "group");
  drawn.setAttribute("aria-label", `${photo.name}: ${found.persons.length} found by ${name}`);
  const boxes = photo.draft || photo.boxes;
  const focused = panel.picture.contains(document.activeElement) ? [...panel.drawn.querySelectorAll(".box")].indexOf(document.activeElement) : -1;
  drawn.prepend(...boxShapes(boxes, { width, height }, px, setBoxes));
  panel.drawn.replaceWith(drawn);
  panel.drawn = drawn;
  if (focused >= 0) drawn.querySelectorAll(".box")[focused]?.focus();
  const at = found.persons[state.person]?.joints.find((joint) => joint.name === state.joint);
  ruler(panel.along, width, panel.picture.clientWidth, false, at?.x);
  ruler(panel.down, height, panel.picture.clientHeight, true, at?.y);
}

function caption(panel, name, answer) {
  const said = [html("strong", { textContent: name })];
  if (answer?.error) said.push(html("span", { className: "wrong", textContent: answer.error }));
  else if (answer) {
    const person = answer.persons[state.person];
    if (person) said.push(html("span", { textContent: `score ${person.score.toFixed(2)}` }));
    said.push(html("span", { className: "ms", textContent: `${Math.round(answer.ms)} ms` }));
  } else said.push(html("span", { textContent: "looking" }));
  panel.caption.replaceChildren(...said);
}

function showStrip() {
  $("strip").hidden = state.photos.length < 2;
  $("strip").replaceChildren($("strip").firstElementChild, ...state.photos.map((photo) => {
    const input = html("input", { type: "radio", name: "photo", checked: photo === state.current, ariaLabel: photo.name });
    input.addEventListener("change", () => { halt(); choose(photo); $("strip").querySelector(":checked")?.focus(); });
    return html("label", { title: photo.name }, html("img", { src: photo.url, alt: "" }), input);
  }));
}

function showPersons() {
  const count = Math.max(0, ...shownModels().map((one) => answerOf(state.current, one.name)?.persons?.length || 0));
  $("persons").hidden = count < 2;
  if (state.person >= Math.max(1, count)) state.person = 0;
  if ($("persons").children.length === count + 1) return;
  $("persons").replaceChildren($("persons").firstElementChild, ...Array.from({ length: count }, (_, number) => {
    const input = html("input", { type: "radio", name: "person", checked: number === state.person });
    input.addEventListener("change", () => { state.person = number; show(); });
    return html("label", { className: "tick" }, input, ` ${number + 1}`);
  }));
}

function showTable() {
  const models = shownModels();
  const sides = new Map(models.flatMap((one) => one.joints.map((joint) => [joint.name, joint.side])));
  const shape = JSON.stringify([models.map((one) => one.name), [...sides.keys()]]);
  if ($("table").dataset.shape !== shape) {
    $("table").dataset.shape = shape;
    const head = html("tr", {}, html("th", { scope: "col", textContent: "joint" }), ...models.map((one) => html("th", { scope: "col" }, ...(models.length > 1 ? breakable(one.name) : ["score"]))));
    $("table").replaceChildren(html("thead", {}, head), html("tbody", {}, ...[...sides].map(([name, side]) => newRow(name, side, models))));
  }
  const threshold = Number($("threshold").value);
  for (const row of $("table").tBodies[0].rows) {
    const scores = models.map((one) => answerOf(state.current, one.name)?.persons?.[state.person]?.joints.find((joint) => joint.name === row.dataset.joint)?.score);
    scores.forEach((score, i) => {
      const [bar, number] = row.cells[i + 1].firstElementChild.children;
      bar.value = score ?? 0;
      number.textContent = score === undefined ? "–" : score.toFixed(2);
      row.cells[i + 1].firstElementChild.classList.toggle("unsure", !(score >= threshold));
    });
    row.querySelector(".key").classList.toggle("hollow", !scores.some((score) => score >= threshold));
  }
}

function newRow(name, side, models) {
  const button = html("button", { type: "button" }, html("span", { className: `key ${side}` }), words(name));
  const row = html("tr", {}, html("th", { scope: "row" }, button));
  row.dataset.joint = name;
  for (const one of models) {
    const meter = html("meter", { min: 0, max: 1, ariaLabel: `score of ${words(name)}, ${one.name}` });
    const cell = html("td", {}, html("div", { className: `score ${side}` }, meter, html("span")));
    cell.style.width = `${100 / models.length}%`; // bars to be compared are of one length
    row.append(cell);
  }
  button.addEventListener("focus", () => light(name));
  button.addEventListener("blur", () => light(null));
  button.addEventListener("click", () => light(name));
  row.addEventListener("pointerenter", () => light(name));
  row.addEventListener("pointerleave", () => light(document.activeElement?.closest("tr")?.dataset.joint || null));
  button.addEventListener("keydown", (event) => {
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("button").focus();
  });
  return row;
}

/** Shows a joint of a person everywhere: on the pictures, the rulers, in the table, and its heatmap. */
function light(joint, person = state.person) {
  if (joint === state.joint && person === state.person) return;
  Object.assign(state, { joint, person });
  for (const one of shownModels()) showPanel(one.name);
  for (const input of $("persons").querySelectorAll("input")) input.checked = [...$("persons").querySelectorAll("input")].indexOf(input) === person;
  showTable();
  showJoint();
}

function showJoint() {
  for (const row of $("table").tBodies[0]?.rows || []) row.classList.toggle("on", row.dataset.joint === state.joint);
  const lines = new Map();
  for (const one of shownModels()) {
    const panel = panels.get(one.name);
    if (panel) panel.map.hidden = true;
    if (!one.maps) lines.set(one.no_maps, null);
    else if (state.joint && panel && answerOf(state.current, one.name)?.persons) showMap(one, panel, lines);
    else lines.set("Point at a joint to see its heatmap.", null);
  }
  if ($("heat").dataset.said === JSON.stringify([...lines])) return;
  $("heat").dataset.said = JSON.stringify([...lines]);
  $("heat").replaceChildren(...[...lines].flatMap(([text, peak]) => {
    if (peak === null) return [html("p", { textContent: sentence(text) })];
    const scale = html("canvas", { ariaLabel: "colours from 0 to the peak" });
    paintScale(scale);
    return [html("p", { textContent: text }), scale, html("div", { className: "ends" }, html("span", { textContent: "0" }), html("span", { textContent: peak.toFixed(2) }))];
  }), ...setChoice());
}

function showMap(one, panel, lines) {
  const photo = state.current;
  askMaps(photo, one.name);
  const maps = photo.maps.get(key(photo, one.name));
  if (!maps || maps.error) return lines.set(maps?.error || "Drawing the heatmap.", null);
  const sets = maps[state.person] || [];
  const set = sets.find((each) => each.name === state.set) || sets.at(-1);
  const joint = one.joints.findIndex((each) => each.name === state.joint);
  if (!set || joint < 0) return;
  paintMap(panel.map, set, joint);
  const [x, y, width, height] = set.box;
  const [w, h] = [panel.image.naturalWidth, panel.image.naturalHeight];
  Object.assign(panel.map.style, { left: `${(100 * x) / w}%`, top: `${(100 * y) / h}%`, width: `${(100 * width) / w}%`, height: `${(100 * height) / h}%` });
  panel.map.hidden = false;
  lines.set(`${one.name}, ${set.name}: ${words(state.joint)}`, set.peaks[joint]);
}

/** Where a system has several sets of maps: which of them. */
function setChoice() {
  const names = [...new Set(shownModels().flatMap((one) => {
    const maps = state.current.maps.get(key(state.current, one.name));
    return maps && !maps.error ? (maps[0] || []).map((set) => set.name) : [];
  }))];
  if (names.length < 2) return [];
  const chosen = names.includes(state.set) ? state.set : names.at(-1);
  return [html("div", { className: "pick" }, ...names.map((name) => {
    const input = html("input", { type: "radio", name: "set", checked: name === chosen });
    input.addEventListener("change", () => { state.set = name; });
    return html("label", { className: "tick" }, input, ` ${words(name)}`);
  }))];
}

const breakable = (name) => name.split(/(?<=[/_])/).flatMap((part) => [part, html("wbr")]);
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");
const mega = (value, unit) => +(value / unit).toFixed(1);
