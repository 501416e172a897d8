"use strict";
// Images of this page: NIfTI-1 as y90voxel packs it, little endian, with its place in the sform.

const STORED = { 2: Uint8Array, 4: Int16Array, 512: Uint16Array };

// As much of an image as a volume asks for, with the names that NiiVue gives it.
async function readNifti(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(unpacked).arrayBuffer(), view = new DataView(bytes);
  const dims = Array.from({ length: 8 }, (_, n) => view.getInt16(40 + 2 * n, true));
  const row = (n) => Array.from({ length: 4 }, (_, m) => view.getFloat32(280 + 16 * n + 4 * m, true));
  const count = dims[1] * dims[2] * dims[3];
  return {
    img: new STORED[view.getInt16(70, true)](bytes, view.getFloat32(108, true), count),
    hdr: { dims, scl_slope: view.getFloat32(112, true), affine: [row(0), row(1), row(2), [0, 0, 0, 1]] },
  };
}
