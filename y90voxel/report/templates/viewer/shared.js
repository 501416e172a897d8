"use strict";
// What the pages with images have in common: their data, controls, colours and numbers.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const ISODOSE_COLOURS = ["#fff3b0", "#ffd166", "#ffa94d", "#ff7b54", "#ff5d73", "#ff8fe0", "#d9a8ff", "#ffffff"];
// Directions are RAS: screen right and up in each view, and the way of "page up".
const VIEWS = [
  { name: "axial", across: 2, letters: ["R", "L", "A", "P"], axis: "z", place: [0, 0, 0.5, 0.5], right: [0, -1], up: [1, 1] },
  { name: "coronal", across: 1, letters: ["R", "L", "H", "F"], axis: "y", place: [0, 0.5, 0.5, 0.5], right: [0, -1], up: [2, 1] },
  { name: "sagittal", across: 0, letters: ["A", "P", "H", "F"], axis: "x", place: [0.5, 0, 0.5, 0.5], right: [1, -1], up: [2, 1] },
];

// A colour of the report, which is white, so much lighter that it shows on this page, which is dark.
function onDark(colour) {
  let rgb = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  while (0.21 * rgb[0] + 0.72 * rgb[1] + 0.07 * rgb[2] < 120) rgb = rgb.map((c) => c + 0.1 * (255 - c));
  return `rgb(${rgb.map(Math.round).join(", ")})`;
}

// Entries 0 to 255: clear below the threshold, then more and more opaque up to four times the threshold.
function doseColours() {
  const { share, from, to } = data.dose.opacity, kept = data.dose.colours;
  const map = { R: [], G: [], B: [], A: [], I: [] };
  for (let n = 0; n < 256; n++) {
    const place = (n / 255) * (kept.length - 1), below = Math.min(Math.floor(place), kept.length - 2);
    ["R", "G", "B"].forEach((channel, c) => {
      map[channel].push(Math.round(kept[below][c] + (place - below) * (kept[below + 1][c] - kept[below][c])));
    });
    const rise = Math.min(1, (n / 255 - share) / (3 * share));
    map.A.push(n / 255 < share ? 0 : Math.round(255 * (from + rise * (to - from))));
    map.I.push(n);
  }
  return map;
}

function button(words, act, kind = "") {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: words, className: kind });
  made.onclick = act;
  return made;
}

function gray(dose) {
  return dose >= 1000 ? dose.toFixed(0) : dose >= 100 ? dose.toFixed(1) : dose >= 1 ? dose.toFixed(2) : dose.toPrecision(2);
}

function millimetres(value) {
  return value.toFixed(1).replace("-", "−");
}

function say(words) {
  $("message").textContent = words;
  $("message").hidden = !words;
}

// A slider that says its value beside it. It moves faster than images can be redrawn: the last move of a frame counts.
function slider(id, [min, max], value, step, words, act) {
  const input = $(id), shown = input.nextElementSibling;
  Object.assign(input, { min, max, step });
  input.value = value;
  shown.textContent = words(Number(value));
  let pending = 0;
  input.oninput = () => {
    shown.textContent = words(Number(input.value));
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => act(Number(input.value)));
  };
}

// The field of isodoses: what it says is handed on, in rising order, while it can be understood.
function isodoseField(levels, act) {
  $("levels").value = levels.join(", ");
  listLevels(levels);
  $("levels").oninput = () => {
    const found = $("levels").value.split(/[\s,;]+/).filter(Boolean).map(Number);
    const good = found.every((level) => Number.isFinite(level) && level > 0);
    $("levels").classList.toggle("wrong", !good);
    $("levels").setAttribute("aria-invalid", !good);
    if (!good) return;
    listLevels(found.sort((a, b) => a - b));
    act(found);
  };
}

// Isodoses in their colours: what a pane has no room to write stands here.
function listLevels(levels) {
  const items = levels.map((level, n) => {
    const item = Object.assign(document.createElement("li"), { textContent: `${level} Gy` });
    item.style.setProperty("--colour", ISODOSE_COLOURS[n % ISODOSE_COLOURS.length]);
    return item;
  });
  $("isodose-key").replaceChildren(...items);
}

// The colours of the dose up to a top, as a bar with its ends.
function colourBar(top) {
  const [bar, from, to] = $("scale").children;
  const { R, G, B, A } = doseColours();
  const context = bar.getContext("2d");
  R.forEach((red, n) => {
    context.fillStyle = `rgba(${red},${G[n]},${B[n]},${A[n] ? 1 : 0.12})`;
    context.clearRect(n, 0, 1, 1);
    context.fillRect(n, 0, 1, 1);
  });
  from.textContent = `clear below ${Number((data.dose.opacity.share * top).toPrecision(2))} Gy`;
  to.textContent = `${gray(top)} Gy`;
}

// A row of the table of regions: its outline on or off, its name, by which it is chosen, and its numbers.
function regionRow(viewer, body, region, n, numbers) {
  const row = body.insertRow();
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: region.outlined });
  box.setAttribute("aria-label", `outline of ${region.name}`);
  box.style.accentColor = region.colour;
  box.onchange = () => {
    viewer.outlined[n] = box.checked;
    viewer.paint();
  };
  row.insertCell().append(box);
  const name = button(region.name, () => viewer.choose(n === viewer.chosen ? -1 : n), "name");
  name.title = `${region.name} (${region.role})`;
  name.style.setProperty("--colour", region.colour);
  name.setAttribute("aria-pressed", "false");
  const head = row.appendChild(document.createElement("th"));
  head.scope = "row";
  head.append(name);
  for (const value of numbers) Object.assign(row.insertCell(), { textContent: value, className: "number" });
  return row;
}

function markChosen(region) {
  document.querySelectorAll("#regions tbody tr").forEach((row, n) => {
    row.classList.toggle("chosen", n === region);
    row.querySelector(".name").setAttribute("aria-pressed", n === region);
  });
}
