"use strict";
// What is shown as one PNG, with the lines that must not be parted from it: whose, predicted or not, the dose at the crosshair.

const LONGEST_NAME = 120; // [characters]; file systems take 255 bytes
const FOOT = 74; // [CSS pixels] below the picture, for four lines

async function snapshot(viewer) {
  const stage = $("stage").getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const histograms = $("dvh").hidden ? null : await drawnHistograms();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [stage.width * ratio, (stage.height + FOOT) * ratio];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = "#0b1015";
  context.fillRect(0, 0, stage.width, stage.height + FOOT);
  if (viewer.drawn && viewer.panes.alone !== HISTOGRAMS) {
    viewer.nv.drawScene(); // WebGL keeps a picture only until it is shown
    for (const id of ["images", "lines"]) context.drawImage($(id), 0, 0, stage.width, stage.height);
  }
  if (histograms) {
    const box = $("dvh").getBoundingClientRect();
    context.drawImage(histograms, box.left - stage.left, box.top - stage.top, box.width, box.height);
  }
  context.textBaseline = "middle";
  pictureLines(viewer).forEach((words, n) => {
    context.font = `${n ? 400 : 600} 12px system-ui, sans-serif`;
    context.fillStyle = n ? "#a9bac7" : "#e6edf3";
    context.fillText(words, 12, stage.height + 13 + 16 * n, stage.width - 24);
  });
  return canvas;
}

// The histograms as an image: their SVG with the page's own style.
async function drawnHistograms() {
  const svg = $("dvh").querySelector("svg").cloneNode(true), box = $("dvh").getBoundingClientRect();
  const style = element("style", {});
  style.textContent = document.querySelector("style").textContent;
  svg.prepend(style);
  svg.style.fontFamily = "system-ui, sans-serif"; // the page's own is the body's
  for (const [key, value] of Object.entries({ width: box.width, height: box.height, xmlns: "http://www.w3.org/2000/svg" })) {
    svg.setAttribute(key, value);
  }
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  return image;
}

function pictureLines(viewer) {
  const said = (selector) => [...document.querySelectorAll(selector)].map((node) => node.textContent.replace(/\s+/g, " ").trim());
  const levels = viewer.drawn && $("show-isodoses").checked ? `; isodoses ${viewer.levels.join(", ")} Gy` : "";
  return [
    said("h1").join(""),
    said(".pill.predicted, .subtitle").reverse().join(" · "),
    `dose ${$("dose-here").textContent} at x, y, z ${$("position-here").textContent} mm${levels}`,
    [...said(".pill.research"), ...said("#made")].join(" "),
  ];
}

async function savePicture(viewer) {
  const canvas = await snapshot(viewer);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const name = `${document.querySelector("h1 .study").textContent} ${viewer.panes.alone?.name ?? "viewer"}`;
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: `${name.replace(/[^\p{L}\p{N}.-]+/gu, "-").replace(/^[-.]+/, "").slice(-LONGEST_NAME)}.png`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000); // after the browser has taken it
  speak(`saved as ${link.download}`);
}
