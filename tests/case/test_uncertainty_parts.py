"""What the uncertainty of a region's mean is made of, and what is said of it, each fact with and without."""

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import dose_uncertainty as module
from y90voxel.case.dose_uncertainty import (
    _mask_named,
    _noise_in_words,
    _statement,
    _unused_notices,
    _with_budget,
    with_uncertainty,
)
from y90voxel.case.image_noise import NoiseSource
from y90voxel.case.uncertainty_inputs import UncertaintyInputs
from y90voxel.errors import Notice
from y90voxel.quantification.calibration import CalibrationMode, CalibrationRegion
from y90voxel.quantification.partial_volume import RecoveryFit
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import Mask

INPUTS = UncertaintyInputs(10.0, 4.0, 8.0, samples=60, seed=3, registration_mm=2.0)
CURVE = RecoveryFit(1.5, 1.0, np.diag([0.01, 0.0]))


@dataclass(frozen=True)
class Metrics:
    name: str = "GTV1"
    role: Role = Role.TUMOUR
    volume_ml: float = 10.0
    mean_gy: float = 100.0
    relative_uncertainty: float | None = None
    partial_volume: object = None
    uncertainty: object = None


@dataclass(frozen=True)
class Result:
    case: object
    regions: tuple = ()
    notices: tuple = ()
    activity: object = None
    uncertainty: object = None
    calibration_spread: object = None
    lung: object = None

    def with_notices(self, *notices):
        return replace(self, notices=notices)


def result(*regions, mode="relative", region="liver", injections=1):
    calibration = SimpleNamespace(mode=CalibrationMode(mode), region=CalibrationRegion(region))
    return Result(SimpleNamespace(calibration=calibration, injections=(None,) * injections), regions)


def image(source="counts"):
    return SimpleNamespace(source=NoiseSource(source))


@pytest.fixture
def budget(monkeypatch):
    """A budget of 0.3, and what it was made of."""
    asked = []

    def made(*sizes, **values):
        asked.append((sizes, values))
        return SimpleNamespace(relative=0.3)

    monkeypatch.setattr(module, "dose_uncertainty", made)
    monkeypatch.setattr(module, "statistics", lambda images, mask_in: 0.01 * len(images))
    return asked


def test_a_budget_is_of_the_sphere_the_contour_and_the_calibration(budget):
    """10 mL are a sphere of 26.73 mm."""
    _with_budget(result(Metrics()), Metrics(), INPUTS, [image()], 0.07, None)
    ((sizes, values),) = budget
    assert sizes == (pytest.approx(2.0 * (3.0 * 10000.0 / (4.0 * math.pi)) ** (1 / 3)), 4.0, 8.0)
    assert (values["activity"], values["statistics"], values["emission_fwhm_mm"]) == (0.07, 0.01, 10.0)
    assert (values["recovery_b1_ml"], values["recovery_b2"], values["recovery_fit"]) == (None, None, 0.0)
    around = values["surroundings"]
    assert (around.is_blurred, around.is_corrected, around.is_calibrated_over) == (True, False, False)


def test_a_curve_of_recovery_brings_its_own_uncertainty(budget):
    """R = 10 / 11.5; ∂R/∂b1 = −R (1 − R) / b1, and b1 is known to 0.1 mL."""
    _with_budget(result(), Metrics(), replace(INPUTS, recovery=CURVE), [], 0.07, None)
    values = budget[0][1]
    r = 10.0 / 11.5
    assert (values["recovery_b1_ml"], values["recovery_b2"]) == (1.5, 1.0)
    assert values["recovery_fit"] == pytest.approx((1.0 - r) / 1.5 * 0.1)
    assert values["surroundings"].is_blurred is False


@pytest.mark.parametrize(
    ("role", "mode", "region", "expected"),
    [
        (Role.LIVER, "relative", "liver", True), (Role.NON_TUMOUR_LIVER, "relative", "liver", True),
        (Role.TUMOUR, "relative", "liver", False), (Role.LIVER, "relative", "fov", False),
        (Role.LIVER, "absolute", "liver", False), (Role.TUMOUR, "absolute", "fov", False),
    ],
)  # fmt: skip
def test_a_liver_is_calibrated_over_where_its_counts_are(role, mode, region, expected, budget):
    _with_budget(result(mode=mode, region=region), Metrics(role=role), INPUTS, [], 0.07, None)
    assert budget[0][1]["surroundings"].is_calibrated_over is expected


