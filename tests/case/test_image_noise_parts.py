"""Where the noise of an image is known from, what it makes of sums and doses, and what is said; each by hand."""

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case import image_noise as module
from y90voxel.case import noise_marks as marks
from y90voxel.case.image_noise import (
    KnownNoise,
    NoiseSource,
    NoisyImage,
    _mean_in_liver,
    image_noise,
    noise_notices,
    noisy_images,
    statistics,
)
from y90voxel.errors import InputError
from y90voxel.quantification.noise import ImageNoise
from y90voxel.quantification.noise_estimate import NoiseEstimate
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, Mask

GRID = Grid.from_spacing((2, 2, 2), (5.0, 5.0, 8.0))  # 0.2 mL
OTHER = Grid.from_spacing((2, 2, 2), (5.0, 5.0, 8.0), (1.0, 0.0, 0.0))


def liver(share=1.0, grid=GRID, role=Role.LIVER):
    array = np.zeros(grid.shape)
    array[0] = share
    return Regions(grid, (Region("Liver", role, Mask(array, grid)),))


def injection(kind=CountMap, modality="NM", regions=None, grid=GRID, values=None):
    array = np.arange(1.0, 9.0).reshape(grid.shape) if values is None else values
    volume = kind(array, grid)
    return SimpleNamespace(emission=SimpleNamespace(volume=volume, modality=modality), regions=regions)


@dataclass(frozen=True)
class CaseOf:
    injections: tuple
    regions: Regions
    emission_fwhm_mm: float = 10.0


ESTIMATE = NoiseEstimate(0.2, 50.0, 6.0, 80.0)


@pytest.fixture
def estimates(monkeypatch):
    """What uniform liver would show, and what was asked of it."""
    asked = []
    answer = [ESTIMATE]
    monkeypatch.setattr(module, "estimate_noise", lambda *of: asked.append(of) or answer[0])
    return asked, answer


@pytest.mark.parametrize(
    ("kind", "modality", "source", "variance"),
    [
        (CountMap, "NM", "counts", 1.0), (CountMap, "file", "estimated", 2.0), (ActivityMap, "PT", "estimated", 2.0),
        (ActivityMap, "file", "estimated", 2.0),
    ],
)  # fmt: skip
def test_counts_of_a_camera_have_their_own_noise_and_other_images_that_of_their_liver(
    kind, modality, source, variance, estimates
):
    """0.2² · 50 = 2."""
    one = injection(kind, modality)
    found = image_noise(CaseOf((one,), liver()), one, None, 4.0)
    assert (str(found.source), found.noise.variance_per_value) == (source, pytest.approx(variance))
    assert found.is_upper_bound is (source == "estimated")
    assert found.noise.fwhm_mm == (4.0 if source == "counts" else 6.0)
    if source == "estimated":
        assert estimates[0][0][2:] == (10.0, 4.0)


def test_a_correlation_length_that_is_not_stated_is_read_off(estimates):
    one = injection(ActivityMap)
    image_noise(CaseOf((one,), liver()), one)
    assert estimates[0][0][2:] == (10.0, None)
    estimates[1][0] = None
    assert image_noise(CaseOf((one,), liver()), one) is None


def test_regions_on_another_grid_show_no_noise(estimates):
    one, own = injection(ActivityMap), injection(ActivityMap, regions=liver())
    assert image_noise(CaseOf((one,), liver(grid=OTHER)), one) is None
    assert image_noise(CaseOf((own,), liver(grid=OTHER)), own).estimate is ESTIMATE
    assert len(estimates[0]) == 1


def test_a_stated_noise_is_relative_to_the_mean_in_the_liver(estimates):
    """Voxels of 1 to 4 in the liver, half filled: their mean is 2.5; 0.3² · 2.5."""
    one = injection(ActivityMap)
    case = CaseOf((one,), liver(0.5))
    found = image_noise(case, one, 0.3, 4.0)
    assert (found.source, found.noise.variance_per_value) == (NoiseSource.STATED, pytest.approx(0.225))
    assert (found.noise.fwhm_mm, found.is_upper_bound, estimates[0]) == (4.0, False, [])
    with pytest.raises(InputError, match=r"uncertainty\.noise \(0\.3\) is relative to the mean in the liver"):
        _mean_in_liver(one, liver(role=Role.TUMOUR), 0.3)


@pytest.mark.parametrize("injections", [1, 2])
def test_the_scale_of_an_image_is_its_own_activity_over_its_values(injections, monkeypatch):
    """72 Bq of both; 36 counts each. Each of several is quantified alone, here to 18 and 54 Bq."""
    alone = iter((18.0, 54.0))
    monkeypatch.setattr(
        module, "quantify", lambda case: SimpleNamespace(activity=SimpleNamespace(total=next(alone)))
    )
    images = tuple(injection() for _ in range(injections))
    case = CaseOf(images, liver())
    found = noisy_images(case, SimpleNamespace(total=72.0))
    assert [one.bq_per_value for one in found] == ([2.0] if injections == 1 else [0.5, 1.5])
    assert [one.source for one in found] == [NoiseSource.COUNTS] * injections
    assert all(one.regions is case.regions for one in found)


