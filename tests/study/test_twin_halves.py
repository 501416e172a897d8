"""The halves that a twin writes: independent, together the image, and `dose --halves` finds the true spread by them."""

import json
import math

import numpy as np
import pytest
from twin_images import RECORD, study

from y90voxel.case.settings import load_settings
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.io.nifti import read_nifti, write_nifti
from y90voxel.phantoms.twin import twin_concentration
from y90voxel.phantoms.twin_study import TwinStudy
from y90voxel.study.run_dose import run_study
from y90voxel.study.run_twin import write_twin
from y90voxel.volumes.volume import Mask

FIELD = {"field_mm": (110, 250, 250), "shift_mm": (0, 0, 0)}
# Spheres at half as much again as the background: around the largest, true concentration varies by about 20 %.
FILLING = RECORD | {"spheres": RECORD["spheres"] | {"activity": "40 MBq"}}
CV, RADIUS_MM = 0.3, 40.0


def described(modality="PT", **more):
    camera = {"modality": modality, "voxel_mm": (4, 4, 4), "fwhm_mm": 6.0, "noise_cv": CV}
    return TwinSettings.model_validate(
        {"filling": FILLING, "camera": camera, "place": FIELD, "halves": True} | more
    )


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin") / "out"
    write_twin(described(), folder)
    return folder


@pytest.fixture(scope="module")
def region():
    """A ball about the largest sphere, and the true standard deviation over mean in it."""
    made = TwinStudy(described())
    filled, grid = made.filling, made.grid
    spheres = [filled.sphere_bq_per_ml] * len(made.layout.spheres)
    seen = twin_concentration(made.layout, made.pose, grid, 6.0, spheres, filled.background_bq_per_ml)
    at = made.pose.to_image(np.array(made.layout.spheres[-1].centre_mm))
    centres = grid.index_to_lps(np.indices(grid.shape).reshape(3, -1).T)
    inside = (np.linalg.norm(centres - at, axis=1) < RADIUS_MM).reshape(grid.shape)
    return Mask(inside.astype(np.float32), grid), float(seen[inside].std() / seen[inside].mean())


@pytest.mark.parametrize(("modality", "share"), [("PT", 1.0), ("NM", 0.5)])
def test_halves_make_up_the_image_and_are_independent(modality, share):
    settings = described(modality)
    (frame,) = TwinStudy(settings).frames()
    (clean,) = TwinStudy(
        settings.model_copy(update={"camera": settings.camera.model_copy(update={"noise_cv": 0.0})})
    ).frames()
    one, other = frame.halves
    together = (one + other) / (2 * share)
    assert np.allclose(together, frame.values, rtol=1e-12)
    body = clean.values > 0.5 * clean.values.max()
    noise = [(half / share - clean.values)[body] / np.sqrt(clean.values[body]) for half in (one, other)]
    assert abs(np.corrcoef(*noise)[0, 1]) < 4.0 / math.sqrt(body.sum())
    whole = ((frame.values - clean.values)[body] / np.sqrt(clean.values[body])).std()
    assert [n.std() / whole for n in noise] == pytest.approx([math.sqrt(2)] * 2, rel=0.03)


def test_without_halves_nothing_of_a_twin_changes(tmp_path):
    plain = described(halves=False)
    (frame,) = TwinStudy(plain).frames()
    assert frame.halves == ()
    write_twin(plain, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.nii.gz"))
    assert study().settings.halves is False


def test_the_covariance_of_halves_gives_the_true_spread_of_a_noisy_region(twin, region, tmp_path):
    mask, true_cv = region
    assert 0.17 < true_cv < 0.23
    write_nifti(mask, tmp_path / "liver.nii.gz")
    halves = [twin / f"acquisition_1_half_{name}.nii.gz" for name in "ab"]
    assert not np.array_equal(*(read_nifti(file).array for file in halves))
    settings = load_settings(None, {
        "administration": {"lung_shunt_fraction": 0.0, "time": "2026-03-02T12:00:00"},
        "dose": {"engine": "local"}, "noise": {"halves": [str(file) for file in halves]}, "output": {"report": False},
    })  # fmt: skip
    run_study(
        twin / "acquisition_1", tmp_path / "out", settings, files={"regions": tmp_path / "liver.nii.gz"}
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    noise = next(one for one in metrics["regions"] if one["role"] == "liver")["noise"]
    voxels = float(mask.array.sum())
    assert noise["tails"] == "corrected"
    assert noise["found_cv"] == pytest.approx(math.hypot(true_cv, noise["noise_cv"]), rel=0.02)
    assert noise["noise_cv"] == pytest.approx(CV, rel=0.1)
    assert noise["found_cv"] > 1.5 * true_cv
    error = math.hypot(2 * true_cv * CV, 2 * CV**2) / (2 * true_cv * math.sqrt(voxels))
    assert abs(noise["without_cv"] - true_cv) < 3 * error
    assert error < 0.05 * true_cv
