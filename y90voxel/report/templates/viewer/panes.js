"use strict";
// The panes of the stage: three views and the histograms beside each other, or one of them alone over the whole stage.

const HISTOGRAMS = { name: "histograms", place: [0.5, 0.5, 0.5, 0.5] };
const ALONE = [0, 0, 1, 1];

class Panes {
  constructor(stage, withHistograms, onChange) {
    this.all = withHistograms ? [...VIEWS, HISTOGRAMS] : VIEWS;
    this.alone = null;
    this.active = VIEWS[0];
    this.onChange = onChange;
    this.buttons = this.all.map((pane) => {
      const made = button("", () => this.toggle(pane), "alone");
      const icon = element("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" });
      icon.append(element("path", { d: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" }));
      made.append(icon);
      stage.append(made);
      return made;
    });
    this.place();
  }

  // Where a pane lies, in shares of the stage; null while another one is alone.
  placeOf(pane) {
    return this.alone === null ? pane.place : this.alone === pane ? ALONE : null;
  }

  get views() {
    return VIEWS.filter((view) => this.placeOf(view));
  }

  // The view under a point given in shares of the stage.
  viewAt(across, down) {
    return this.views.find((view) => {
      const [left, top, width, height] = this.placeOf(view);
      return across >= left && across < left + width && down >= top && down < top + height;
    });
  }

  activate(pane) {
    if (!this.all.includes(pane)) return;
    this.active = pane;
    if (this.alone !== null) this.alone = pane;
    this.place();
    this.onChange();
  }

  toggle(pane) {
    this.alone = this.alone === null ? pane : null;
    this.active = pane;
    this.place();
    this.onChange();
  }

  place() {
    this.all.forEach((pane, n) => {
      const made = this.buttons[n], place = this.placeOf(pane);
      made.hidden = !place;
      made.setAttribute("aria-pressed", this.alone === pane);
      made.title = this.alone === pane ? "all panes (Esc)" : `${pane.name} alone (F)`;
      made.setAttribute("aria-label", `${pane.name} alone`);
      if (place) Object.assign(made.style, { top: `calc(${100 * place[1]}% + 6px)`, right: `calc(${100 * (1 - place[0] - place[2])}% + 6px)` });
    });
    $("dvh").hidden = !this.all.includes(HISTOGRAMS) || !this.placeOf(HISTOGRAMS);
    $("dvh").classList.toggle("alone", this.alone === HISTOGRAMS);
    // Not hidden: NiiVue measures its canvas.
    for (const id of ["images", "lines"]) $(id).style.visibility = this.alone === HISTOGRAMS ? "hidden" : "visible";
  }
}