def test_an_image_with_its_own_regions_is_seen_through_them_and_one_without_noise_is_left_out(monkeypatch):
    own = liver(0.5)
    case = CaseOf((injection(regions=own),), liver())
    (found,) = noisy_images(case, SimpleNamespace(total=72.0))
    assert found.regions is own
    monkeypatch.setattr(module, "image_noise", lambda *of: None)
    assert noisy_images(case, SimpleNamespace(total=72.0)) == []


def noisy(value, variance, factor, regions=None):
    values = ActivityMap(np.full(GRID.shape, value), GRID)
    return NoisyImage(values, ImageNoise(variance), factor, regions or liver(0.5))


def test_statistics_of_a_region_are_those_of_its_counts_in_every_image():
    """4 voxels, half filled, of 100 and 9: sums 200 and 18, deviations √(4 · ¼ · 100 · 4) and √(4 · ¼ · 9), times 3 and 20 Bq."""

    def whole(regions):
        return regions.mask_of(Role.LIVER)

    one, other = noisy(100.0, 4.0, 3.0), noisy(9.0, 1.0, 20.0)
    assert statistics([one], whole) == pytest.approx(20.0 / 200.0)
    expected = math.hypot(3.0 * 20.0, 20.0 * 3.0) / (3.0 * 200.0 + 20.0 * 18.0)
    assert statistics([one, other], whole) == pytest.approx(expected)
    unseen = noisy(9.0, 1.0, 20.0, Regions(GRID))
    assert statistics([one, unseen], whole) == pytest.approx(0.1)
    assert statistics([unseen], whole) == statistics([], whole) == 0.0
    assert statistics([noisy(0.0, 4.0, 3.0)], whole) == 0.0
    assert statistics([noisy(100.0, 4.0, 1e-6)], whole) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("stated", "found", "codes"),
    [
        (0.2, [None], []), (None, [None], ["uncertainty-no-statistics"]), (None, ["counts"], []),
        (None, ["estimated", "counts"], ["noise-estimated"]), (None, ["estimated", None], ["uncertainty-no-statistics"]),
        (None, ["estimated", "estimated"], ["noise-estimated"] * 2),
    ],
)  # fmt: skip
def test_noise_that_is_estimated_or_not_known_is_said(stated, found, codes, monkeypatch):
    known = {
        None: None, "counts": KnownNoise(ImageNoise(1.0), NoiseSource.COUNTS),
        "estimated": KnownNoise(ESTIMATE.noise, NoiseSource.ESTIMATED, ESTIMATE),
    }  # fmt: skip
    answers = iter(found)
    monkeypatch.setattr(module, "image_noise", lambda *of: known[next(answers)])
    notices = noise_notices(SimpleNamespace(injections=found), stated)
    assert [notice.code for notice in notices] == codes
    if codes[:1] == ["noise-estimated"]:
        assert "80 mL of uniform liver show, 20 % a voxel, correlated over 6.0 mm" in notices[0].message


@dataclass(frozen=True)
class Metrics:
    name: str
    role: str
    noise: object = None
    mean_gy: float = 100.0


@dataclass(frozen=True)
class Result:
    case: object
    regions: tuple
    activity: object = None
    engine: str = "local"
    notices: tuple = ()

    def dvh(self, name):
        return name

    def with_notices(self, *notices):
        return replace(self, notices=notices)


@pytest.mark.parametrize(
    ("images", "source", "drawn", "expected"),
    [
        (1, "estimated", True, [(0.25, True), (None, True, marks.ELSEWHERE)]),
        (1, "counts", True, [(0.25, False), (None, False, marks.ELSEWHERE)]),
        (0, "counts", True, [(None, False, marks.NOT_KNOWN)] * 2),
        (1, "counts", False, [(0.25, False), (None, False, marks.ELSEWHERE)]),
    ],
)
def test_marks_are_of_liver_and_tumours_where_every_image_has_a_noise(
    images, source, drawn, expected, monkeypatch
):
    asked = []
    one = SimpleNamespace(source=NoiseSource(source))
    monkeypatch.setattr(marks, "noisy_images", lambda *of: asked.append(of[2:]) or [one] * images)
    monkeypatch.setattr(marks, "_damping", lambda evaluation, image: 0.5)
    monkeypatch.setattr(marks, "_noise_cv", lambda images, damping, name: 0.25 if damping == [0.5] else None)
    told = []
    monkeypatch.setattr(
        marks,
        "noise_without_halves",
        lambda dvh, cv, *, upper_bound, reason: told.append((cv, upper_bound, reason)),
    )
    stated = SimpleNamespace(uncertainty=SimpleNamespace(noise=0.3, noise_fwhm_mm=5.0))
    case = SimpleNamespace(
        settings=stated, injections=(None,), regions=liver(role=Role.LIVER if drawn else Role.TUMOUR)
    )
    found = marks.with_noise_marks(Result(case, (Metrics("GTV1", Role.TUMOUR), Metrics("Lung", Role.LUNG))))
    assert asked == [(0.3 if drawn else None, 5.0)]
    assert [notice.code for notice in found.notices] == ["noise-unused"] * (not drawn)
    assert [row[: len(row)] if row[0] is None else row[:2] for row in told] == expected


