"use strict";
// Cumulative dose-volume histograms as SVG: a line a region, a marker for the crosshair, an isodose under the pointer.

class Histograms {
  constructor(container, dvh, regions, { onHover, onPick }) {
    Object.assign(this, { container, dvh, regions, onHover, onPick, chosen: -1, hover: null, here: null });
    this.margin = { left: 48, right: 18, top: 36, bottom: 44 };
    new ResizeObserver(() => this.draw()).observe(container);
    container.addEventListener("pointermove", (event) => this.point(event));
    container.addEventListener("pointerleave", () => this.point(null));
    container.addEventListener("click", (event) => this.pick(event));
  }

  get plot() {
    const { left, right, top, bottom } = this.margin;
    const box = this.container.getBoundingClientRect();
    return { left, top, width: Math.max(10, box.width - left - right), height: Math.max(10, box.height - top - bottom) };
  }

  x(dose) {
    return this.plot.left + (dose / this.dvh.shown_gy) * this.plot.width;
  }

  y(percent) {
    return this.plot.top + (1 - percent / 101) * this.plot.height;
  }

  // Volume in percent that receives at least a dose.
  volumeAt(region, dose, volumes = this.dvh.volumes_percent[region]) {
    const doses = this.dvh.doses_gy;
    if (dose >= doses[doses.length - 1]) return dose > doses[doses.length - 1] ? 0 : volumes[volumes.length - 1];
    const place = dose / doses[1], n = Math.floor(place);
    return volumes[n] + (place - n) * (volumes[n + 1] - volumes[n]);
  }

  point(event) {
    let dose = null;
    if (event) {
      const box = this.container.getBoundingClientRect();
      const share = (event.clientX - box.left - this.plot.left) / this.plot.width;
      if (share > 0 && share <= 1) dose = share * this.dvh.shown_gy;
    }
    if (dose !== this.hover) this.read(dose);
  }

  // The dose that is read off at all curves; null for none.
  read(dose) {
    this.hover = dose === null ? null : Math.min(Math.max(dose, 0), this.dvh.shown_gy);
    this.drawPointer();
    this.onHover(this.hover);
  }

  // What stands beside the pointer, as a sentence.
  words() {
    const rows = [...this.pointer.querySelectorAll(".tip")].map((tip) => tip.textContent.replace(/\s+/g, " "));
    return rows.join(", ");
  }

  pick(event) {
    const box = this.container.getBoundingClientRect();
    const dose = ((event.clientX - box.left - this.plot.left) / this.plot.width) * this.dvh.shown_gy;
    if (dose < 0 || dose > this.dvh.shown_gy) return;
    const gaps = this.regions.map((_, n) => Math.abs(this.y(this.volumeAt(n, dose)) - (event.clientY - box.top)));
    const nearest = gaps.indexOf(Math.min(...gaps));
    if (gaps[nearest] < 14) this.onPick(nearest);
  }

  choose(region) {
    this.chosen = region;
    this.draw();
  }

  mark(dose) {
    this.here = dose;
    this.drawPointer();
  }

  draw() {
    const svg = element("svg", { width: "100%", height: "100%", "aria-hidden": "true" });
    const { left, top, width, height } = this.plot;
    const narrow = width < 300; // [CSS pixels]; the whole title needs half of it
    svg.append(text(narrow ? "DVH" : "Dose-volume histograms", left - 34, 20, { class: "title" }));
    for (let percent = 0; percent <= 100; percent += 20) {
      svg.append(element("line", { x1: left, x2: left + width, y1: this.y(percent), y2: this.y(percent), class: "rule" }));
      svg.append(text(String(percent), left - 7, this.y(percent) + 4, { "text-anchor": "end" }));
    }
    for (const dose of ticks(this.dvh.shown_gy, narrow ? 4 : 8)) {
      svg.append(element("line", { x1: this.x(dose), x2: this.x(dose), y1: top, y2: top + height, class: "rule" }));
      svg.append(text(String(dose), this.x(dose), top + height + 16, { "text-anchor": "middle" }));
    }
    svg.append(text("absorbed dose / Gy", left + width, top + height + 32, { "text-anchor": "end" }));
    const upwards = width > 400 ? "volume receiving at least this dose / %" : "volume / %";
    svg.append(text(upwards, left + width - 18, 20, { "text-anchor": "end" })); // beside the pane's button
    const order = this.regions.map((_, n) => n).sort((a, b) => (a === this.chosen) - (b === this.chosen));
    this.dvh.bands_percent.forEach((band, n) => band && svg.append(this.band(n, band)));
    for (const n of order) this.dvh.found_percent[n] && svg.append(this.line(n, this.dvh.found_percent[n], "found"));
    for (const n of order) svg.append(this.line(n));
    const notes = this.dvh.bands_percent.some(Boolean) ? [this.dvh.band] : [];
    if (this.dvh.found_percent.some(Boolean)) notes.push("thin: as found");
    if (!narrow) svg.append(text(notes.join("; "), left - 34, top + height + 32, {}));
    this.pointer = element("g", {});
    svg.append(this.pointer);
    this.container.replaceChildren(svg);
    this.drawPointer();
  }

