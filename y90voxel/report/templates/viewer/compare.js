"use strict";
// Predicted, delivered and difference beside each other on CT: one crosshair, one zoom and one window for all panes.

const SIDES = ["predicted", "delivered", "difference"];
const AIR_HU = -1024;
const WHOLLY = 0.99; // all eight voxels around a point: beside one that the prediction does not reach its dose is no dose
const COARSE = 5; // steps with Shift
const MOST_ZOOM = 6;
const KEYS = [
  ["← → ↑ ↓", "move the crosshair by a voxel in the view that keys act on; with Shift by five"],
  ["Page up, Page down", "next plane towards head, front or the patient's right; and back"],
  ["1 2 3", "axial, coronal, sagittal: the view that keys act on"],
  ["F, Esc", "this view alone; all views again"],
  ["Home, D, End", "to the hottest delivered voxel; to the greatest difference; to the centre"],
  ["+ − 0", "zoom in, out, back"],
  ["I, O, C", "isodoses, outlines, crosshair on or off"],
  ["?", "this list"],
];

const RISING = Array.from({ length: 256 }, (_, n) => n);
const GREYS = { R: RISING, G: RISING, B: RISING, A: RISING.map(() => 255) };

class Comparison {
  constructor() {
    [this.doseColours, this.differenceColours] = [doseColours(), differenceColours()];
    for (const region of data.regions) region.colour = onDark(region.colour);
    this.position = rasOfLps(data.points[0].lps_mm);
    this.box = [0, 1, 2].map((axis) => {
      const ends = data.box_lps_mm.map((corner) => rasOfLps(corner)[axis]);
      return [Math.min(...ends), Math.max(...ends)];
    });
    this.middle = this.box.map(([low, high]) => (low + high) / 2);
    this.zoom = 1;
    this.levels = data.dose.levels_gy;
    this.outlined = data.regions.map((region) => region.outlined);
    this.chosen = -1;
    this.active = VIEWS[0];
    this.alone = window.innerWidth < 900 ? VIEWS[0] : null;
    this.drawn = false;
    this.panes = VIEWS.flatMap((view) => SIDES.map((side) => this.pane(view, side)));
    this.listRegions();
    this.listKeys();
  }

  // One canvas of the stage.
  pane(view, side) {
    const canvas = Object.assign(document.createElement("canvas"), { className: "pane" });
    canvas.setAttribute("aria-hidden", "true");
    Object.assign(canvas.dataset, { view: view.name, side });
    $("panes").append(canvas);
    return { view, side, canvas };
  }

  async open() {
    if (typeof DecompressionStream === "undefined") {
      say("This browser cannot unpack the images. The same planes are in compare.html; a current browser shows them here.");
      return;
    }
    const load = async (name, floor) => ($(`image-${name}`) ? new Volume(await readNifti($(`image-${name}`).textContent), floor) : null);
    this.underlay = await load("underlay", AIR_HU);
    this.covered = await load("covered");
    this.doses = { predicted: await load("predicted"), delivered: await load("delivered") };
    this.regions = [];
    for (let n = 0; n < data.regions.length; n++) this.regions.push(await load(`region-${n}`));
    this.drawn = true;
    this.listen();
    this.control();
    this.show(this.alone);
    this.goTo(this.position);
    new ResizeObserver(() => this.paint()).observe($("panes"));
    say("");
  }

  get views() {
    return this.alone ? [this.alone] : VIEWS;
  }

  // One view alone, or all of them.
  show(alone) {
    this.alone = alone;
    if (alone) this.active = alone;
    for (const { view, canvas } of this.panes) canvas.hidden = !this.views.includes(view);
    $("panes").style.setProperty("--rows", this.views.length);
    for (const made of $("views").children) made.setAttribute("aria-pressed", made.value === (alone?.name ?? "all"));
    this.paint();
  }

