"""Make a synthetic radioembolization work-up: DICOM files and the truth they were made from.

``python sample_data/generate.py OUT`` makes the sample study again, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from phantom import emission, truth_file  # noqa: E402
from phantom.anatomy import Anatomy  # noqa: E402
from phantom.contours import outline  # noqa: E402
from phantom.ct import add_scanner, ideal_hu  # noqa: E402
from phantom.dicom import save_ct_slice  # noqa: E402
from phantom.dicom_nm import save_planar, save_spect  # noqa: E402
from phantom.dicom_rtstruct import Contours, save_rtstruct  # noqa: E402
from phantom.patient import make_patient  # noqa: E402
from phantom.settings import Settings, ct_axes, spect_axes  # noqa: E402
from phantom.shapes import Array, Points, occupancy  # noqa: E402

KERNELS = HERE.parent / "kernels"
# Organs are painted on pixels of at least this size; finer CTs are interpolated from there [mm].
PAINT_MM = 1.9
DETECTOR_DISTANCE_MM = 200.0


def paint_axes(settings: Settings) -> list[Array]:
    """Return the points on which organs are painted: the CT's, or fewer over the same field."""
    axes = []
    for centres, least in zip(ct_axes(settings), (2.9, PAINT_MM, PAINT_MM), strict=True):
        step = max(1, round(least / (centres[1] - centres[0])))
        count = int(np.ceil((centres.size - 1) / step)) + 1
        axes.append(centres[0] + np.arange(count) * step * (centres[1] - centres[0]))
    return axes


def sample_plane(volume: Array, axes: list[Array], z: float, y: Array, x: Array) -> Array:
    """Return one plane of a volume by linear interpolation along each axis."""
    for positions, along in ((y, axes[1]), (x, axes[2])):
        if positions.size != along.size:
            break
    else:
        if np.any(np.abs(axes[0] - z) < 1e-6):
            return volume[int(np.argmin(np.abs(axes[0] - z)))]
    level = np.interp(z, axes[0], np.arange(axes[0].size))
    low = min(int(level), axes[0].size - 2)
    plane = volume[low] + (level - low) * (volume[low + 1] - volume[low])
    for axis, (positions, along) in enumerate(((y, axes[1]), (x, axes[2]))):
        at = np.interp(positions, along, np.arange(along.size))
        first = np.minimum(at.astype(int), along.size - 2)
        weight = (at - first)[:, None] if axis == 0 else at - first
        lower, upper = plane.take(first, axis), plane.take(first + 1, axis)
        plane = lower + weight * (upper - lower)
    return plane


def write_ct(hu: Array, axes: list[Array], settings: Settings, folder: Path) -> None:
    """Write every slice of the CT."""
    z, y, x = ct_axes(settings)
    rng = settings.random("ct noise")
    noise = 0.0 if settings.noiseless else settings.ct_noise_hu
    ox, oy, oz = settings.origin_mm
    for index, level in enumerate(z):
        plane = add_scanner(sample_plane(hu, axes, level, y, x), settings.ct_spacing_mm[2], noise, rng)
        save_ct_slice(plane, index, level + oz, (x[0] + ox, y[0] + oy), settings, folder)


def region_distances(anatomy: Anatomy, p: Points) -> dict[str, Array]:
    """Return the distance to every region that is contoured, by name."""
    liver = anatomy.liver(p)
    tumours = {f"GTV{n}": t.distance(p) for n, t in enumerate(anatomy.tumours, start=1)}
    return {
        "Liver": liver,
        **tumours,
        "Perfused volume": anatomy.perfused_part(liver, p),
        "Lung_L": anatomy.lung(p, 1),
        "Lung_R": anatomy.lung(p, -1),
        "Body": anatomy.trunk(p),
    }


def region_contours(anatomy: Anatomy, settings: Settings) -> tuple[dict[str, Contours], float]:
    """Return the contours of every region on the CT's slices, and the volume of the body [mL]."""
    ox, oy, _ = settings.origin_mm
    sx, sy, sz = anatomy.scale
    z = ct_axes(settings)[0]
    y, x = paint_axes(settings)[1:]
    regions: dict[str, Contours] = {}
    body_ml = 0.0
    for index, level in enumerate(z):
        p = Points(x[None, None, :] / sx, y[None, :, None] / sy, np.full((1, 1, 1), level / sz))
        for name, shape in region_distances(anatomy, p).items():
            distance = np.broadcast_to(shape, (1, y.size, x.size))[0]
            contours = regions.setdefault(name, {})
            if polygons := outline(distance, x, y):
                contours[index] = [np.round(q + np.array([ox, oy]), 2) for q in polygons]
            if name == "Body":
                body_ml += occupancy(distance, x[1] - x[0]).sum()
    return regions, body_ml * (x[1] - x[0]) * (y[1] - y[0]) * settings.ct_spacing_mm[0] / 1000.0


