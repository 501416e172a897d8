"""Two halves of an image: what noise does to histograms before and after, and what is no pair of halves."""

from dataclasses import replace

import numpy as np
import pytest
from phantoms import ellipsoid, liver_case
from scipy.ndimage import gaussian_filter, shift

from y90voxel.case import halves as module
from y90voxel.case.halves import check_halves, with_halves
from y90voxel.case.verify import verify
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.metrics.region_noise import EXCEEDS, Tails
from y90voxel.reference.voxel_kernel import voxel_kernel
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap

LOCAL = LocalDeposition("Y-90")
CONVOLUTION = KernelConvolution(voxel_kernel("Y-90", (4.0, 4.0, 4.0), "liver"))
# A tumour of 65 mL, large enough for a histogram of its own.
RADIUS = 25.0


def phantom(counts_a_voxel):
    """A liver with texture of its own and a large tumour, seen by a camera of 10 mm FWHM; expected counts of a voxel."""
    case = liver_case(lungs=False)
    texture = gaussian_filter(np.random.default_rng(11).standard_normal(case.grid.shape), 12.0 / 2.3548 / 4.0)
    texture = 1.0 + 0.2 * texture / texture.std()
    liver = next(r for r in case.regions.drawn if r.name == "Liver")
    tumour = replace(case.regions["GTV1"], mask=ellipsoid(case.grid, (10, 0, -28), (RADIUS,) * 3))
    expected = np.maximum(texture, 0.1) * (liver.mask.array + 3.0 * tumour.mask.array) * counts_a_voxel
    expected = gaussian_filter(expected, 10.0 / 2.3548 / 4.0)
    regions = replace(case.regions, drawn=(liver, tumour))
    return with_image(replace(case, regions=regions), expected), expected


def with_image(case, counts):
    injection = case.injections[0]
    emission = replace(injection.emission, volume=CountMap(counts, case.grid))
    return replace(case, injections=(replace(injection, emission=emission),))


def scanned(case, expected, seed=0):
    """What a camera gets: two Poisson halves, and their sum as the image."""
    rng = np.random.default_rng(seed)
    a, b = (rng.poisson(0.5 * expected).astype(float) for _ in range(2))
    whole = with_image(case, a + b)
    emission = whole.injections[0].emission
    return whole, tuple(replace(emission, volume=CountMap(half, case.grid)) for half in (a, b))


@pytest.mark.parametrize(
    ("engine", "noise"), [(LOCAL, 0.1), (CONVOLUTION, 0.1), (CONVOLUTION, 0.3), (CONVOLUTION, 0.6)]
)
def test_bias_of_a_poisson_phantom_before_and_after(engine, noise):
    """Noise of 10 to 60 % a voxel of liver: D98 of the tumour 298 Gy, found 265 at 60 %, corrected 302.

    Without halves the expected bias is printed: the number found less it is as near to the truth as the corrected one. The
    long tail of liver beside the tumour (D2) keeps its shape and is corrected too far, +17 to −14 Gy at 60 %.
    """
    case, expected = phantom(1.0 / noise**2)
    true = verify(case, engine)
    whole, halves = scanned(case, expected)
    marked = verify(whole, engine)
    corrected = with_halves(marked, engine, halves)
    for name in ("GTV1", "non-tumour liver"):
        exact, found, after = (one.region(name) for one in (true, marked, corrected))
        assert found.mean_gy == pytest.approx(exact.mean_gy, rel=0.01)
        assert found.d_gy[70] == pytest.approx(exact.d_gy[70], rel=0.02 + 0.1 * noise)
        assert (found.noise.tails, after.noise.tails) == (Tails.MARKED, Tails.CORRECTED)
        assert after.noise.without_cv == pytest.approx(exact.sd_gy / exact.mean_gy, rel=0.04)
        assert found.noise.noise_cv == pytest.approx(after.noise.noise_cv, rel=0.06)
        for percent in (98, 95, 2):
            before = abs(found.d_gy[percent] - exact.d_gy[percent])
            less_bias = found.d_gy[percent] - found.noise.bias_gy[f"d{percent}_gy"]
            share = 1.0 if (name, percent) == ("non-tumour liver", 2) else 0.4
            for better in (after.noise.d_gy[percent], less_bias):
                assert abs(better - exact.d_gy[percent]) < max(share * before, 0.03 * exact.mean_gy)


