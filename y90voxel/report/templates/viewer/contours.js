"use strict";
// Lines of one value in a raster, by marching squares with linear interpolation.

// Returns closed and open lines as arrays of [u, v] in samples. Neighbouring cells share crossings by the number of
// the raster edge they lie on; a line enters a cell where the value rises along the cell's border and leaves where it falls.
function contours(raster, level) {
  const { nu, nv, values } = raster;
  if (!values) return [];
  const follows = new Map();
  for (let b = 0; b < nv - 1; b++) {
    for (let a = 0; a < nu - 1; a++) {
      const n = b * nu + a;
      const corners = [values[n], values[n + 1], values[n + 1 + nu], values[n + nu]];
      const inside = corners.map((value) => value >= level);
      if (inside[0] === inside[1] && inside[1] === inside[2] && inside[2] === inside[3]) continue;
      const edges = [2 * n, 2 * (n + 1) + 1, 2 * (n + nu), 2 * n + 1];
      const enters = [], leaves = [];
      for (let side = 0; side < 4; side++) {
        const next = inside[(side + 1) % 4];
        if (next && !inside[side]) enters.push(side);
        if (!next && inside[side]) leaves.push(side);
      }
      if (enters.length === 1) {
        follows.set(edges[enters[0]], edges[leaves[0]]);
        continue;
      }
      const joined = (corners[0] + corners[1] + corners[2] + corners[3]) / 4 >= level;
      // At a saddle a line turns about the corner before or after the side where it enters.
      for (const side of enters) follows.set(edges[side], edges[(side + (joined ? 3 : 1)) % 4]);
    }
  }
  return joinedLines(follows).map((line) => line.map((edge) => crossing(raster, edge, level)));
}

function joinedLines(follows) {
  const lines = [];
  const targets = new Set(follows.values());
  const starts = [...follows.keys()].filter((edge) => !targets.has(edge));
  const walk = (start) => {
    const line = [start];
    let edge = start;
    while (follows.has(edge)) {
      const next = follows.get(edge);
      follows.delete(edge);
      line.push(next);
      edge = next;
    }
    lines.push(line);
  };
  starts.forEach(walk);
  while (follows.size) walk(follows.keys().next().value);
  return lines;
}

function crossing({ nu, values }, edge, level) {
  const n = edge >> 1, vertical = edge & 1;
  const from = values[n], to = values[vertical ? n + nu : n + 1];
  const part = to === from ? 0.5 : (level - from) / (to - from);
  const u = n % nu, v = Math.floor(n / nu);
  return vertical ? [u, v + part] : [u + part, v];
}