  // Gy at a point: predicted, delivered, difference; NaN where one is not computed.
  at(point) {
    const delivered = this.doses.delivered.at(...point);
    const reached = !this.covered || this.covered.at(...point) >= WHOLLY;
    const predicted = reached ? this.doses.predicted.at(...point) : NaN;
    return { predicted, delivered, difference: delivered - predicted };
  }

  goTo(ras) {
    this.position = ras;
    if (!this.drawn) return;
    const doses = this.at(ras);
    for (const side of SIDES) {
      const value = doses[side], sign = value < 0 ? "−" : side === "difference" ? "+" : "";
      $(`${side}-here`).textContent = Number.isNaN(value) ? "not computed here" : `${sign}${gray(Math.abs(value))} Gy`;
    }
    const under = this.underlay ? this.underlay.at(...ras) : NaN;
    $("underlay-here").textContent = Number.isNaN(under) ? "–" : `${Math.round(under)} HU`.replace("-", "−");
    $("position-here").textContent = lpsOfRas(ras).map(millimetres).join(", ");
    const here = this.regions.map((region, n) => (region.at(...ras) >= 0.5 ? data.regions[n].name : null)).filter(Boolean);
    $("regions-here").textContent = here.length ? `in ${here.join(", ")}` : "in no region";
    this.paint();
  }

  // Along a RAS axis, not beyond the dose.
  moveBy(axis, distance) {
    const [low, high] = this.doses.delivered.extent(axis), to = [...this.position];
    to[axis] = Math.min(Math.max(to[axis] + distance, low + 1e-3), high - 1e-3);
    this.goTo(to);
  }