def test_what_was_found_stays_and_the_corrected_stands_beside_it():
    case, expected = phantom(10.0)
    whole, halves = scanned(case, expected)
    plain = verify(whole, LOCAL)
    found = with_halves(plain, LOCAL, halves)
    assert found.dose is plain.dose
    assert [m.d_gy for m in found.regions] == [m.d_gy for m in plain.regions]
    entry = found.region("GTV1").as_dict()["noise"]
    assert entry["tails"] == "corrected"
    assert entry["corrected"]["d98_gy"] > found.region("GTV1").d_gy[98]
    assert entry["corrected"]["v_percent"]["50"] == pytest.approx(found.region("GTV1").noise.v_percent[50])
    said = {notice.code: notice.message for notice in found.notices}
    assert "blur is not" in said["noise-corrected"]
    assert "noise-tails" not in said
    assert "noise-tails" in {notice.code for notice in plain.notices}


def test_halves_of_unequal_length_and_unit_are_brought_to_one_strength():
    """A quarter and three quarters of the counts, and one of them in another unit: the same correction to its accuracy."""
    case, expected = phantom(40.0)
    rng = np.random.default_rng(1)
    a, b = (rng.poisson(share * expected).astype(float) for share in (0.25, 0.75))
    whole = with_image(case, a + b)
    emission = whole.injections[0].emission
    halves = tuple(replace(emission, volume=CountMap(v, case.grid)) for v in (a, 7.0 * b))
    true = verify(case, LOCAL).region("GTV1")
    found = with_halves(verify(whole, LOCAL), LOCAL, halves).region("GTV1")
    assert found.noise.d_gy[98] == pytest.approx(true.d_gy[98], abs=0.04 * true.mean_gy)


def test_a_region_of_few_places_is_marked_and_not_corrected(monkeypatch):
    case, expected = phantom(10.0)
    whole, halves = scanned(case, expected)
    plain = verify(whole, LOCAL)
    voxels = plain.region("GTV1").volume_ml / case.grid.voxel_volume_ml
    monkeypatch.setattr(module, "LEAST_PLACES", voxels * 1.01)  # white noise in place: each voxel is one
    noise = with_halves(plain, LOCAL, halves).region("GTV1").noise
    assert noise.d_gy is None
    assert noise.tails is Tails.MARKED
    assert "independent places" in noise.reason
    assert noise.bias_gy["d98_gy"] < 0.0
    monkeypatch.setattr(module, "LEAST_PLACES", voxels * 0.99)
    assert with_halves(plain, LOCAL, halves).region("GTV1").noise.d_gy is not None


def test_noise_beyond_the_spread_corrects_nothing_and_says_so():
    """A uniform liver: all of the spread is noise, and the covariance is as often below zero as above."""
    case = liver_case(lungs=False)
    expected = 10.0 * case.regions["Liver"].mask.array
    core = replace(case.regions["GTV1"], mask=ellipsoid(case.grid, (10, 0, -28), (RADIUS,) * 3))
    case = with_image(
        replace(case, regions=replace(case.regions, drawn=(case.regions["Liver"], core))), expected
    )
    reasons = []
    for seed in range(6):
        whole, halves = scanned(case, expected, seed)
        noise = with_halves(verify(whole, LOCAL), LOCAL, halves).region("GTV1").noise
        reasons.append(noise.reason)
        if noise.reason is None:
            assert noise.without_cv < 0.4 * noise.found_cv
        else:
            assert noise.d_gy is None
    assert EXCEEDS in reasons


def refused(case, halves, message):
    with pytest.raises(InputError, match=message):
        check_halves(case, halves)


def test_gates_are_refused():
    case, expected = phantom(10.0)
    whole, halves = scanned(case, expected)
    check_halves(whole, halves)
    gate = replace(halves[1], gate="SeriesType GATED, IMAGE")
    refused(
        whole, (halves[0], gate), "half B is a gate of the breathing or heart cycle .SeriesType GATED, IMAGE."
    )


