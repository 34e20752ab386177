// The page: files in, answers out. The network runs in workers, see network.js.
"use strict";

const $ = name => document.getElementById(name);
const model = JSON.parse($("model").textContent);
const MOST = 1000, BATCH = 16, AGREEMENT = model.promises[0].agreement, UNDECIDED = "ask volunteers";
const YELLOW = [255, 194, 10], FOR = [178, 24, 43], AGAINST = [33, 102, 172];

const bytesOf = name => Uint8Array.from(atob($(name).textContent), letter => letter.charCodeAt(0));
const urlOf = (content, type) => URL.createObjectURL(new Blob([content], { type }));

// --- workers, each with a network

class Crew {
  constructor() {
    this.code = urlOf(bytesOf("worker"), "text/javascript");
    this.wanted = Math.max(1, Math.min(4, navigator.hardwareConcurrency || 1));
    this.members = [this.member()];
  }

  member() {
    const worker = new Worker(this.code), waiting = new Map();
    let last = 0;
    worker.onmessage = ({ data: { id, made, error } }) => {
      const [resolve, reject] = waiting.get(id);
      waiting.delete(id);
      error === undefined ? resolve(made) : reject(new Error(error));
    };
    worker.onerror = event => { for (const [, reject] of waiting.values()) reject(new Error(event.message)); };
    const ask = (kind, given) => new Promise((resolve, reject) => {
      waiting.set(++last, [resolve, reject]);
      worker.postMessage({ id: last, kind, given });
    });
    const { size, crop, decoding, views, layers, known } = model;
    const given = { model: { size, crop, decoding, views, layers, known } };
    for (const name of ["network", "gradient", "wasm"]) given[name] = bytesOf(name);
    return { ask, ready: ask("load", given) };
  }

  hire(batches) {
    while (this.members.length < Math.min(this.wanted, batches)) this.members.push(this.member());
  }
}

// --- from the network's numbers to answers, as galaxies.bundle.answers and galaxies.judgement

const logit = p => { const q = Math.min(Math.max(p, 1e-6), 1 - 1e-6); return Math.log(q / (1 - q)); };
const sigmoid = x => 1 / (1 + Math.exp(-x));
const calibrated = (raw, { slope, intercept }) => sigmoid(slope * logit(raw) + intercept);

function outputsOf(numbers) {
  if (numbers.length === 1) return [numbers[0]];
  const made = numbers.slice();
  for (const { start, answers } of model.questions) {
    const logits = numbers.slice(start, start + answers.length), largest = Math.max(...logits);
    const each = logits.map(one => Math.exp(one - largest)), total = each.reduce((sum, one) => sum + one, 0);
    each.forEach((one, place) => { made[start + place] = one / total; });
  }
  const within = made.slice();
  for (const { start, answers, after } of model.questions) {
    if (after !== null) answers.forEach((_, place) => { made[start + place] = made[after] * within[start + place]; });
  }
  for (let place = model.answers; place < made.length; place++) {
    made[place] = Math.exp(Math.min(Math.max(numbers[place] + 2, -1), 6));
  }
  return made.map(Math.fround);
}

function answered(views) {
  const each = views.map(outputsOf);
  const outputs = each[0].map((_, place) => Math.fround(each.reduce((sum, one) => sum + one[place], 0) / each.length));
  let raw = outputs[0];
  if (outputs.length > 1) {
    const [smooth, spiral] = model.classes.map(place => Math.max(outputs[place], 1e-30));
    raw = spiral / (smooth + spiral);
  }
  return { outputs, raw: Math.fround(raw) };
}

// As galaxies.classifying.classifier: no decision on an unfamiliar galaxy, nor on any of an unfamiliar survey.
function decide(galaxies) {
  const { threshold } = model.promises.find(promise => promise.agreement >= AGREEMENT);
  const read = galaxies.filter(galaxy => !galaxy.error);
  for (const galaxy of read) galaxy.familiar = isFamiliar(galaxy.distance, model.known);
  const unfamiliar = read.filter(galaxy => galaxy.familiar === false).length;
  const survey = surveyIsFamiliar(unfamiliar, read.length, model.known);
  for (const galaxy of read) {
    galaxy.p = Math.fround(calibrated(galaxy.raw, model.calibration));
    galaxy.label = galaxy.p > 0.5 ? "spiral" : "elliptical";
    const sure = threshold !== null && Math.max(galaxy.p, 1 - galaxy.p) >= threshold;
    galaxy.decision = sure && galaxy.familiar && survey ? galaxy.label : UNDECIDED;
  }
  return { read: read.length, unfamiliar, survey };
}

