"use strict";
// Images with their place in the patient. Positions are RAS millimetres, as in NIfTI; people read LPS.

const EDGE = 0.5001; // half a voxel, and the rounding of single precision

function lpsOfRas(point) {
  return [-point[0], -point[1], point[2]];
}

const rasOfLps = lpsOfRas; // two half turns are none

function inverseAffine(m) {
  const [[a, b, c, x], [d, e, f, y], [g, h, i, z]] = m;
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const r = [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / det));
  return r.map((row) => [...row, -(row[0] * x + row[1] * y + row[2] * z)]);
}

class Volume {
  // In planes nothing lies below the floor, and outside there is only that.
  constructor(image, floor = 0) {
    this.image = image;
    this.floor = floor;
    this.values = image.img;
    this.step = image.hdr.scl_slope;
    this.size = image.hdr.dims.slice(1, 4);
    this.affine = image.hdr.affine;
    this.inverse = inverseAffine(this.affine);
    this.rasters = new Map();
  }

  // Extent of the outer voxel faces along a RAS axis.
  extent(axis) {
    const row = this.affine[axis];
    let low = row[3], high = row[3];
    for (let n = 0; n < 3; n++) {
      const ends = [-0.5 * row[n], (this.size[n] - 0.5) * row[n]];
      low += Math.min(...ends);
      high += Math.max(...ends);
    }
    return [low, high];
  }

  get finestMm() {
    return Math.min(...[0, 1, 2].map((n) => Math.hypot(...[0, 1, 2].map((axis) => this.affine[axis][n]))));
  }

  // Linear interpolation; constant in the outer half of border voxels, NaN outside.
  at(x, y, z) {
    const [a, b, c] = this.inverse, [nx, ny, nz] = this.size;
    const i = a[0] * x + a[1] * y + a[2] * z + a[3];
    const j = b[0] * x + b[1] * y + b[2] * z + b[3];
    const k = c[0] * x + c[1] * y + c[2] * z + c[3];
    if (i < -EDGE || j < -EDGE || k < -EDGE || i > nx - 1 + EDGE || j > ny - 1 + EDGE || k > nz - 1 + EDGE) return NaN;
    const inside = (place, size) => Math.min(Math.max(place, 0), size - 1);
    return this.interpolated(inside(i, nx), inside(j, ny), inside(k, nz));
  }

  interpolated(i, j, k) {
    const [nx, ny, nz] = this.size, v = this.values;
    const i0 = Math.floor(i), j0 = Math.floor(j), k0 = Math.floor(k);
    const fi = i - i0, fj = j - j0, fk = k - k0;
    const di = i0 + 1 < nx ? 1 : 0, dj = j0 + 1 < ny ? nx : 0, dk = k0 + 1 < nz ? nx * ny : 0;
    const n = i0 + nx * (j0 + ny * k0);
    const line = (at) => v[at] + fi * (v[at + di] - v[at]);
    const near = line(n) + fj * (line(n + dj) - line(n));
    if (fk === 0) return this.step * near;
    const far = line(n + dk) + fj * (line(n + dk + dj) - line(n + dk));
    return this.step * (near + fk * (far - near));
  }

  // Values at the voxels of another image, 0 outside.
  on(other) {
    const [nx, ny, nz] = other.size, m = other.affine, values = new Float32Array(nx * ny * nz);
    for (let k = 0, n = 0; k < nz; k++) {
      for (let j = 0; j < ny; j++) {
        const start = [0, 1, 2].map((axis) => m[axis][1] * j + m[axis][2] * k + m[axis][3]);
        for (let i = 0; i < nx; i++, n++) {
          const value = this.at(start[0] + m[0][0] * i, start[1] + m[1][0] * i, start[2] + m[2][0] * i);
          if (value > 0) values[n] = value;
        }
      }
    }
    return values;
  }

  // Values in the plane across a RAS axis: rows run along the second of the other two axes. Kept until the plane moves.
  raster(across, position) {
    const kept = this.rasters.get(across);
    if (kept && kept.position === position) return kept;
    const [u, v] = [0, 1, 2].filter((axis) => axis !== across);
    const step = Math.max(0.9, 0.5 * this.finestMm);
    const [ul, uh] = this.extent(u), [vl, vh] = this.extent(v), [wl, wh] = this.extent(across);
    // One sample beyond every border: contours close there.
    const nu = Math.ceil((uh - ul) / step) + 3, nv = Math.ceil((vh - vl) / step) + 3;
    const raster = { position, step, u0: ul - step, v0: vl - step, nu, nv, values: null };
    if (position >= wl && position <= wh) {
      raster.values = new Float32Array(nu * nv).fill(this.floor);
      const point = [0, 0, 0];
      point[across] = position;
      for (let b = 1; b < nv - 1; b++) {
        point[v] = raster.v0 + b * step;
        for (let a = 1; a < nu - 1; a++) {
          point[u] = raster.u0 + a * step;
          const value = this.at(point[0], point[1], point[2]);
          if (value > this.floor) raster.values[b * nu + a] = value;
        }
      }
    }
    this.rasters.set(across, raster);
    return raster;
  }
}