@pytest.mark.parametrize(
    ("partial", "is_corrected", "middle", "about"),
    [
        (None, False, 100.0, "blurred mean"), ((0.5, 160.0), True, 160.0, "mean corrected by recovery"),
        ((None, None), False, 100.0, "blurred mean"), ((None, 160.0), False, 160.0, "mean corrected by recovery"),
    ],
)  # fmt: skip
def test_an_interval_is_about_the_corrected_mean_where_there_is_one(
    partial, is_corrected, middle, about, budget
):
    """√(0.3² + 0.4²) = 0.5; the log-normal factor of two is exp(2 √ln 1.25)."""
    found = partial and SimpleNamespace(recovery=partial[0], mean_corrected_gy=partial[1])
    one = Metrics(relative_uncertainty=0.4, partial_volume=found)
    metrics = _with_budget(result(one), one, INPUTS, [image()], 0.07, None)
    factor = math.exp(2.0 * math.sqrt(math.log(1.25)))
    told = metrics.uncertainty
    assert (told.low_gy, told.high_gy) == (pytest.approx(middle / factor), pytest.approx(middle * factor))
    assert (metrics.relative_uncertainty, told.simulation, told.interval_of) == (
        pytest.approx(0.5),
        0.4,
        about,
    )
    assert budget[0][1]["surroundings"].is_corrected is is_corrected


@pytest.mark.parametrize(("images", "known"), [(2, True), (1, False), (0, False)])
def test_statistics_are_known_where_every_image_has_a_noise(images, known, budget):
    one = Metrics(mean_gy=-1.0)
    metrics = _with_budget(result(injections=2), one, INPUTS, [image()] * images, 0.07, None)
    told = metrics.uncertainty
    assert told.statistics_known is known
    assert (told.sampled_low_gy, told.sampled_high_gy) == (None, None)
    assert (told.low_gy, metrics.relative_uncertainty) == (0.0, pytest.approx(0.3))
    band = SimpleNamespace(mean_low_gy=1.0, mean_high_gy=2.0)
    told = _with_budget(result(injections=2), one, INPUTS, [], 0.07, band).uncertainty
    assert (told.sampled_low_gy, told.sampled_high_gy) == (1.0, 2.0)


def test_the_contour_of_the_calibration_is_no_part_of_the_liver_itself(monkeypatch):
    asked, seen = [], []
    monkeypatch.setattr(
        module, "complete_inputs", lambda case, given: asked.append(given) or (INPUTS, [Notice("a", "b")])
    )
    monkeypatch.setattr(
        module, "noisy_images", lambda *of: seen.append(of[2:]) or [image("counts"), image("estimated")]
    )
    monkeypatch.setattr(module, "_calibration_uncertainty", lambda *of: 0.03)
    monkeypatch.setattr(module, "_contour_of_calibration", lambda *of: 0.04)
    monkeypatch.setattr(module, "sample_bands", lambda *of: ({"GTV1": "band"}, [Notice("c", "d")]))
    monkeypatch.setattr(
        module,
        "_with_budget",
        lambda evaluation, metrics, inputs, images, calibration, band: (calibration, band),
    )
    roles = (Role.LIVER, Role.NON_TUMOUR_LIVER, Role.TUMOUR)
    found = with_uncertainty(
        result(*(Metrics("GTV1" if role is Role.TUMOUR else role.value, role) for role in roles))
    )
    assert found.regions == ((0.03, None), (0.03, None), (pytest.approx(0.05), "band"))
    assert (asked, seen) == ([{}], [(None, 0.0)])
    assert [notice.code for notice in found.notices] == ["a", "c"]
    assert found.uncertainty.inputs["noise_source"] == ["counts", "estimated"]
    with_uncertainty(result(), {"samples": 40})
    assert asked[1] == {"samples": 40}
    monkeypatch.setattr(module, "noisy_images", lambda *of: [])
    assert with_uncertainty(result()).uncertainty.inputs["noise_source"] is None