// What the test says, in words.
function wordsOf({ read, unfamiliar, survey }) {
  if (!read || (survey && !unfamiliar)) return [];
  if (survey === null) return ["The network knows too few galaxies to tell what is familiar: it decides nothing"];
  if (read === 1) return ["It does not look like the galaxies that the network knows: nothing is decided"];
  if (survey) return [`${unfamiliar} of ${read} do not look like the galaxies that the network knows: it does not decide them`];
  return [`${unfamiliar} of ${read} do not look like the galaxies that the network knows, more than chance explains: it decides none of the ${read}`];
}

// --- files: images, folders and zip archives

async function* inside(entry) {
  if (entry.isFile) yield await new Promise((resolve, reject) => entry.file(resolve, reject));
  if (!entry.isDirectory) return;
  const reader = entry.createReader();
  for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) {
    for (const one of some) yield* inside(one);
  }
}

const isImage = name => /\.(jpe?g|png)$/i.test(name) && !/(^|\/)(\.|__MACOSX)/.test(name);

async function* unzipped(file) {
  const data = new DataView(await file.arrayBuffer());
  let end = data.byteLength - 22;
  while (end >= 0 && data.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error(`${file.name} is not a zip archive`);
  let at = data.getUint32(end + 16, true);
  for (let left = data.getUint16(end + 10, true); left > 0; left--) {
    const method = data.getUint16(at + 10, true), length = data.getUint32(at + 20, true);
    const named = data.getUint16(at + 28, true), start = data.getUint32(at + 42, true);
    const name = new TextDecoder().decode(new Uint8Array(data.buffer, at + 46, named));
    at += 46 + named + data.getUint16(at + 30, true) + data.getUint16(at + 32, true);
    if (!isImage(name)) continue;
    const from = start + 30 + data.getUint16(start + 26, true) + data.getUint16(start + 28, true);
    const packed = new Blob([new Uint8Array(data.buffer, from, length)]);
    const plain = method === 0 ? packed.stream() : packed.stream().pipeThrough(new DecompressionStream("deflate-raw"));
    yield { name, arrayBuffer: () => new Response(plain).arrayBuffer() };
  }
}

async function* images(files) {
  for await (const file of files) {
    if (/\.zip$/i.test(file.name)) yield* unzipped(file);
    else if (isImage(file.name) || !file.webkitRelativePath) yield file;
  }
}

// --- classify

let galaxies = [], turn = 0;

async function classify(files) {
  const mine = ++turn, found = [];
  say("Reading…");
  galaxies = [];
  $("counts").textContent = "";
  let more = false;
  try {
    for await (const file of images(files)) {
      if (found.length === MOST) { more = true; break; }
      found.push({ id: file.name.split("/").pop().replace(/\.[^.]*$/, ""), data: await file.arrayBuffer() });
    }
  } catch (error) {
    return say(error.message);
  }
  if (!found.length) return say("No JPEG or PNG there.");
  const batches = [];
  for (let at = 0; at < found.length; at += BATCH) batches.push(found.slice(at, at + BATCH));
  crew.hire(batches.length);
  let next = 0, done = 0;
  await Promise.all(crew.members.map(async ({ ask }) => {
    while (next < batches.length && mine === turn) {
      const batch = batches[next++];
      const made = await ask("read", { files: batch.map(({ data }) => data) });
      made.forEach(({ pixels, numbers, distance, error }, place) => {
        Object.assign(batch[place], error ? { error } : { pixels, numbers, distance, ...answered(numbers) }, { data: null });
      });
      done += batch.length;
      if (found.length > 1) say(`${done} of ${found.length} galaxies`);
    }
  })).catch(error => say(error.message));
  if (mine !== turn || done < found.length) return;
  galaxies = found;
  const verdict = decide(galaxies), first = galaxies.findIndex(galaxy => !galaxy.error);
  listed(verdict, more);
  if (first >= 0) await show(first);
  else $("one").hidden = true;
}

function listed(verdict, more) {
  const failed = galaxies.filter(galaxy => galaxy.error);
  $("many").hidden = galaxies.length < 2;
  const said = [];
  if (galaxies.length === 1 && failed.length) said.push(`${galaxies[0].id} ${galaxies[0].error}`);
  else if (failed.length) said.push(`${failed.length} could not be read`);
  if (more) said.push(`Only the first ${MOST} are classified; for more, install galaxies`);
  said.push(...wordsOf(verdict));
  say(said.join(". "));
  if (galaxies.length < 2) return;
  const count = word => galaxies.filter(galaxy => galaxy.decision === word).length;
  $("counts").textContent = `${galaxies.length} galaxies: ${count("elliptical")} elliptical, ${count("spiral")} spiral, `
    + `${count(UNDECIDED)} for volunteers`;
  $("rows").replaceChildren(...galaxies.map((galaxy, place) => {
    const row = document.createElement("tr");
    const cells = galaxy.error ? [galaxy.id, galaxy.error] : [galaxy.id, galaxy.p.toFixed(3), galaxy.label, galaxy.decision, { true: "yes", false: "no", null: "" }[galaxy.familiar]];
    for (const text of cells) row.insertCell().textContent = text;
    if (galaxy.error) row.cells[1].colSpan = 4;
    else {
      row.tabIndex = 0;
      row.onclick = () => show(place);
      row.onkeydown = event => { if (event.key === "Enter") show(place); };
    }
    return row;
  }));
}

function table() {
  const quote = text => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = galaxies.map(galaxy => galaxy.error
    ? [quote(galaxy.id), "", "", "", "", quote(galaxy.error)]
    : [quote(galaxy.id), galaxy.p.toFixed(6), galaxy.label, galaxy.decision, galaxy.familiar ?? "", ""]);
  return [["galaxy_id", "p_spiral", "label", "decision", "familiar", "error"], ...rows].map(row => row.join(",")).join("\n") + "\n";
}

// --- one galaxy

let shown = null;

async function show(place, asked) {
  const galaxy = galaxies[place], mine = turn;
  shown = place;
  [...$("rows").rows].forEach((row, at) => row.setAttribute("aria-selected", at === place));
  const options = model.asked.filter(({ alone }) => alone === undefined || alone === (galaxy.numbers[0].length === 1));
  const best = asked ?? String(options.findIndex(one => one.first && one.answer === predicted(galaxy, one)));
  $("asked").replaceChildren(...options.map((one, at) => new Option(one.words, at)));
  $("asked").value = best;
  $("one").hidden = false;
  $("name").textContent = galaxy.id;
  drawGalaxy($("galaxy"), galaxy.pixels);
  $("galaxy").setAttribute("aria-label", `galaxy ${galaxy.id} as the network is given it`);
  writeAnswers(galaxy, options[best]);
  const seen = await crew.members[0].ask("look", { pixels: galaxy.pixels, numbers: galaxy.numbers[0], asked: options[best] });
  if (mine !== turn || shown !== place || $("asked").value !== String(best)) return;
  galaxy.seen = seen;
  drawEvidence($("evidence"), galaxy.pixels, seen.evidence);
  $("evidence").setAttribute("aria-label", `evidence for ${options[best].words}`);
  drawLayers(galaxy.pixels, seen.layers);
  $("one").dataset.drawn = `${galaxy.id} ${best}`;
}

function predicted(galaxy, { start, stop, alone }) {
  const numbers = alone ? [0, galaxy.numbers[0][0]] : galaxy.numbers[0].slice(start, stop);
  return numbers.indexOf(Math.max(...numbers));
}

function writeAnswers(galaxy, asked) {
  const why = galaxy.familiar === false ? "looks unfamiliar" : "ask volunteers";
  const word = galaxy.decision === UNDECIDED ? `not decided: ${why}` : `decided: ${galaxy.decision}`;
  $("verdict").replaceChildren(Object.assign(document.createElement("b"), { textContent: `p(spiral) ${galaxy.p.toFixed(2)}` }),
    ` · ${word}`);
  const made = [];
  if (galaxy.outputs.length > 1) {
    const given = new Set([null]);
    for (const question of model.questions) {
      if (!question.shown || !given.has(question.after)) continue;
      const { start, answers } = question, shares = galaxy.outputs.slice(start, start + answers.length);
      const total = shares.reduce((sum, one) => sum + one, 0) || 1, top = shares.indexOf(Math.max(...shares));
      given.add(start + top);
      const explained = start === asked.start;
      made.push(Object.assign(document.createElement("p"), { className: "question", textContent: question.words }));
      answers.forEach((words, at) => {
        if (!explained && at !== top) return;
        const share = shares[at] / total, bar = document.createElement("p");
        bar.className = "bar";
        bar.append(words, " ", share.toFixed(2));
        const colour = explained && at === asked.answer ? "var(--told)" : "var(--bar)";
        bar.style.background = `linear-gradient(to right, ${colour} ${100 * share}%, color-mix(in srgb, var(--bar) 25%, transparent) 0)`;
        made.push(bar);
      });
    }
  }
  $("questions").replaceChildren(...made);
}

// --- drawing, in the colours of galaxies.figures.strip

const FINE = 4;

function greyOf(pixels) {
  return Float32Array.from({ length: pixels.length / 3 }, (_, at) =>
    Math.sqrt((pixels[3 * at] + pixels[3 * at + 1] + pixels[3 * at + 2]) / 765));
}

// Linear interpolation to `side` pixels; smooth enough for an overlay.
function fine(values, rows, columns, side) {
  const made = new Float32Array(side * side);
  const at = (place, count) => Math.min(Math.max((place + 0.5) * count / side - 0.5, 0), count - 1);
  for (let y = 0; y < side; y++) {
    const v = at(y, rows), top = Math.floor(v), below = Math.min(top + 1, rows - 1), down = v - top;
    for (let x = 0; x < side; x++) {
      const u = at(x, columns), left = Math.floor(u), right = Math.min(left + 1, columns - 1), across = u - left;
      const above = values[top * columns + left] * (1 - across) + values[top * columns + right] * across;
      const under = values[below * columns + left] * (1 - across) + values[below * columns + right] * across;
      made[y * side + x] = above * (1 - down) + under * down;
    }
  }
  return made;
}

function paint(canvas, side, colourAt) {
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), frame = context.createImageData(side, side);
  for (let at = 0; at < side * side; at++) {
    const [red, green, blue] = colourAt(at);
    frame.data.set([red, green, blue, 255], 4 * at);
  }
  context.putImageData(frame, 0, 0);
}