@pytest.mark.parametrize(("mm", "allowed"), [(2.85, True), (3.15, False)])
def test_halves_of_two_breathing_states_are_refused(mm, allowed):
    """Gates in files say nothing of it; their livers lie apart."""
    case, expected = phantom(200.0)
    _, (a, b) = scanned(case, expected)
    moved = replace(b, volume=CountMap(shift(b.volume.array, (mm / 4.0, 0, 0), order=1), case.grid))
    whole = with_image(case, a.volume.array + moved.volume.array)
    if allowed:
        check_halves(whole, (a, moved))
    else:
        refused(whole, (a, moved), "show two breathing states: .* more than 3 mm")


def test_what_does_not_make_up_the_image_is_refused():
    case, expected = phantom(10.0)
    whole, (a, b) = scanned(case, expected)
    refused(whole, (a, a), "are the same image")
    first = replace(whole, injections=(replace(whole.injections[0], emission=a),))
    refused(first, (a, b), "do not make up the emission image: .* by 1.00 of half")
    other = scanned(case, expected, seed=9)[0]
    refused(other, (a, b), "do not make up the emission image")


@pytest.mark.parametrize(("part", "dtype"), [(0.3, np.float64), (0.3, np.float32), (0.7, np.uint16)])
def test_one_image_at_two_scales_is_no_pair_of_halves(part, dtype):
    """Rounded apart by a factor, by single precision or by the 16 bits of a file."""
    case, expected = phantom(10.0)
    whole = scanned(case, expected)[0]
    emission = whole.injections[0].emission
    image = emission.volume.array
    stored = image * (part * 6e4 / image.max() if dtype is np.uint16 else part)
    halves = (
        np.round(stored).astype(dtype) if dtype is np.uint16 else stored.astype(dtype),
        (1 - part) * image,
    )
    refused(
        whole, tuple(replace(emission, volume=CountMap(v, case.grid)) for v in halves), "are the same image"
    )


@pytest.mark.parametrize(("apart", "allowed"), [(0.9e-3, False), (1.1e-3, True)])
def test_images_that_differ_by_a_thousandth_of_their_spread_are_two(apart, allowed):
    """Counts moved from voxel to voxel: the halves hold alike, and make up the image."""
    case, expected = phantom(10.0)
    moved = np.random.default_rng(5).standard_normal(expected.shape)
    moved = (moved - moved.mean()) * (expected > 5.0)
    moved[expected > 5.0] -= moved[expected > 5.0].mean()
    moved *= 0.5 * apart * expected.std() / moved.std()
    emission = case.injections[0].emission
    halves = tuple(replace(emission, volume=CountMap(expected + s * moved, case.grid)) for s in (1.0, -1.0))
    if allowed:
        check_halves(case, halves)
    else:
        refused(case, halves, "are the same image")


@pytest.mark.parametrize(("share", "allowed"), [(0.86, True), (0.89, False)])
def test_how_unequal_halves_may_be(share, allowed):
    """Mean less image over half the difference: 2 × share − 1, at most 0.75."""
    case, expected = phantom(10.0)
    rng = np.random.default_rng(2)
    a, b = (rng.poisson(part * expected).astype(float) for part in (share, 1.0 - share))
    whole = with_image(case, a + b)
    halves = tuple(replace(whole.injections[0].emission, volume=CountMap(v, case.grid)) for v in (a, b))
    if allowed:
        check_halves(whole, halves)
    else:
        refused(whole, halves, "do not make up")


def test_another_grid_no_counts_and_several_injections_are_refused():
    case, expected = phantom(10.0)
    whole, (a, b) = scanned(case, expected)
    elsewhere = Grid.from_spacing(case.grid.shape, (4.0, 4.0, 4.0), (0, 0, 0))
    refused(whole, (replace(a, volume=CountMap(a.volume.array, elsewhere)), b), "half A lies on another grid")
    empty = replace(b, volume=CountMap(0.0 * b.volume.array, case.grid))
    refused(whole, (a, empty), "half B holds 0 counts in all")
    twice = replace(whole, injections=(whole.injections[0], replace(whole.injections[0], emission=a)))
    refused(twice, (a, b), "has 2 injections")
