"""Thresholds of commissioning from both sides: signal of spheres, places, background, and a recovery that no curve follows."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from twin_images import images, study, true_centres

from y90voxel.case.filling_record import read_filling_record
from y90voxel.errors import InputError
from y90voxel.phantoms import commissioning, phantom_finding, phantom_measures
from y90voxel.phantoms.commissioning import commission
from y90voxel.phantoms.phantom_finding import LEAST_SIGNAL, PLACE_TOLERANCE_MM, find_spheres, found_at
from y90voxel.phantoms.phantom_image import image_at_filling
from y90voxel.phantoms.phantom_measures import (
    BODY_LEVEL,
    LEAST_MARGIN_MM,
    LEAST_SPOTS,
    MARGIN_FWHM,
    measure_background,
)
from y90voxel.volumes.grid import Grid


@lru_cache
def twin():
    """The phantom without noise, its image, and what is found in it."""
    made = study()
    image = image_at_filling(images(made)[0], made.filling)
    return made, image, find_spheres(image.values, image.grid, made.layout)


def found_with(monkeypatch, **changed):
    """What is found where the fit of the spheres says something else."""
    made, image, found = twin()
    model = replace(found.model, **changed)
    monkeypatch.setattr(phantom_finding, "fit_sphere_model", lambda *_, **__: model)
    return found_at(image.values, image.grid, made.layout, true_centres(made), found.pose)


def signals(least, count=1):
    """Signals of the spheres, some of them weak."""
    return np.array([least] * count + [50.0] * (6 - count))


@pytest.mark.parametrize(("over", "placed"), [(0.01, False), (-0.01, True)])
def test_a_sphere_is_found_by_itself_above_four_standard_errors(monkeypatch, over, placed):
    found = found_with(monkeypatch, signals=signals(LEAST_SIGNAL + over))
    assert [sphere.placed for sphere in found.spheres] == [placed] + [False] * 5


@pytest.mark.parametrize(("off_mm", "placed"), [(-0.1, False), (0.1, True)])
def test_a_sphere_that_the_fit_carries_away_is_placed(monkeypatch, off_mm, placed):
    made, _, _ = twin()
    centres = [np.array(centre) for centre in true_centres(made)]
    centres[0] = centres[0] + np.array([0.0, 0.0, PLACE_TOLERANCE_MM + off_mm])
    found = found_with(monkeypatch, centres_mm=tuple(centres))
    assert found.spheres[0].placed is placed


def test_three_spheres_place_the_others_and_two_do_not(monkeypatch):
    found = found_with(monkeypatch, signals=signals(1.0, 3))
    assert [sphere.placed for sphere in found.spheres] == [True] * 3 + [False] * 3
    for sphere, centre in zip(found.spheres, true_centres(twin()[0]), strict=True):
        assert np.linalg.norm(sphere.centre_mm - centre) < 0.3
    with pytest.raises(InputError, match="only 2 of 6 spheres stand out from the noise"):
        found_with(monkeypatch, signals=signals(1.0, 4))


# background

LINE = Grid.from_spacing((60, 60, 60), (2.0, 2.0, 2.0))


def region_of(fwhm_mm, image=None):
    """The background of a cube that fills the image."""
    made, _, _ = twin()
    cube = np.ones(LINE.shape) if image is None else image
    return measure_background(cube, LINE, made.layout, None, 1.0, fwhm_mm)


@pytest.mark.parametrize(
    "fwhm_mm", [LEAST_MARGIN_MM / MARGIN_FWHM - 1.0, LEAST_MARGIN_MM / MARGIN_FWHM + 2.0]
)
def test_background_keeps_1_3_widths_and_10_mm_from_the_edges(fwhm_mm):
    margin = max(LEAST_MARGIN_MM, MARGIN_FWHM * fwhm_mm)
    inside = region_of(fwhm_mm).region[30, 30]
    depth_mm = 2.0 * (1 + np.arange(30))  # of voxels from the edge of the image, which is one too
    assert list(inside[:30]) == list(depth_mm > margin)


@pytest.mark.parametrize(("level", "inside"), [(BODY_LEVEL + 0.02, True), (BODY_LEVEL - 0.02, False)])
def test_half_of_the_level_of_the_background_is_body(level, inside):
    image = np.ones(LINE.shape)
    image[:, :, 30:] = level
    part = region_of(4.0, image).region[30, 30, 30:]
    assert part[18] == inside


def test_background_keeps_its_margin_from_spheres_and_no_more():
    made, image, found = twin()
    measured = measure_background(
        image.values, image.grid, made.layout, found, made.filling.background_bq_per_ml, 8.0
    )
    points, margin = image.grid.index_to_lps(np.argwhere(measured.region)), MARGIN_FWHM * 8.0
    for sphere in found.spheres:
        least = np.linalg.norm(points - sphere.centre_mm, axis=1).min() - 0.5 * sphere.diameter_mm
        assert margin < least < margin + 2.0 * max(image.grid.spacing_mm)


@pytest.mark.parametrize(("number", "enough"), [(LEAST_SPOTS, True), (LEAST_SPOTS - 1, False)])
def test_a_spread_needs_six_balls_of_background(number, enough):
    region = np.zeros((20, 20, 20 * number), bool)
    for k in range(number):
        region[4:16, 4:16, 20 * k + 4 : 20 * k + 16] = True
    centres, diameter = phantom_measures._spots(region, Grid.from_spacing(region.shape, (2.0, 2.0, 2.0)))
    assert (len(centres), diameter) == ((number, 22.0) if enough else (0, None))


# recovery and record


def test_recovery_that_falls_with_size_is_said_and_has_no_curve(monkeypatch):
    """Spheres measured in the wrong order: recovery of the largest is that of the smallest."""
    made, _, _ = twin()
    plain = commissioning.measure_acquisition

    def reversed_recovery(*given):
        measured = plain(*given)
        values = [one.recovery for one in measured.spheres][::-1]
        spheres = tuple(
            replace(one, recovery=value) for one, value in zip(measured.spheres, values, strict=True)
        )
        return replace(measured, spheres=spheres)

    good = commission(images(made), made.settings.filling)
    assert "recovery-not-fitted" not in {notice.code for notice in good.notices}
    monkeypatch.setattr(commissioning, "measure_acquisition", reversed_recovery)
    result = commission(images(made), made.settings.filling)
    (notice,) = (notice for notice in result.notices if notice.code == "recovery-not-fitted")
    assert "recovery does not grow with volume" in notice.message
    assert result.recovery_fit is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"yesterday"', "no time of day"),
        ("5", "no time of day"),
        ("2026-03-02", "'2026-03-02' has no time of day"),
        ("10:00:00", "not a time"),
        ("true", "not a time"),
        ('"2026-13-02T10:00"', "not a time"),
        ('"2026-03-02T25:00"', "not a time"),
    ],
)
def test_what_is_no_time_of_a_filling_record_is_named(tmp_path, written, message):
    record = tmp_path / "filling.toml"
    record.write_text(
        f'nuclide = "Y-90"\n[spheres]\nactivity = "120 MBq"\nactivity_time = {written}\nvolume_ml = 60\n'
    )
    with pytest.raises(InputError, match=f"spheres.activity_time = .*{message}"):
        read_filling_record(record)
    record.write_text(record.read_text().replace(written, '"2026-03-02T10:00"'))
    assert read_filling_record(record).spheres.activity_time.hour == 10