function drawGalaxy(canvas, pixels) {
  paint(canvas, model.size, at => [0, 1, 2].map(colour => 255 * Math.sqrt(pixels[3 * at + colour] / 255)));
}

function drawEvidence(canvas, pixels, evidence) {
  const side = FINE * model.size, grey = fine(greyOf(pixels), model.size, model.size, side);
  const sizes = Array.from(evidence, Math.abs).sort((one, other) => one - other);
  const largest = sizes[Math.floor(0.995 * (sizes.length - 1))] || sizes[sizes.length - 1] || 1;
  const strength = fine(evidence, model.size, model.size, side);
  paint(canvas, side, at => {
    const base = 255 * (1 - 0.45 * grey[at]), value = Math.max(-1, Math.min(1, strength[at] / largest));
    const weight = Math.abs(value) ** 0.8, colour = value > 0 ? FOR : AGAINST;
    return colour.map(one => base * (1 - weight) + one * weight);
  });
}

function drawLayers(pixels, layers) {
  const side = FINE * model.size, grey = fine(greyOf(pixels), model.size, model.size, side);
  const count = Math.min(4, layers.length);
  const story = Array.from({ length: count }, (_, place) =>
    Math.round(count > 1 ? place * (layers.length - 1) / (count - 1) : 0));
  $("layers").replaceChildren(...story.map(number => {
    const layer = layers[number], box = document.createElement("div");
    box.append(Object.assign(document.createElement("h3"), { textContent: `Layer ${number + 1}` }));
    const sees = `${layer.channels} channels, each sees ${Math.min(layer.field, model.size)} pixels`;
    box.append(Object.assign(document.createElement("p"), { className: "sees", textContent: sees }));
    const tiles = Object.assign(document.createElement("div"), { className: "tiles" });
    box.append(tiles);
    for (const { channel, share, values } of layer.shown) {
      const canvas = document.createElement("canvas"), largest = values.reduce((most, one) => Math.max(most, one), 0) || 1;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `layer ${number + 1}, channel ${channel}`);
      const active = fine(values, layer.rows, layer.columns, side);
      paint(canvas, side, at => {
        const strength = Math.max(0, Math.min(1, active[at] / largest));
        return YELLOW.map(one => 0.75 * 255 * grey[at] * (1 - strength) + one * strength);
      });
      const text = `${share > 0 ? "+" : "−"}${(100 * Math.abs(share)).toFixed(0)}%`;
      const tile = document.createElement("div");
      tile.append(canvas, Object.assign(document.createElement("p"), { className: `share ${share > 0 ? "for" : "against"}`, textContent: text }));
      tiles.append(tile);
    }
    return box;
  }));
}

