"use strict";
// What people do, and the first look at the service.

// ---- camera -------------------------------------------------------------------------------------

async function startCamera() {
  problem("");
  $("camera").disabled = true;
  try {
    state.stop = await openCamera(seeFrame);
  } catch (error) {
    problem(cameraProblem(error));
    $("camera").disabled = false;
  }
  show();
}

async function seeFrame(blob) {
  const frame = Object.assign(newPhoto(blob, "camera"), { frame: true });
  const models = shownModels();
  await Promise.all(models.map(async (one) => {
    const about = key(frame, one.name);
    frame.answers.set(about, await post(frame, one.name, false).catch((error) => ({ error: error.message })));
  }));
  if (!state.stop) return;
  const before = state.current;
  const image = new Image();
  image.src = frame.url;
  await image.decode().catch(() => null);
  state.current = frame;
  show();
  if (before?.frame) setTimeout(() => URL.revokeObjectURL(before.url), 1000);
}

/** Ends the camera and goes back to the photographs. */
function halt() {
  if (!state.stop) return;
  state.stop();
  state.stop = null;
  $("camera").disabled = false;
  if (state.current?.frame) state.current = state.photos.at(-1) || null;
  show();
}

function keepFrame() {
  const frame = state.current;
  if (!frame?.frame) return;
  halt();
  const photo = newPhoto(frame.blob, `camera ${state.photos.length + 1}.jpg`);
  photo.answers = frame.answers;
  state.photos.push(photo);
  choose(photo);
}

// ---- what is taken away -------------------------------------------------------------------------

const stem = (photo) => photo.name.replace(/\.[^.]*$/, "") || "photograph";

function saveJson() {
  const answers = state.photos.flatMap((photo) => shownModels().flatMap((one) => {
    const answer = answerOf(photo, one.name);
    if (!answer) return [];
    const { ms, ...values } = answer;
    return [{ file: photo.name, ...values }];
  }));
  save(new Blob([JSON.stringify(answers, null, 2)], { type: "application/json" }), "poses.json");
}

async function savePicture() {
  const photo = state.current;
  const answers = shownModels().map((one) => [one, answerOf(photo, one.name)]).filter(([, answer]) => answer?.persons);
  if (!answers.length) return;
  const { width, height } = answers[0][1];
  const px = Math.max(width, height) / 700;
  const drawings = answers.map(([one, answer]) => overlay(answer, one, { px, threshold: Number($("threshold").value), names: $("names").checked }));
  save(await drawPicture({ ...photo, width, height }, drawings), `${stem(photo)}.poses.png`);
}

// ---- wiring -------------------------------------------------------------------------------------

async function addBox() {
  const image = panels.get(shownModels()[0].name).image;
  await image.decode().catch(() => null);
  if (!image.naturalWidth) return;
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const box = [width * 0.3, height * 0.15, width * 0.4, height * 0.7].map(Math.round);
  setBoxes([...state.current.boxes, box], true, state.current.boxes.length);
}

function wire() {
  $("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
  $("camera").addEventListener("click", startCamera);
  $("stop").addEventListener("click", halt);
  $("keep").addEventListener("click", keepFrame);
  $("example").addEventListener("click", async () => {
    const response = await fetch("example.jpg").catch(() => null);
    if (!response?.ok) return problem("The service does not answer.");
    add([new File([await response.blob()], "astronaut.jpg", { type: "image/jpeg" })]);
  });
  $("draw").addEventListener("click", () => {
    state.drawing = !state.drawing;
    $("draw").setAttribute("aria-pressed", state.drawing);
    show();
  });
  $("add").addEventListener("click", addBox);
  $("clear").addEventListener("click", () => setBoxes([], true));
  $("json").addEventListener("click", saveJson);
  $("picture").addEventListener("click", savePicture);
  for (const id of ["passes", "flip"]) $(id).addEventListener("change", () => { askAll(); show(); });
  $("names").addEventListener("change", show);
  $("threshold").addEventListener("input", () => { $("sure").textContent = Number($("threshold").value).toFixed(2); show(); });
  addEventListener("dragover", (event) => { event.preventDefault(); document.documentElement.classList.add("dropping"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.documentElement.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.documentElement.classList.remove("dropping");
    if (event.dataTransfer.files.length) add(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => { if (event.clipboardData?.files.length) add(event.clipboardData.files); });
  addEventListener("pagehide", () => state.stop?.());
}

function listModels() {
  $("models").hidden = state.models.length < 2;
  $("flip").parentElement.hidden = !state.models.some((one) => one.flip);
  $("models").append(...state.models.map((one) => {
    const input = html("input", { type: "checkbox", checked: state.chosen.has(one.name), value: one.name });
    input.addEventListener("change", () => {
      if (!input.checked && state.chosen.size === 1) input.checked = true;
      state.chosen[input.checked ? "add" : "delete"](one.name);
      askAll();
      show();
    });
    return html("label", { className: "tick" }, input, one.name);
  }));
}

async function start() {
  wire();
  try {
    const response = await fetch("models");
    if (!response.ok) throw new Error();
    const { models, limits, version } = await response.json();
    Object.assign(state, { models, limits, chosen: new Set(models.slice(0, 2).map((one) => one.name)) });
    $("state").textContent = models.length > 1 ? `${models.length} systems, version ${version}` : `${models[0].name}, version ${version}`;
    $("state").classList.add("ready");
    $("limits").textContent = `JPEG, PNG or WebP, up to ${mega(limits.bytes, 2 ** 20)} MiB and ${mega(limits.pixels, 1e6)} megapixels.`;
    $("threshold").value = models[0].threshold;
    $("sure").textContent = models[0].threshold.toFixed(2);
    listModels();
    askAll();
    show();
  } catch {
    $("state").textContent = "the service does not answer";
    $("state").classList.add("wrong");
  }
}

start();
