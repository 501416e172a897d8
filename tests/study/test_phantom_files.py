"""Corrections that settings ask for, and the scanner file of a run: made where they are described, else nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.quantification.emission import EmissionImage, Reconstruction
from y90voxel.quantification.scanner import Scanner
from y90voxel.study import use_scanner as module
from y90voxel.study.phantom_files import dead_time_of, deconvolution_of, recovery_curve
from y90voxel.study.study import Study
from y90voxel.study.use_scanner import UsedScanner, use_scanner
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap


def settings(**tables):
    return load_settings(None, tables)


def test_a_dead_time_is_in_seconds(tmp_path):
    assert dead_time_of(settings()) is None
    found = dead_time_of(settings(dead_time={"time_constant_us": 5.0, "observed_rate_cps": 900.0}))
    assert (found.time_constant_s, found.observed_cps, found.curve) == (pytest.approx(5e-6), 900.0, None)
    table = tmp_path / "curve.csv"
    table.write_text("observed_cps,true_cps\n0,0\n1000,1100\n2000,2500\n")
    by_curve = dead_time_of(settings(dead_time={"curve": str(table)}))
    assert (by_curve.time_constant_s, by_curve.curve.name) == (None, "curve.csv")
    with pytest.raises(InputError, match="needs either a time constant"):
        dead_time_of(settings(dead_time={"observed_rate_cps": 900.0}))


@pytest.mark.parametrize(
    ("table", "found"),
    [({}, None), ({"fwhm_mm": 6.0}, None), ({"fwhm_mm": 6.0, "method": "richardson-lucy", "iterations": 7}, (6.0, 7))],
)  # fmt: skip
def test_a_deconvolution_is_one_where_a_method_is_asked_for(table, found):
    made = deconvolution_of(settings(partial_volume=table))
    assert (None if made is None else (made.fwhm_mm, made.iterations)) == found


def test_a_recovery_curve_is_that_of_the_table(tmp_path):
    assert recovery_curve(settings()) is None
    with pytest.raises(InputError, match=r"none\.csv"):
        recovery_curve(settings(partial_volume={"recovery": str(tmp_path / "none.csv")}))


@pytest.fixture
def scanner(tmp_path):
    for name in ("scanner.toml", "recovery.csv"):
        (tmp_path / name).write_text(name)
    return Scanner(
        tmp_path / "scanner.toml", "Y-90", "NM", Reconstruction(), (4.0, 4.0, 4.0), 20.0,
        relative_uncertainty=0.03, recovery_file=tmp_path / "recovery.csv", volumes_ml=(0.5, 26.5),
    )  # fmt: skip


GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
IMAGE = EmissionImage(CountMap(np.ones((2, 2, 2)), GRID), "NM", "Y-90", frame_duration_s=10.0)
STUDY = Study("S", (IMAGE, replace(IMAGE)), (), None, None, StudyIdentity(), (), ({"role": "emission"},), ())


def test_without_a_scanner_file_nothing_changes():
    given = settings()
    assert use_scanner(given) == (given, UsedScanner())
    assert UsedScanner().checked(STUDY) is STUDY


@pytest.mark.parametrize("recovery", [True, False])
def test_the_files_of_a_scanner_are_inputs_and_its_notices_are_said_once(scanner, recovery):
    used = UsedScanner(scanner if recovery else replace(scanner, recovery_file=None))
    found = used.checked(STUDY)
    roles = [item["role"] for item in found.inputs]
    assert roles == ["emission", "scanner", *(["recovery"] if recovery else [])]
    assert len({notice.message for notice in found.notices}) == len(found.notices) > 0
    with pytest.raises(InputError, match="Ho-166"):
        UsedScanner(replace(scanner, nuclide="Ho-166")).checked(STUDY)


@pytest.mark.parametrize("dead_time", [None, {"observed_rate_cps": 900.0}])
def test_rate_and_duration_of_the_image_are_as_stated(scanner, monkeypatch, dead_time):
    monkeypatch.setattr(module, "read_scanner", lambda path: scanner)
    dose = {"calibration_region": "body", "acquisition_duration_s": 600.0}
    given = settings(scanner=str(Path("s.toml")), dose=dose, dead_time=dead_time)
    made, used = use_scanner(given)
    assert (used.rate_cps, used.duration_s) == (None if dead_time is None else 900.0, 600.0)
    assert made.dose.calibration_factor == 20.0