// --- start

const say = text => { $("said").textContent = text; };
const crew = new Crew();

for (const { name, data } of model.examples) {
  const button = document.createElement("button"), image = new Image();
  image.src = `data:image/jpeg;base64,${data}`;
  image.alt = name;
  button.title = `simulated: ${name}`;
  button.append(image);
  button.onclick = () => {
    for (const other of $("examples").children) other.setAttribute("aria-pressed", other === button);
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    classify([new File([bytes], `simulated ${name}.jpg`)]);
  };
  $("examples").append(button);
}

$("files").onchange = event => classify([...event.target.files]);
$("drop").onkeydown = event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("files").click(); } };
for (const kind of ["dragover", "dragenter"]) addEventListener(kind, event => { event.preventDefault(); $("drop").classList.add("over"); });
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", event => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  classify((async function* () { for (const entry of entries) yield* inside(entry); })());
});
$("asked").onchange = event => show(shown, event.target.value);
$("save").onclick = () => {
  const link = document.createElement("a");
  link.href = urlOf(table(), "text/csv");
  link.download = "classes.csv";
  link.click();
};
$("about").textContent = model.about;

crew.members[0].ready.then(() => {
  document.body.dataset.ready = "yes";
  if (turn === 0 && $("examples").firstChild) $("examples").firstChild.click();
  else if (turn === 0) say("");
}, error => say(`The network cannot start in this browser: ${error.message}`));
