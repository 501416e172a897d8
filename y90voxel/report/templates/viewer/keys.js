"use strict";
// The page by keyboard. Letters act only while the images or the histograms have the focus, so that no other use of a key is taken away.

const KEYS = [
  ["← → ↑ ↓", "move the crosshair in the pane by a voxel; with Shift by five"],
  ["Page up, Page down", "next plane towards head, front or the patient's right; and back"],
  ["1 2 3 4", "axial, coronal, sagittal, histograms: the pane that keys act on"],
  ["F, Esc", "this pane alone over the whole stage; all panes again"],
  ["Home, End", "to the hottest voxel; to the centre"],
  ["+ − 0", "zoom in, out, back"],
  ["I, O, C", "isodoses, outlines, crosshair on or off"],
  ["S", "save what is shown as a picture"],
  ["?", "this list"],
  ["← → on the histograms", "dose that is read off and drawn as isodose; ↑ ↓ the region that is followed; Esc ends it"],
];
const COARSE = 5; // steps with Shift

class Keyboard {
  constructor(viewer) {
    this.viewer = viewer;
    const body = document.querySelector("#help tbody");
    for (const [keys, act] of KEYS) {
      const row = body.insertRow();
      const head = row.appendChild(document.createElement("th"));
      head.scope = "row";
      head.textContent = keys;
      row.insertCell().textContent = act;
    }
    $("open-help").onclick = () => $("help").showModal();
    $("save").onclick = () => this.viewer.save();
    // Before NiiVue, whose own keys would move the crosshair a second time.
    for (const kind of ["keydown", "keyup"]) $("stage").addEventListener(kind, (event) => this.take(event), { capture: true });
  }

  take(event) {
    if (event.target === $("images")) event.stopPropagation();
    if (event.type !== "keydown" || event.ctrlKey || event.metaKey || event.altKey) return;
    const onHistograms = this.viewer.panes.active === HISTOGRAMS;
    if (this.common(event.key) || (onHistograms ? this.histograms(event) : this.images(event))) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  // Keys that mean the same in every pane; true where one was taken.
  common(key) {
    const { viewer } = this, { panes } = viewer, number = "1234".indexOf(key);
    const boxes = { i: "show-isodoses", o: "show-outlines", c: "show-crosshair" };
    if (number >= 0 && key) this.activate(panes.all[number]);
    else if (key.toLowerCase() === "f") panes.toggle(panes.active);
    else if (key === "Escape" && panes.alone) panes.toggle(panes.active);
    else if (key.toLowerCase() in boxes) $(boxes[key.toLowerCase()]).click();
    else if (key.toLowerCase() === "s") viewer.save();
    else if (key === "?") $("help").showModal();
    else return false;
    return true;
  }

  activate(pane) {
    if (!pane) return;
    this.viewer.panes.activate(pane);
    $(pane === HISTOGRAMS ? "dvh" : "images").focus();
    if (pane !== HISTOGRAMS) speak(`${pane.name} pane`);
  }

  images({ key, shiftKey }) {
    const { viewer } = this, view = viewer.panes.active, times = shiftKey ? COARSE : 1;
    if (!viewer.drawn) return false;
    const step = times * viewer.underlay.finestMm;
    const move = ([axis, sign], way) => viewer.moveBy(axis, way * sign * step);
    if (key === "ArrowRight" || key === "ArrowLeft") move(view.right, key === "ArrowRight" ? 1 : -1);
    else if (key === "ArrowUp" || key === "ArrowDown") move(view.up, key === "ArrowUp" ? 1 : -1);
    else if (key === "PageUp" || key === "PageDown") move([view.across, 1], key === "PageUp" ? 1 : -1);
    else if (key === "Home" || key === "End") viewer.goTo(rasOfLps(data.points[key === "Home" ? 0 : 1].lps_mm));
    else if ("+=-−0".includes(key)) viewer.zoomBy({ "-": -0.5, "−": -0.5, 0: -Infinity }[key] ?? 0.5);
    else return false;
    return true;
  }

  histograms({ key, shiftKey }) {
    const { histograms, chosen } = this.viewer, times = shiftKey ? COARSE : 1, count = data.regions.length;
    if (key === "ArrowRight" || key === "ArrowLeft") {
      const step = (times * (key === "ArrowRight" ? 1 : -1)) / 100;
      histograms.read((histograms.hover ?? histograms.here ?? 0) + step * data.dvh.shown_gy);
      speak(histograms.words());
    } else if (key === "ArrowDown" || key === "ArrowUp") {
      this.viewer.choose((chosen + (key === "ArrowDown" ? 1 : chosen < 0 ? 0 : -1) + count) % count);
      speak(`${data.regions[this.viewer.chosen].name}. ${histograms.words()}`);
    } else if (key === "Escape" && (histograms.hover !== null || chosen >= 0)) {
      histograms.read(null);
      this.viewer.choose(-1);
    } else return false;
    return true;
  }
}

// Said by screen readers, not shown.
function speak(words) {
  $("spoken").textContent = words;
}
