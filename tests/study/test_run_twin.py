"""The twin as a folder of DICOM: read back by the package's own readers."""

import json

import numpy as np
import pytest

from y90voxel.case.filling_record import read_filling_record
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.errors import InputError
from y90voxel.io.dicom.index import SeriesRole, index_study
from y90voxel.io.dicom.nm import read_nm
from y90voxel.io.dicom.pet import read_pet
from y90voxel.phantoms.filling import filling_of
from y90voxel.phantoms.twin_study import TwinStudy
from y90voxel.study.run_twin import write_twin

TWIN = """
hours = [3, 27]
seed = 4
[filling]
nuclide = "{nuclide}"
[filling.phantom]
kind = "cylinder"
diameter_mm = 60
length_mm = 50
[filling.background]
activity = "40 MBq"
activity_time = 2026-03-02T10:00:00
volume_ml = 141
[camera]
modality = "{modality}"
voxel_mm = [6, 5, 4]
sensitivity = {sensitivity}
noise_cv = 0.1
"""


@pytest.mark.parametrize(
    ("nuclide", "modality", "sensitivity"),
    [("Y-90", "PT", 1.0), ("Ho-166", "NM", 20.0), ("Tc-99m", "NM", 90.0)],
)
def test_the_images_of_a_twin_read_back(run_cli, tmp_path, nuclide, modality, sensitivity):
    description = tmp_path / "twin.toml"
    description.write_text(TWIN.format(nuclide=nuclide, modality=modality, sensitivity=sensitivity))
    assert run_cli("twin", description, "-o", tmp_path / "out").code == 0
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    record = read_filling_record(tmp_path / "out" / "filling.toml")
    assert (
        truth["background_bq_per_ml"] == pytest.approx(40e6 / 141) == filling_of(record).background_bq_per_ml
    )
    series = index_study(tmp_path / "out").with_role(SeriesRole.EMISSION)
    images = sorted(
        ((read_nm if modality == "NM" else read_pet)(s)[0] for s in series), key=lambda i: i.acquisition_start
    )
    assert [i.acquisition_start.isoformat() for i in images] == ["2026-03-02T13:00:00", "2026-03-03T13:00:00"]
    settings = TwinSettings.model_validate({
        "filling": record, "hours": [3, 27], "seed": 4,
        "camera": {"modality": modality, "voxel_mm": [6, 5, 4], "sensitivity": sensitivity, "noise_cv": 0.1},
    })  # fmt: skip
    study = TwinStudy(settings)
    for image, frame in zip(images, study.frames(), strict=True):
        assert (image.modality, image.imaged_nuclide, image.frame_duration_s) == (modality, nuclide, 1800.0)
        assert np.allclose(image.grid.affine, study.grid.affine)
        voxel = study.grid.voxel_volume_ml if modality == "PT" else 1.0
        assert np.abs(image.volume.array / voxel - frame.values).max() < 2e-5 * np.abs(frame.values).max()


def test_a_field_of_view_that_is_stated_is_about_the_origin(tmp_path):
    place = {"field_mm": [40, 60, 80], "shift_mm": [10, 0, 0]}
    grid = TwinStudy(TwinSettings.model_validate({"place": place})).grid
    assert grid.shape == (10, 15, 20)
    assert np.allclose(grid.index_to_lps((4.5, 7, 9.5)), 0)


def test_the_same_seed_gives_the_same_noise(tmp_path):
    settings = {"camera": {"noise_cv": 0.3}, "place": {"field_mm": [20, 20, 20]}, "hours": [1]}
    frames = [
        next(TwinStudy(TwinSettings.model_validate(settings | {"seed": seed})).frames()).values
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(frames[0], frames[1])
    assert not np.allclose(frames[0], frames[2])


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds no results"):
        write_twin(TwinSettings(), tmp_path)