def write_emission(
    truth: emission.Truth, blurred: Array, hu: Array, hu_axes: list[Array], settings: Settings, folder: Path
) -> float:
    """Write SPECT and planar views; return the lung shunt that the noiseless planar views show."""
    axes = spect_axes(settings)
    ox, oy, oz = settings.origin_mm
    image = emission.spect_image(truth, blurred, settings)
    counts, _ = emission.count(image * settings.spect_counts, settings, "spect noise")
    save_spect(counts, (axes[2][0] + ox, axes[1][0] + oy, axes[0][0] + oz), settings, folder / "NM_tomo")
    mu = emission.attenuation(hu, hu_axes, axes, settings)
    views = emission.planar_views(emission.spect_image(truth, truth.fraction, settings), mu, settings)
    views *= settings.planar_counts / views.sum()
    counts, _ = emission.count(views, settings, "planar noise")
    first = (axes[2][0] + ox, axes[0][0] + oz)
    save_planar(counts, first, DETECTOR_DISTANCE_MM, oy, settings, folder / "NM_planar")
    seen = {
        name: emission.spect_image(truth, truth.occupancy[name], settings).max(axis=1)
        > 0.5 * settings.truth_bins**3
        for name in ("Lung_L", "Lung_R", "Liver")
    }
    return emission.geometric_mean_shunt(views, seen["Lung_L"] | seen["Lung_R"], seen["Liver"])


def generate(out: Path, settings: Settings, kernels: Path = KERNELS) -> dict:
    """Write ``out/study`` and ``out/truth.json``; return the truth."""
    study = out / "study"
    if study.exists():
        raise SystemExit(f"{study} is there already: remove it first, or the old and the new study would mix")
    anatomy, settings = make_patient(settings)
    axes = paint_axes(settings)
    pixel = axes[2][1] - axes[2][0]
    hu = ideal_hu(anatomy, axes, float(pixel), settings)
    write_ct(hu, axes, settings, study / "CT")
    regions, body_ml = region_contours(anatomy, settings)
    save_rtstruct(regions, ct_axes(settings)[0] + settings.origin_mm[2], settings, study / "RTSTRUCT")
    truth = emission.make_truth(anatomy, settings)
    blurred = emission.camera(truth.fraction, settings)
    planar = write_emission(truth, blurred, hu, axes, settings, study)
    numbers = truth_file.truth_numbers(truth, blurred, body_ml, planar, kernels, settings)
    (out / "truth.json").write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers


def numbers(text: str, kind: type) -> tuple:
    """Parse "96x192x192" or "3x2x2"."""
    parts = tuple(kind(p) for p in text.lower().split("x"))
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"three numbers with x between them are needed, got {text!r}")
    return parts


def parse(arguments: list[str] | None) -> tuple[Path, Settings]:
    """Return the output folder and the settings that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Settings()
    parser.add_argument("out", type=Path, help="folder to write study/ and truth.json into")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the noise and the identifiers")
    parser.add_argument(
        "--vary", action="store_true", help="draw patient, lesions and activity from the seed"
    )
    shape = {"type": lambda t: numbers(t, int), "metavar": "SLICESxROWSxCOLUMNS"}
    parser.add_argument("--ct-shape", default=default.ct_shape, **shape)
    parser.add_argument("--ct-spacing", type=lambda t: numbers(t, float), metavar="DZxDYxDX", help="mm")
    parser.add_argument("--spect-shape", default=None, **shape)
    parser.add_argument("--spect-voxel", type=float, default=default.spect_voxel_mm, help="mm")
    parser.add_argument("--spect-step-sign", type=int, choices=(1, -1), default=1)
    parser.add_argument("--fwhm", type=float, default=default.camera_fwhm_mm, help="camera blur, mm")
    parser.add_argument("--counts", type=float, default=default.spect_counts)
    parser.add_argument("--noiseless", action="store_true", help="expected values instead of noisy ones")
    parser.add_argument("--unblurred", action="store_true", help="SPECT without blur, on the truth's voxels")
    a = parser.parse_args(arguments)
    settings = replace(
        default,
        seed=a.seed,
        vary=a.vary,
        ct_shape=a.ct_shape,
        ct_spacing_mm=a.ct_spacing or fitted_spacing(a.ct_shape),
        spect_voxel_mm=a.spect_voxel,
        spect_shape=a.spect_shape or fitted_spect(a.spect_voxel),
        spect_step_sign=a.spect_step_sign,
        camera_fwhm_mm=a.fwhm,
        spect_counts=a.counts,
        noiseless=a.noiseless,
    )
    return a.out, unblurred(settings) if a.unblurred else settings


def fitted_spacing(shape: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return the CT spacing that covers the sample study's field with another number of voxels [mm]."""
    default = Settings()
    field = [n * d for n, d in zip(default.ct_shape, default.ct_spacing_mm, strict=True)]
    return tuple(round(f / n, 4) for f, n in zip(field, shape, strict=True))


def fitted_spect(voxel_mm: float) -> tuple[int, int, int]:
    """Return the SPECT matrix that covers the sample study's field with another voxel size."""
    default = Settings()
    return tuple(int(np.ceil(n * default.spect_voxel_mm / voxel_mm - 1e-6)) for n in default.spect_shape)


def unblurred(settings: Settings) -> Settings:
    """Return settings whose SPECT voxels are the truth's own, over the trunk only, without blur."""
    bins, voxel = settings.truth_bins, settings.truth_voxel_mm
    field = (settings.spect_shape[0] * settings.spect_voxel_mm, 270.0, 360.0)
    shape = tuple(bins * int(np.ceil(f / settings.spect_voxel_mm)) for f in field)
    return replace(settings, camera_fwhm_mm=0.0, spect_voxel_mm=voxel, spect_shape=shape, truth_bins=1)


def main(arguments: list[str] | None = None) -> None:
    """Make a study as the command line asks."""
    out, settings = parse(arguments)
    truth = generate(out, settings)
    for name, region in truth["regions"].items():
        dose = region.get("mean_dose_gy", {}).get("plain")
        line = f"{name:28s}{region['volume_ml']:10.1f} mL" + (f"{dose:10.1f} Gy" if dose is not None else "")
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