  // About the crosshair; at 1 about the middle of what is compared.
  zoomTo(factor) {
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, factor));
    this.middle = this.zoom === 1 ? this.box.map(([low, high]) => (low + high) / 2) : [...this.position];
    this.paint();
  }

  zoomBy(step) {
    $("zoom").value = Math.min(MOST_ZOOM, Math.max(1, Number($("zoom").value) + step));
    $("zoom").oninput();
  }

  // Screen from millimetres along the two axes of a view, in pixels of a canvas.
  frame(view, canvas) {
    const [across, right] = view.right, [upwards, up] = view.up;
    const long = (axis) => this.box[axis][1] - this.box[axis][0];
    const scale = this.zoom * Math.min(canvas.width / long(across), canvas.height / long(upwards));
    const [cx, cy] = [canvas.width / 2, canvas.height / 2], [mu, mv] = [this.middle[across], this.middle[upwards]];
    return {
      scale,
      toScreen: (u, v) => [cx + right * scale * (u - mu), cy - up * scale * (v - mv)],
      toPatient: (x, y) => [mu + (right * (x - cx)) / scale, mv - (up * (y - cy)) / scale],
    };
  }

  paint() {
    if (!this.drawn) return;
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    const pixel = window.devicePixelRatio || 1;
    for (const pane of this.panes) {
      const { canvas, view } = pane;
      if (canvas.hidden) continue;
      const [width, height] = [Math.round(canvas.clientWidth * pixel), Math.round(canvas.clientHeight * pixel)];
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
      if (width && height) this.paintPane(pane, this.frame(view, canvas), pixel);
    }
  }

  paintPane({ canvas, view, side }, frame, pixel) {
    const context = canvas.getContext("2d"), at = this.position[view.across];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (this.underlay) this.putRaster(context, frame, view, this.underlay.raster(view.across, at), this.window, GREYS, 1);
    const raster = this.raster(view, side), differs = side === "difference";
    const ends = differs ? [-this.reach, this.reach] : [0, this.top];
    this.putRaster(context, frame, view, raster, ends, differs ? this.differenceColours : this.doseColours, this.opacity);
    this.paintLines(context, { canvas, view, side }, frame, pixel, raster);
    if (view === this.active && document.activeElement === $("panes")) {
      context.strokeStyle = "#7cc4f0";
      context.lineWidth = 2 * pixel;
      context.strokeRect(pixel, pixel, canvas.width - 2 * pixel, canvas.height - 2 * pixel);
    }
  }

  // The plane of a side; the difference is that of the two rasters, which lie on the same samples.
  raster(view, side) {
    const at = this.position[view.across];
    const [predicted, delivered] = SIDES.slice(0, 2).map((name) => this.doses[name].raster(view.across, at));
    if (side === "delivered" || !delivered.values) return delivered;
    const reached = this.covered?.raster(view.across, at).values;
    if (side === "predicted" && !reached) return predicted;
    this.made ??= new Map();
    const kept = this.made.get(`${view.name} ${side}`);
    if (kept?.position === at) return kept;
    const values = delivered.values.map((value, n) => {
      if (reached && reached[n] < WHOLLY) return NaN;
      return side === "predicted" ? predicted.values[n] : value - predicted.values[n];
    });
    const raster = { ...delivered, values, picture: null };
    this.made.set(`${view.name} ${side}`, raster);
    return raster;
  }

  // A raster in colour where it lies; the picture is kept until plane or colours change.
  putRaster(context, frame, view, raster, ends, colours, opacity) {
    if (!raster.values) return;
    const key = [...ends, opacity].join(" ");
    if (raster.picture?.key !== key) raster.picture = { key, canvas: pictureOf(raster, ends, colours, opacity) };
    const [right, up] = [view.right[1], view.up[1]], size = frame.scale * raster.step;
    const [x, y] = frame.toScreen(raster.u0 - raster.step / 2, raster.v0 - raster.step / 2);
    context.setTransform(right * size, 0, 0, -up * size, x, y);
    context.drawImage(raster.picture.canvas, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  paintLines(context, { canvas, view, side }, frame, pixel, dose) {
    const at = this.position[view.across], notes = [];
    const stroke = (raster, level, colour, width, dash = [], label = null) => {
      const lines = contours(raster, level).map((line) =>
        line.map(([u, v]) => frame.toScreen(raster.u0 + u * raster.step, raster.v0 + v * raster.step)),
      );
      strokeLines(context, lines, colour, width * pixel, dash, pixel);
      if (label && lines.length) notes.push({ ...label, lines, colour });
    };
    context.lineJoin = "round";
    if ($("show-isodoses").checked && side !== "difference") {
      this.levels.forEach((level, n) => {
        stroke(dose, level, ISODOSE_COLOURS[n % ISODOSE_COLOURS.length], 1.2, [], { words: String(level), angle: 40 + 50 * n });
      });
    }
    this.regions.forEach((region, n) => {
      const chosen = n === this.chosen;
      if (!chosen && !($("show-outlines").checked && this.outlined[n])) return;
      stroke(region.raster(view.across, at), 0.5, data.regions[n].colour, chosen ? 3 : 1.6, data.regions[n].dash);
    });
    const whole = [0, 0, canvas.width, canvas.height];
    const texts = captions(view, whole, lpsOfRas(this.position)[view.across], pixel);
    const small = { font: `600 ${12 * pixel}px system-ui, sans-serif`, fill: "#dbe6ee", align: "left" };
    texts.push({ ...small, words: data.sides[SIDES.indexOf(side)], x: 10 * pixel, y: canvas.height - 14 * pixel });
    const scale = scaleBar({ fovMM: [canvas.width / frame.scale], leftTopWidthHeight: whole }, whole, pixel);
    writeValues(context, notes, whole, [...texts, scale.label].map((words) => boxOf(context, words, pixel)), pixel);
    const [x, y] = frame.toScreen(...[view.right, view.up].map(([axis]) => this.position[axis]));
    if ($("show-crosshair").checked) crosshair(context, x, y, whole, pixel);
    for (const words of [...texts, scale.label]) write(context, words, 3 * pixel);
    context.fillRect(...scale.bar);
  }

  listen() {
    const place = (event) => {
      const pane = this.panes.find(({ canvas }) => canvas === event.target);
      if (!pane) return;
      const box = pane.canvas.getBoundingClientRect(), share = pane.canvas.width / box.width;
      const [u, v] = this.frame(pane.view, pane.canvas).toPatient((event.clientX - box.left) * share, (event.clientY - box.top) * share);
      const to = [...this.position];
      [to[pane.view.right[0]], to[pane.view.up[0]]] = [u, v];
      this.active = pane.view;
      this.goTo(to);
    };
    $("panes").addEventListener("pointerdown", (event) => event.button === 0 && place(event));
    $("panes").addEventListener("pointermove", (event) => event.buttons & 1 && event.pointerType === "mouse" && place(event));
    $("panes").addEventListener("wheel", (event) => {
      const pane = this.panes.find(({ canvas }) => canvas === event.target);
      if (!pane || event.ctrlKey) return;
      event.preventDefault();
      this.active = pane.view;
      this.moveBy(pane.view.across, -Math.sign(event.deltaY) * this.stepMm);
    }, { passive: false });
    $("panes").addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["focus", "blur"]) $("panes").addEventListener(kind, () => this.paint());
  }

  get stepMm() {
    return this.doses.delivered.finestMm;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.take(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Whether the page knows the key.
  take({ key, shiftKey }) {
    const view = this.active, step = (shiftKey ? COARSE : 1) * this.stepMm, letter = key.toLowerCase();
    const boxes = { i: "show-isodoses", o: "show-outlines", c: "show-crosshair" };
    const points = { Home: 0, d: 1, D: 1, End: 2 }, move = ([axis, sign], way) => this.moveBy(axis, way * sign * step);
    if (key === "ArrowRight" || key === "ArrowLeft") move(view.right, key === "ArrowRight" ? 1 : -1);
    else if (key === "ArrowUp" || key === "ArrowDown") move(view.up, key === "ArrowUp" ? 1 : -1);
    else if (key === "PageUp" || key === "PageDown") move([view.across, 1], key === "PageUp" ? 1 : -1);
    else if (key in points) this.goTo(rasOfLps(data.points[points[key]].lps_mm));
    else if (["1", "2", "3"].includes(key)) this.activate(VIEWS[key - 1]);
    else if (letter === "f") this.show(this.alone ? null : view);
    else if (key === "Escape" && this.alone) this.show(null);
    else if (letter in boxes) $(boxes[letter]).click();
    else if ("+=-−0".includes(key)) this.zoomBy({ "-": -0.5, "−": -0.5, 0: -Infinity }[key] ?? 0.5);
    else if (key === "?") $("help").showModal();
    else return false;
    return true;
  }

  activate(view) {
    this.active = view;
    $("spoken").textContent = `${view.name} view`;
    if (this.alone) this.show(view);
    else this.paint();
  }

  control() {
    const [low, high] = data.underlay?.window ?? [0, 1], { top_gy: top } = data.dose, { reach_gy: reach } = data.difference;
    [this.window, this.top, this.reach, this.opacity] = [[low, high], top, reach, data.dose.opacity.percent / 100];
    const whole = (value) => value.toFixed(0).replace("-", "−");
    const windowed = (level, width) => {
      this.window = [level - width / 2, level + width / 2];
      this.paint();
    };
    const set = (name) => (value) => {
      this[name] = value;
      this.paint();
    };
    if (data.underlay) {
      slider("level", [-1024, 2000], (low + high) / 2, 5, whole, (v) => windowed(v, Number($("width").value)));
      slider("width", [5, 3000], high - low, 5, whole, (v) => windowed(Number($("level").value), v));
    }
    for (const { name, level, width } of data.underlay?.presets ?? []) {
      $("presets").append(button(name, () => {
        for (const [id, value] of [["level", level], ["width", width]]) {
          $(id).value = value;
          $(id).nextElementSibling.textContent = whole(value);
        }
        windowed(level, width);
      }));
    }
    slider("opacity", [0, 100], data.dose.opacity.percent, 1, (v) => `${v} %`, (v) => set("opacity")(v / 100));
    slider("top", [top / 50, top], top, top / 200, (v) => `${gray(v)} Gy`, (v) => {
      colourBar(v);
      set("top")(v);
    });
    slider("reach", [reach / 20, 2 * reach], reach, reach / 100, (v) => `${gray(v)} Gy`, (v) => {
      differenceBar(v);
      set("reach")(v);
    });
    slider("zoom", [1, MOST_ZOOM], 1, 0.1, (v) => `${v.toFixed(1)} ×`, (v) => this.zoomTo(v));
    colourBar(top);
    differenceBar(reach);
    for (const { name, lps_mm } of data.points) $("points").append(button(name, () => this.goTo(rasOfLps(lps_mm))));
    for (const [name, view] of [["all", null], ...VIEWS.map((one) => [one.name, one])]) {
      const made = button(name, () => this.show(view));
      made.value = name;
      $("views").append(made);
    }
    isodoseField(this.levels, set("levels"));
    for (const id of ["show-isodoses", "show-outlines", "show-crosshair"]) $(id).onchange = () => this.paint();
  }

  listRegions() {
    $("regions").hidden = data.regions.length === 0;
    const body = document.querySelector("#regions tbody");
    data.regions.forEach((region, n) => {
      regionRow(this, body, region, n, [region.predicted, region.delivered, region.change]);
    });
  }

  choose(region) {
    this.chosen = region;
    markChosen(region);
    this.paint();
  }

  listKeys() {
    const body = document.querySelector("#help tbody");
    for (const [keys, act] of KEYS) {
      const row = body.insertRow(), head = row.appendChild(document.createElement("th"));
      head.scope = "row";
      head.textContent = keys;
      row.insertCell().textContent = act;
    }
    $("open-help").onclick = () => $("help").showModal();
  }
}

// A raster as a picture, a pixel a sample; clear where there is no value.
function pictureOf({ nu, nv, values }, [low, high], { R, G, B, A }, opacity) {
  const canvas = Object.assign(document.createElement("canvas"), { width: nu, height: nv });
  const context = canvas.getContext("2d"), picture = context.createImageData(nu, nv), pixels = picture.data;
  const scale = 255 / (high - low);
  for (let n = 0, p = 0; n < values.length; n++, p += 4) {
    const value = values[n];
    if (Number.isNaN(value)) continue;
    const level = Math.min(255, Math.max(0, Math.round((value - low) * scale)));
    pixels[p] = R[level];
    pixels[p + 1] = G[level];
    pixels[p + 2] = B[level];
    pixels[p + 3] = opacity * A[level];
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}

// Blue where less, red where more was delivered; clear near zero, like the dose below its threshold.
function differenceColours() {
  const { colours } = data.difference, { share, from, to } = data.dose.opacity;
  const map = { R: [], G: [], B: [], A: [] };
  for (let n = 0; n < 256; n++) {
    const [r, g, b] = colours[n], away = Math.abs(n - 127.5) / 127.5, rise = Math.min(1, (away - share) / (3 * share));
    map.R.push(r);
    map.G.push(g);
    map.B.push(b);
    map.A.push(away < share ? 0 : Math.round(255 * (from + rise * (to - from))));
  }
  return map;
}

function differenceBar(reach) {
  const [bar, from, to] = $("difference-scale").children, { R, G, B, A } = differenceColours();
  const context = bar.getContext("2d");
  R.forEach((red, n) => {
    context.fillStyle = `rgba(${red},${G[n]},${B[n]},${A[n] ? 1 : 0.12})`;
    context.clearRect(n, 0, 1, 1);
    context.fillRect(n, 0, 1, 1);
  });
  [from.textContent, to.textContent] = [`−${gray(reach)} Gy`, `+${gray(reach)} Gy`];
}

window.viewer = new Comparison();
window.viewer.ready = window.viewer.open().catch((error) => {
  say(`The images cannot be drawn: ${error.message}. The same planes are in compare.html.`);
  throw error;
});
