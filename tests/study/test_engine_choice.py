from dataclasses import replace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.engine_decision import EngineDecision
from y90voxel.case.settings import MonteCarloSettings
from y90voxel.dose.density_map import DensityModel
from y90voxel.dose.engines import engine_names
from y90voxel.errors import InputError
from y90voxel.study.engine_choice import build_engine, decide_engine, share_in_ct
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage


@pytest.mark.parametrize("name", engine_names())
def test_every_named_engine_is_built_and_carries_its_name(name):
    assert build_engine(name, liver_case()).name == name


def test_the_kernel_is_the_livers_at_the_liver_density_on_the_dose_grid():
    case = liver_case(density=DensityModel(liver_g_per_ml=1.03))
    kernel = build_engine("convolution", case).kernel
    assert (kernel.medium, kernel.density_g_per_ml, kernel.nuclide) == ("liver", 1.03, "Y-90")
    assert kernel.spacing_mm == pytest.approx(case.grid.spacing_mm)
    from_ct = liver_case(density=DensityModel(liver_g_per_ml=None))
    assert build_engine("convolution", from_ct).kernel.density_g_per_ml == 1.05


def test_local_deposition_takes_the_given_dose_constant():
    engine = build_engine("local", liver_case(dose_constant_gy_kg_per_gbq=49.67))
    assert engine.dose_constant_gy_kg_per_gbq == 49.67


def test_an_unknown_engine_is_refused_with_the_list():
    with pytest.raises(InputError, match=r"unknown engine 'magic'.*local, convolution, density, monte-carlo"):
        build_engine("magic", liver_case())


def test_the_monte_carlo_gets_its_limits_and_the_tumours_as_target():
    limits = MonteCarloSettings(histories=1000, target_uncertainty="5 %", seed=7, time_limit_s=30)
    case = liver_case()
    engine = build_engine("monte-carlo", case, monte_carlo=limits)
    assert (engine.histories, engine.target_uncertainty, engine.seed, engine.time_limit_s) == (
        1000,
        0.05,
        7,
        30.0,
    )
    assert engine.target_mask.volume_ml == pytest.approx(case.regions["GTV1"].mask.volume_ml)


def with_ct(case, slices=40):
    """The case with a CT over its first slices."""
    grid = case.grid.crop((0, 0, 0), (slices, *case.grid.shape[1:]))
    return replace(case, ct=CtImage(np.full(grid.shape, 40, np.int16), grid))


def test_the_automatic_engine_is_density_where_a_ct_shows_the_activity():
    case = liver_case()
    assert case.settings.dose.engine == "auto"
    assert build_engine("auto", with_ct(case)).name == "density"
    assert build_engine("auto", case).name == "convolution"
    assert decide_engine("auto", case).reason == "there is no CT to take densities from"


@pytest.mark.parametrize("slices", range(4, 41, 4))
def test_the_share_of_the_counts_in_the_ct_decides(slices):
    """Half of the counts at most lie outside a CT that ends in the liver; the rule is 90 %."""
    case = liver_case()
    counts = case.injections[0].emission.volume.array
    share = counts[:slices].sum() / counts.sum()
    decision = decide_engine("auto", with_ct(case, slices))
    assert decision.name == ("density" if share >= 0.9 else "convolution")
    assert f"{100 * share:.1f} % of the counts" in decision.reason
    assert decision.requested == "auto"


@pytest.mark.parametrize(("slices", "engine"), [(36, "density"), (35, "convolution")])
def test_nine_tenths_of_the_counts_are_enough(slices, engine):
    case = liver_case()
    first = case.injections[0]
    even = CountMap(np.ones(case.grid.shape), case.grid)
    case = replace(case, injections=(replace(first, emission=replace(first.emission, volume=even)),))
    assert decide_engine("auto", with_ct(case, slices)).name == engine


def test_a_ct_elsewhere_shows_nothing():
    case = liver_case()
    far = Grid.from_spacing((4, 4, 4), (4.0, 4.0, 4.0), (900.0, 900.0, 900.0))
    away = replace(case, ct=CtImage(np.zeros(far.shape, np.int16), far))
    assert decide_engine("auto", away).name == "convolution"


def test_the_least_share_of_several_images_counts_and_negative_counts_do_not():
    case = with_ct(liver_case(), 20)
    first = case.injections[0]

    def other(values):
        volume = CountMap(values, first.emission.grid)
        return replace(first, emission=replace(first.emission, volume=volume))

    inside, outside = np.zeros(case.grid.shape), np.zeros(case.grid.shape)
    inside[:20], outside[20:] = 1.0, 0.5
    shares = [
        share_in_ct(replace(case, injections=made))
        for made in (
            (other(inside),),
            (other(inside + outside),),  # as many voxels outside, half as hot
            (other(inside), other(inside + outside)),
            (other(inside - outside),),
            (other(np.zeros(case.grid.shape)),),
            (other(1e-6 * inside),),
        )
    ]
    assert shares == pytest.approx([1.0, 2 / 3, 2 / 3, 1.0, 0.0, 1.0], abs=1e-6)
    assert share_in_ct(liver_case()) == 0.0


@pytest.mark.parametrize("name", engine_names())
def test_an_engine_that_is_asked_for_runs(name):
    decision = decide_engine(name, with_ct(liver_case()))
    assert (decision.name, decision.requested, decision.reason) == (name, name, "asked for")


@pytest.mark.parametrize(("name", "built"), [("auto", "convolution"), ("local", "local")])
def test_a_decision_holds_for_what_was_asked_for(name, built):
    """The images would give density; the decision that is on record says convolution."""
    case = replace(with_ct(liver_case()), engine_decision=EngineDecision("convolution", "auto", "stated"))
    assert build_engine(name, case).name == built