EVERY = ("activity", "residual", "lung_shunt", "calibration", "density", "decay", "noise")


@pytest.mark.parametrize(
    ("mode", "given", "words"),
    [
        ("relative", EVERY, "uncertainty.calibration (the calibration is relative), uncertainty.density (of plans alone)."),
        ("absolute", EVERY, "uncertainty.activity (the calibration is absolute), uncertainty.residual (the calibration is "
         "absolute), uncertainty.lung_shunt (the calibration is absolute), uncertainty.density (of plans alone)."),
        ("factor", ("calibration", "residual"), "uncertainty.residual (the calibration is factor)."),
        ("relative", ("activity", "residual", "lung_shunt", "decay"), None), ("absolute", ("calibration",), None),
        ("relative", (), None),
    ],
)  # fmt: skip
def test_uncertainties_that_are_no_part_of_a_dose_are_listed(mode, given, words):
    """One of 0 was given too."""
    values = dict.fromkeys(EVERY) | dict.fromkeys(given, 0.0)
    notices = _unused_notices(CalibrationMode(mode), values)
    assert [notice.code for notice in notices] == ["uncertainty-unused"] * (words is not None)
    if words:
        assert notices[0].message == f"given and not used for the uncertainties of this dose: {words}"


def test_a_mask_is_found_by_its_name():
    grid = Grid.from_spacing((1, 1, 2), (1.0, 1.0, 1.0))
    masks = [Mask(np.array([[row]]), grid) for row in ([1.0, 0.0], [0.0, 1.0])]
    regions = Regions(
        grid, tuple(Region(name, Role.TUMOUR, mask) for name, mask in zip("AB", masks, strict=True))
    )
    assert [_mask_named(regions, name) for name in "ABC"] == [*masks, None]


@pytest.mark.parametrize(
    ("mode", "source"), [("relative", "net activity, residual, lung shunt"), ("absolute", "calibration")]
)
def test_the_statement_names_what_activity_hangs_on(mode, source):
    """√(16/6 + 64/(4 ln 2)) = 5.1 mm."""
    first, second, third, last = _statement(result(mode=mode), INPUTS, [image()], 0.07)
    assert first == "Bands hold 95 % at each dose by itself, from 60 samples (seed 3)."
    assert f"activity 7 % ({source}" in second
    assert "5.1 mm of diameter" in second
    assert third.startswith(
        "Not in them: activity that blur carries out of or into a region, breathing, densities,"
    )
    assert "48 realisations in turn" in last
    assert "realisations" not in _statement(result(), INPUTS, [], 0.07)[3]


@pytest.mark.parametrize(
    ("sources", "stated", "length_mm", "words"),
    [
        ((), None, 0.0, "no noise, for that of the image is not known"),
        (("counts", "estimated"), None, 0.0, "noise of the image as uniform liver shows it, an upper bound"),
        (("counts",), None, 0.0, "noise of the image, its voxels taken as counts"),
        (("counts",), None, 8.0, "noise of the image, its voxels taken as counts correlated over 8 mm"),
        (("stated",), 0.2, 0.0, "noise of the image, 20 % a voxel of liver"),
        (("stated",), 0.2, 8.0, "noise of the image, 20 % a voxel of liver correlated over 8 mm"),
    ],
)
def test_noise_is_told_by_its_source(sources, stated, length_mm, words):
    inputs = replace(INPUTS, noise=stated, noise_fwhm_mm=length_mm)
    assert _noise_in_words(inputs, [image(source) for source in sources]) == words


def test_what_nobody_states_is_assumed_as_said():
    """5 % of the activity, 3 % residual, 30 % of the shunt, 5 % of an absolute calibration; nothing of decay and density."""
    found = UncertaintyInputs(10.0, 4.0, 8.0)
    assert (found.activity, found.residual, found.lung_shunt, found.calibration) == (0.05, 0.03, 0.30, 0.05)
    assert (found.decay, found.density, found.noise, found.recovery, found.seed) == (0.0, 0.0, None, None, 0)