def test_two_injections_need_the_noise_of_both_images(monkeypatch):
    one = SimpleNamespace(source=NoiseSource.COUNTS)
    told = []
    monkeypatch.setattr(marks, "noisy_images", lambda *of: [one])
    monkeypatch.setattr(
        marks, "noise_without_halves", lambda dvh, cv, *, upper_bound, reason: told.append((cv, reason))
    )
    settings = SimpleNamespace(uncertainty=SimpleNamespace(noise=None, noise_fwhm_mm=None))
    case = SimpleNamespace(settings=settings, injections=(None, None), regions=liver(role=Role.TUMOUR))
    found = marks.with_noise_marks(Result(case, (Metrics("GTV1", Role.TUMOUR),)))
    assert (told, found.notices) == ([(None, marks.NOT_KNOWN)], ())


@pytest.mark.parametrize(("engine", "density"), [("local", None), ("convolution", 1.10), ("density", None)])
def test_dose_in_place_is_as_noisy_as_its_image_and_convolved_dose_less(engine, density, monkeypatch):
    request = SimpleNamespace(nuclide="Y-90", liver_density_g_per_ml=density)
    monkeypatch.setattr(marks, "engine_request", lambda case: request)
    asked = []

    def kernel(*of, **values):
        asked.append((of, values))
        return voxel_kernel("Y-90", (4.8, 4.8, 4.8), "soft_tissue")

    monkeypatch.setattr(marks, "voxel_kernel", kernel)
    found = marks._damping(SimpleNamespace(case=None, engine=engine), noisy(1.0, 1.0, 1.0))
    if engine == "local":
        assert (found, asked) == (1.0, [])
    else:
        assert found == pytest.approx(0.46, abs=0.005)
        assert asked == [(("Y-90", GRID.spacing_mm, "liver"), {"density_g_per_ml": density or 1.05})]


def test_the_mean_of_an_image_over_a_region_weighs_by_its_share():
    """Voxels of 1 to 4, the first two half filled."""
    share = np.array([[[0.5, 0.5], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    image = replace(noisy(1.0, 1.0, 1.0), values=ActivityMap(np.arange(1.0, 9.0).reshape(GRID.shape), GRID))
    assert marks._mean_in(image, Mask(share, GRID)) == pytest.approx((0.5 + 1.0 + 3.0 + 4.0) / 3.0)
    assert marks._mean_in(image, Mask(0.1 * share, GRID)) == pytest.approx(8.5 / 3.0)
    far = Grid.from_spacing((2, 2, 2), (5.0, 5.0, 8.0), (900.0, 0.0, 0.0))
    assert marks._mean_in(image, Mask(np.ones(far.shape), far)) == 0.0


def test_noise_of_a_dose_is_told_at_activities_far_below_one():
    """10 counts of 1e-9 Bq in 0.2 mL: 1/√10."""
    image = noisy(10.0, 1.0, 1e-9)
    assert marks._noise_cv([image], [1.0], "Liver") == pytest.approx(10.0**-0.5)
    assert marks._noise_cv([image], [1.0], "GTV1") is None
    assert marks._noise_cv([noisy(0.0, 1.0, 1.0)], [1.0], "Liver") is None


@pytest.mark.parametrize(
    ("noises", "told", "most"),
    [
        ([None], [], False), ([{}], [], False), ([{"d98_gy": -3.0}], ["GTV1"], False),
        ([{"d98_gy": -1.0}, {"d98_gy": -3.0, "bound": True}], ["GTV2"], True),
        ([{"d98_gy": -3.0}, {"d98_gy": -1.0, "bound": True}], ["GTV1"], False),
        ([{"d98_gy": -3.0, "bound": True}, {"d98_gy": -3.0}], ["GTV1", "GTV2"], True),
    ],
)  # fmt: skip
def test_expected_biases_are_told_of_tumours_and_as_bounds_where_one_is(noises, told, most):
    def noise(bias):
        if bias is None:
            return None
        gy = {key: value for key, value in bias.items() if key != "bound"}
        return SimpleNamespace(bias_gy=gy, upper_bound=bias.get("bound", False))

    regions = [Metrics(f"GTV{n}", Role.TUMOUR, noise(bias)) for n, bias in enumerate(noises, 1)]
    body = Metrics("Body", Role.BODY, noise({"d98_gy": -50.0}))
    notices = marks._notices([*regions, body])
    assert len(notices) == bool(told)
    message = "".join(notice.message for notice in notices)
    assert [name for name in ("GTV1", "GTV2", "Body") if name in message] == told
    assert ("at most, for the noise is an upper bound" in message) is most
