"use strict";
// The page: NiiVue draws anatomy and dose, a canvas over it isodoses, outlines and crosshair; everything else is HTML.

class Viewer {
  constructor() {
    for (const region of data.regions) region.colour = onDark(region.colour);
    this.chosen = -1;
    this.hoverGy = null;
    this.levels = data.dose.levels_gy;
    this.outlined = data.regions.map((region) => region.outlined);
    this.position = rasOfLps(data.points[0].lps_mm);
    this.histograms = new Histograms($("dvh"), data.dvh, data.regions, {
      onHover: (dose) => {
        this.hoverGy = dose;
        this.paint();
      },
      onPick: (region) => this.choose(region === this.chosen ? -1 : region),
    });
    this.listRegions();
    this.labels = {};
    this.drawn = false;
    this.panes = new Panes($("stage"), data.regions.length > 0, () => this.arrange());
    this.keyboard = new Keyboard(this);
    $("regions").hidden = data.regions.length === 0;
    this.histograms.draw(); // now, and not with the first frame: a page that is ready shows them
  }

  async open() {
    $("underlay-label").textContent = data.underlay.name;
    const context = document.createElement("canvas").getContext("webgl2");
    if (!context) {
      say(
        "This browser cannot draw the images: WebGL 2 is missing or switched off. Histograms and numbers work; " +
          "the images are in report.html. A current Firefox, Chrome, Edge or Safari with hardware acceleration draws them.",
      );
      return;
    }
    const { Niivue, NVImage } = niivue;
    const load = (name, options) =>
      NVImage.loadFromBase64({ base64: $(`image-${name}`).textContent, name: `${name}.nii.gz`, ...options });
    const nv = new Niivue({
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      isSliceMM: true,
      isOrientationTextVisible: false,
      crosshairWidth: 0,
      backColor: [0.043, 0.063, 0.082, 1],
      dragAndDropEnabled: false,
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
      loadingText: "",
      logLevel: "error",
    });
    this.nv = nv;
    await nv.attachToCanvas($("images"));
    nv.setMouseEventConfig({
      leftButton: { primary: niivue.DRAG_MODE.crosshair, withCtrl: niivue.DRAG_MODE.pan },
      rightButton: niivue.DRAG_MODE.windowing,
      centerButton: niivue.DRAG_MODE.pan,
    });
    nv.addColormap("y90voxel-dose", doseColours());
    const [low, high] = data.underlay.window;
    nv.addVolume(await load("underlay", { colormap: "gray", cal_min: low, cal_max: high }));
    this.underlay = new Volume(nv.volumes[0]);
    this.dose = new Volume(await load("dose"));
    nv.addVolume(this.wash());
    this.regions = [];
    for (let n = 0; n < data.regions.length; n++) this.regions.push(new Volume(await load(`region-${n}`)));
    nv.onLocationChange = () => this.moved();
    nv.onIntensityChange = () => this.showWindow();
    const draw = nv.drawScene.bind(nv);
    nv.drawScene = () => {
      const done = draw();
      this.paint();
      return done;
    };
    this.drawn = true; // from here on keys and panes may act on the images
    this.arrange();
    this.control();
    this.goTo(this.position);
    $("images").addEventListener("pointerdown", (event) => {
      const box = $("images").getBoundingClientRect();
      this.panes.active = this.panes.viewAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height) ?? this.panes.active;
    });
    for (const kind of ["focus", "blur"]) $("images").addEventListener(kind, () => this.paint());
    $("dvh").addEventListener("focus", () => (this.panes.active = HISTOGRAMS));
    $("images").addEventListener("focus", () => {
      if (this.panes.active === HISTOGRAMS) this.panes.active = this.panes.views[0] ?? VIEWS[0];
    });
    say("");
  }

  // The dose on the voxels of the anatomy: NiiVue takes the nearest voxel of an image on another grid, which shows as steps.
  wash() {
    const image = this.underlay.image.clone();
    image.img = this.dose.on(this.underlay);
    Object.assign(image.hdr, { datatypeCode: 16, numBitsPerVoxel: 32, scl_slope: 1, scl_inter: 0 });
    image.colormap = "y90voxel-dose";
    [image.cal_min, image.cal_max] = [0, data.dose.top_gy];
    return image;
  }

  // The panes that are shown, where they now lie.
  arrange() {
    this.histograms.draw();
    if (!this.drawn) return;
    const shown = this.panes.views.map((view) => ({ sliceType: 2 - view.across, position: this.panes.placeOf(view) }));
    if (shown.length) this.nv.setCustomLayout(shown);
    this.nv.drawScene();
  }

  save() {
    return savePicture(this).catch((error) => say(`The picture cannot be saved: ${error.message}.`));
  }

  // Along a RAS axis, not beyond the anatomy.
  moveBy(axis, distance) {
    const [low, high] = this.underlay.extent(axis), to = [...this.position];
    to[axis] = Math.min(Math.max(to[axis] + distance, low + 1e-3), high - 1e-3);
    this.goTo(to);
  }

  zoomBy(step) {
    const slider = $("zoom");
    slider.value = Math.min(6, Math.max(1, Number(slider.value) + step));
    slider.oninput();
  }

  goTo(ras) {
    if (!this.nv) return;
    this.nv.scene.crosshairPos = this.nv.mm2frac(ras);
    this.position = ras;
    this.report();
    this.nv.drawScene();
  }

  moved() {
    this.position = Array.from(this.nv.frac2mm(this.nv.scene.crosshairPos, 0, true)).slice(0, 3);
    this.report();
    this.paint();
  }

  // The numbers at the crosshair.
  report() {
    const [x, y, z] = this.position;
    const dose = this.dose.at(x, y, z), under = this.underlay.at(x, y, z);
    $("dose-here").textContent = Number.isNaN(dose) ? "not computed here" : `${gray(dose)} Gy`;
    $("underlay-here").textContent = Number.isNaN(under)
      ? "not seen here"
      : `${data.underlay.unit === "HU" ? Math.round(under) : Number(under.toPrecision(3))} ${data.underlay.unit}`.replace("-", "−");
    $("position-here").textContent = lpsOfRas(this.position).map(millimetres).join(", ");
    const here = this.regions.map((region, n) => (region.at(x, y, z) >= 0.5 ? data.regions[n].name : null)).filter(Boolean);
    $("regions-here").textContent = here.length ? `in ${here.join(", ")}` : "in no region";
    this.histograms.mark(Number.isNaN(dose) ? null : dose);
  }

  choose(region) {
    this.chosen = region;
    markChosen(region);
    this.histograms.choose(region);
    this.paint();
  }

  listRegions() {
    const body = document.querySelector("#regions tbody");
    data.regions.forEach((region, n) => {
      const row = regionRow(this, body, region, n, [region.volume, region.mean, region.d70]);
      const go = button("", () => this.goTo(rasOfLps(region.hottest_lps_mm)), "go");
      const icon = element("svg", { viewBox: "0 0 16 16", width: 14, height: 14 });
      icon.append(element("circle", { cx: 8, cy: 8, r: 4.5 }), element("path", { d: "M8 0v5M8 11v5M0 8h5M11 8h5" }));
      go.append(icon);
      go.title = "to its hottest voxel";
      go.setAttribute("aria-label", `to the hottest voxel of ${region.name}`);
      row.insertCell().append(go);
    });
  }

  control() {
    const [least, most] = data.underlay.range;
    const span = most - least, [low, high] = data.underlay.window;
    const fine = span / 600;
    const plain = (value) => (span > 100 ? value.toFixed(0) : value.toPrecision(3)).replace("-", "−");
    slider("level", [least, most], (low + high) / 2, span > 100 ? 5 : fine, plain, () => this.window());
    slider("width", [fine, span], high - low, span > 100 ? 5 : fine, plain, () => this.window());
    slider("opacity", [0, 100], data.dose.opacity.percent, 1, (v) => `${v} %`, (v) => this.nv.setOpacity(1, v / 100));
    const top = data.dose.top_gy;
    slider("top", [top / 50, top], top, top / 200, (v) => `${gray(v)} Gy`, (v) => this.scaleTo(v));
    slider("zoom", [1, 6], 1, 0.1, (v) => `${v.toFixed(1)} ×`, (v) => this.zoom(v));
    for (const { name, level, width } of data.underlay.presets) {
      $("presets").append(button(name, () => this.window(level, width)));
    }
    for (const { name, lps_mm } of data.points) $("points").append(button(name, () => this.goTo(rasOfLps(lps_mm))));
    isodoseField(this.levels, (levels) => {
      this.levels = levels;
      this.paint();
    });
    for (const id of ["show-isodoses", "show-outlines", "show-crosshair"]) $(id).onchange = () => this.paint();
    this.scaleTo(top);
    this.nv.setOpacity(1, data.dose.opacity.percent / 100);
  }

  window(level = Number($("level").value), width = Number($("width").value)) {
    const image = this.nv.volumes[0];
    [image.cal_min, image.cal_max] = [level - width / 2, level + width / 2];
    this.nv.updateGLVolume();
    this.showWindow();
  }

  showWindow() {
    const { cal_min: low, cal_max: high } = this.nv.volumes[0];
    for (const [id, value] of [["level", (low + high) / 2], ["width", high - low]]) {
      $(id).value = value;
      $(id).nextElementSibling.textContent = (Math.abs(value) < 20 ? value.toPrecision(3) : value.toFixed(0)).replace("-", "−");
    }
  }

  scaleTo(top) {
    this.nv.volumes[1].cal_max = top;
    this.nv.updateGLVolume();
    colourBar(top);
  }

  // NiiVue zooms about the origin of the patient; the pan brings the crosshair to the middle.
  zoom(factor) {
    const pan = [0, 1, 2].map((axis) => {
      const [low, high] = this.underlay.extent(axis);
      return factor === 1 ? 0 : (low + high) / 2 - factor * this.position[axis];
    });
    this.nv.setPan2Dxyzmm([...pan, factor]);
  }

  paint() {
    const lines = $("lines"), images = $("images");
    if (!this.dose || !images.width) return;
    if (lines.width !== images.width) lines.width = images.width;
    if (lines.height !== images.height) lines.height = images.height;
    const context = lines.getContext("2d");
    context.clearRect(0, 0, lines.width, lines.height);
    for (const tile of this.nv.screenSlices) this.paintTile(context, tile);
    if (this.panes.alone) return;
    context.fillStyle = "#263340";
    context.fillRect(lines.width / 2, 0, pixelRatio(), lines.height);
    context.fillRect(0, lines.height / 2, lines.width, pixelRatio());
  }

  paintTile(context, tile) {
    const view = VIEWS.find(({ across }) => across === 2 - tile.axCorSag), place = view && this.panes.placeOf(view);
    if (!place) return; // drawn by NiiVue before the panes were laid out
    const pixel = pixelRatio(), { width: across, height: down } = context.canvas;
    const pane = [place[0] * across, place[1] * down, place[2] * across, place[3] * down];
    const [left, top, width, height] = tile.leftTopWidthHeight;
    const toScreen = (u, v) => [
      left + ((u - tile.leftTopMM[0]) / tile.fovMM[0]) * width,
      top + height - ((v - tile.leftTopMM[1]) / tile.fovMM[1]) * height,
    ];
    const at = this.position[view.across];
    const notes = [];
    const stroke = (volume, level, colour, width, dash = [], label = null) => {
      const raster = volume.raster(view.across, at);
      const lines = contours(raster, level).map((line) =>
        line.map(([u, v]) => toScreen(raster.u0 + u * raster.step, raster.v0 + v * raster.step)),
      );
      strokeLines(context, lines, colour, width * pixel, dash, pixel);
      if (label && lines.length) notes.push({ ...label, lines, colour });
    };
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.lineJoin = "round";
    if ($("show-isodoses").checked) {
      this.levels.forEach((level, n) => {
        const colour = ISODOSE_COLOURS[n % ISODOSE_COLOURS.length];
        const label = this.hoverGy === null ? { words: String(level), angle: 40 + 50 * n } : null;
        stroke(this.dose, level, colour, 1.4, [], label);
      });
    }
    this.regions.forEach((region, n) => {
      const chosen = n === this.chosen;
      if (!chosen && !($("show-outlines").checked && this.outlined[n])) return;
      stroke(region, 0.5, data.regions[n].colour, chosen ? 3.2 : 1.8, data.regions[n].dash);
    });
    if (this.hoverGy !== null) {
      const label = { words: `${Number(this.hoverGy.toPrecision(3))} Gy`, angle: -90 };
      stroke(this.dose, this.hoverGy, "#ffffff", 2.4, [], label);
    }
    const texts = captions(view, pane, lpsOfRas(this.position)[view.across], pixel), scale = scaleBar(tile, pane, pixel);
    const taken = [...texts, scale.label].map((words) => boxOf(context, words, pixel));
    this.labels[view.name] = writeValues(context, notes, [left, top, left + width, top + height], taken, pixel);
    const [cx, cy] = toScreen(...[0, 1, 2].filter((axis) => axis !== view.across).map((axis) => this.position[axis]));
    if ($("show-crosshair").checked) crosshair(context, cx, cy, tile.leftTopWidthHeight, pixel);
    context.restore();
    for (const words of [...texts, scale.label]) write(context, words, 3 * pixel);
    context.fillRect(...scale.bar);
    if (view === this.panes.active && document.activeElement === $("images")) {
      context.strokeStyle = "#7cc4f0";
      context.lineWidth = 2 * pixel;
      context.strokeRect(pane[0] + pixel, pane[1] + pixel, pane[2] - 2 * pixel, pane[3] - 2 * pixel);
    }
  }
}

window.viewer = new Viewer();
window.viewer.ready = window.viewer.open().catch((error) => {
  say(`The images cannot be drawn: ${error.message}. They are in report.html.`);
  throw error;
});