  band(n, [low, high]) {
    const doses = this.dvh.doses_gy.filter((dose) => dose <= this.dvh.shown_gy);
    const edge = (volumes) => doses.map((dose, i) => `${this.x(dose).toFixed(1)},${this.y(volumes[i]).toFixed(1)}`);
    const faded = this.chosen >= 0 && n !== this.chosen;
    return element("polygon", {
      points: [...edge(high), ...edge(low).reverse()].join(" "),
      fill: this.regions[n].colour,
      class: faded ? "band faded" : "band",
      "data-region": n,
    });
  }

  line(n, volumes = this.dvh.volumes_percent[n], kind = "line") {
    const { doses_gy: doses, shown_gy: shown } = this.dvh;
    const points = doses.map((dose, i) => [dose, volumes[i]]).filter(([dose]) => dose <= shown);
    const faded = this.chosen >= 0 && n !== this.chosen;
    const strength = (n === this.chosen ? 3.5 : 2) * (kind === "found" ? 0.4 : 1);
    return element("polyline", {
      points: points.map(([dose, volume]) => `${this.x(dose).toFixed(1)},${this.y(volume).toFixed(1)}`).join(" "),
      stroke: this.regions[n].colour,
      "stroke-dasharray": this.regions[n].dash.map((length) => length * strength).join(" "),
      "stroke-width": strength,
      class: faded ? `${kind} faded` : kind,
      "data-region": n,
    });
  }

  drawPointer() {
    if (!this.pointer) return;
    this.pointer.replaceChildren();
    const { top, height } = this.plot;
    const upright = (dose, kind) =>
      this.pointer.append(element("line", { x1: this.x(dose), x2: this.x(dose), y1: top, y2: top + height, class: kind }));
    if (this.here !== null && this.here <= this.dvh.shown_gy) upright(this.here, "here");
    if (this.hover === null) return;
    upright(this.hover, "hover");
    const shown = this.chosen >= 0 ? [this.chosen] : this.regions.map((_, n) => n);
    const length = Math.min(26, Math.floor(this.plot.width / 12));
    const rows = shown.map((n) => [n, this.volumeAt(n, this.hover)]).sort((a, b) => b[1] - a[1]).slice(0, 9);
    const onRight = this.hover < 0.6 * this.dvh.shown_gy;
    const x = onRight ? this.x(this.hover) + 10 : this.x(this.hover) - 10;
    const anchor = onRight ? "start" : "end";
    this.pointer.append(text(`at least ${this.hover.toPrecision(3)} Gy`, x, top + 12, { "text-anchor": anchor, class: "tip head" }));
    rows.forEach(([n, volume], row) => {
      const percent = (value) => value.toFixed(volume < 10 ? 1 : 0);
      const limits = this.dvh.bands_percent[n]?.map((edge) => percent(this.volumeAt(n, this.hover, edge)));
      const between = limits ? ` (${limits.join(" to ")})` : "";
      const label = text(`${percent(volume)}${between} %  ${shortened(this.regions[n].name, length)}`, x, top + 29 + 15 * row, {
        "text-anchor": anchor,
        class: "tip",
      });
      label.style.fill = this.regions[n].colour;
      this.pointer.append(label);
      this.pointer.append(element("circle", { cx: this.x(this.hover), cy: this.y(volume), r: 3.5, fill: this.regions[n].colour }));
    });
  }
}

function element(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function text(words, x, y, attributes) {
  const node = element("text", { x, y, ...attributes });
  node.textContent = words;
  return node;
}

function shortened(name, length) {
  return name.length <= length ? name : `${name.slice(0, length - 1)}…`;
}

// Round doses from 0 to the end of the axis, at most so many steps.
function ticks(end, most) {
  const power = 10 ** Math.floor(Math.log10(end / 5));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => end / n <= most);
  const found = [];
  for (let n = 0; n * step <= end; n++) found.push(Number((n * step).toPrecision(6)));
  return found;
}
