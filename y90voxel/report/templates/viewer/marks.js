"use strict";
// What is written and drawn over the images: lines, isodose values that keep clear of each other, crosshair, captions.

// Lines on a dark edge, so that they show on any colour.
function strokeLines(context, lines, colour, width, dash, pixel) {
  const path = new Path2D();
  for (const line of lines) line.forEach(([x, y], n) => (n ? path.lineTo(x, y) : path.moveTo(x, y)));
  context.setLineDash([]);
  context.strokeStyle = "rgba(8, 14, 20, 0.65)";
  context.lineWidth = width + 1.6 * pixel;
  context.stroke(path);
  context.setLineDash(dash.map((length) => length * width));
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

// Canvas pixels per CSS pixel.
function pixelRatio() {
  return $("lines").width / Math.max(1, $("lines").clientWidth);
}

// Boxes [left, top, right, bottom] of texts; two that overlap cannot be read.
function boxOf(context, { words, x, y, align = "center", font }, pixel) {
  context.font = font;
  const width = context.measureText(words).width, high = 7 * pixel;
  const left = align === "left" ? x : align === "right" ? x - width : x - width / 2;
  return [left, y - high, left + width, y + high];
}

function overlap(a, b, gap) {
  return a[0] < b[2] + gap && b[0] < a[2] + gap && a[1] < b[3] + gap && b[1] < a[3] + gap;
}

// Places of an isodose's value along its longest line: from the direction that it prefers, to both sides in turn.
function* placesAlong(lines, angle) {
  const longest = lines.reduce((a, b) => (a.length >= b.length ? a : b));
  if (longest.length < 24) return;
  const [right, down] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  const reach = longest.map(([x, y]) => x * right + y * down);
  const best = reach.indexOf(Math.max(...reach)), count = longest.length, step = Math.max(1, Math.floor(count / 60));
  for (let away = 0; away <= count / 2; away += step) {
    for (const at of away ? [best + away, best - away] : [best]) yield longest[(at + count) % count];
  }
}

// Values of isodoses on their lines, inside bounds and clear of what is taken; one without room is left to the key.
function writeValues(context, notes, bounds, taken, pixel) {
  const font = `600 ${11 * pixel}px system-ui, sans-serif`;
  const inside = (box) => box[0] >= bounds[0] && box[1] >= bounds[1] && box[2] <= bounds[2] && box[3] <= bounds[3];
  const written = [];
  const shortestFirst = [...notes].sort((a, b) => Math.max(...a.lines.map((l) => l.length)) - Math.max(...b.lines.map((l) => l.length)));
  for (const { lines, words, angle, colour } of shortestFirst) {
    for (const [x, y] of placesAlong(lines, angle)) {
      const box = boxOf(context, { words, x, y, font }, pixel);
      if (!inside(box) || [...taken, ...written.map((one) => one.box)].some((other) => overlap(box, other, 2 * pixel))) continue;
      written.push({ words, box });
      write(context, { words, x, y, font, fill: colour }, 3.5 * pixel);
      break;
    }
  }
  return written;
}

// A text on a dark edge.
function write(context, { words, x, y, align = "center", font, fill }, edge) {
  context.setLineDash([]);
  Object.assign(context, { font, textAlign: align, textBaseline: "middle", lineWidth: edge, lineJoin: "round" });
  context.strokeStyle = "rgba(8, 14, 20, 0.85)";
  context.strokeText(words, x, y);
  context.fillStyle = fill;
  context.fillText(words, x, y);
}

function crosshair(context, x, y, [left, top, width, height], pixel) {
  const gap = 9 * pixel;
  context.setLineDash([]);
  context.lineWidth = pixel;
  context.strokeStyle = "rgba(160, 224, 255, 0.75)";
  context.beginPath();
  for (const [x0, y0, x1, y1] of [
    [left, y, x - gap, y],
    [x + gap, y, left + width, y],
    [x, top, x, y - gap],
    [x, y + gap, x, top + height],
  ]) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
}

// Name and place of the plane and the sides of the patient, as texts along the edges of a pane; in a narrow one on two lines.
function captions(view, [left, top, width, height], millimetre, pixel) {
  const edge = 14 * pixel, narrow = width < 330 * pixel;
  const side = { font: `600 ${13 * pixel}px system-ui, sans-serif`, fill: "#dbe6ee" };
  const small = { font: `${(narrow ? 11 : 12) * pixel}px system-ui, sans-serif`, fill: "#a9bac7", align: "left", x: left + 10 * pixel };
  const [l, r, t, b] = view.letters;
  const place = `${view.axis} = ${millimetres(millimetre)} mm`;
  const lines = narrow ? [view.name, place] : [`${view.name}   ${place}`];
  return [
    { ...side, words: l, x: left + edge, y: top + height / 2 },
    { ...side, words: r, x: left + width - edge, y: top + height / 2 },
    { ...side, words: t, x: left + width / 2, y: top + edge },
    { ...side, words: b, x: left + width / 2, y: top + height - edge },
    ...lines.map((words, n) => ({ ...small, words, y: top + edge + 15 * n * pixel })),
  ];
}

// A bar of 50 mm in the lower right corner of a pane.
function scaleBar(tile, [left, top, width, height], pixel) {
  const bar = (50 / Math.abs(tile.fovMM[0])) * Math.abs(tile.leftTopWidthHeight[2]);
  const x = left + width - 16 * pixel, y = top + height - 14 * pixel;
  const label = { words: "50 mm", x: x - bar / 2, y: y - 11 * pixel, font: `${12 * pixel}px system-ui, sans-serif`, fill: "#a9bac7" };
  return { label, bar: [x - bar, y, bar, 2 * pixel] };
}
