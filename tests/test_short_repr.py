"""Every public object shows itself in a few lines; in a notebook as a table that says nothing of the patient."""

import dataclasses
import re
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import liver_case

import y90voxel as yv
from y90voxel.short_repr import LONGEST_REPR, short_repr

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 500  # characters; issue 25


@pytest.fixture(scope="module")
def objects():
    """Objects as a user meets them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study, case = yv.read_study(ROOT / "sample_data" / "study"), liver_case()
        kernel = yv.voxel_kernel("Y-90", case.grid.spacing_mm, "liver")
        evaluation = yv.verify(case, yv.LocalDeposition("Y-90"))
        plan = yv.plan(case, yv.LocalDeposition("Y-90"))
        side = yv.ComparedDose.of(evaluation)
        stated = study.case(activity_bq=2.2e9, lung_shunt_fraction=0.06, device="glass")
    region = case.regions["GTV1"]
    simulation = yv.MonteCarlo("Y-90", histories=1000, target_mask=region.mask)
    return [
        study, case, stated, evaluation, plan, kernel, side, yv.compare(side, side), case.regions, region, region.mask, study.ct,
        evaluation.dose, evaluation.density, evaluation.activity, study.emissions[0].volume, case.grid, region.role,
        yv.nuclide("Y-90"), evaluation.dvh("GTV1"), plan.facts, plan.request, case.injections[0].administration,
        yv.LocalDeposition("Y-90"), yv.DensitySuperposition("Y-90"), yv.KernelConvolution(kernel), simulation,
        yv.TimeIntegratedActivityMap(evaluation.dose.array, case.grid), yv.GammaCriteria(), yv.Deconvolution(8.0),
        yv.EngineRequest("Y-90", (4.0, 4.0, 4.0), target_mask=lambda: region.mask),
    ]  # fmt: skip


def reachable(objects):
    """Objects of ours that a user comes to from these by attributes and items."""
    seen, waiting = {}, list(objects)
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if dataclasses.is_dataclass(one) and not isinstance(one, type):
            waiting += [getattr(one, field.name) for field in dataclasses.fields(one)]
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, tuple | list):
            waiting += one
    return [o for o in seen.values() if type(o).__module__.startswith("y90voxel")]


def test_what_a_user_comes_to_shows_itself_in_a_few_lines(objects):
    found = reachable(objects)
    assert len({type(one) for one in found}) > 40
    long = {type(one).__name__: len(repr(one)) for one in found if len(repr(one)) >= LONGEST}
    long.pop("Notice", None)  # its message is what it is for
    assert long == {}


def public_dataclasses():
    packages = (yv, yv.planning, yv.immune, yv.microscale, yv.radiobiology)
    found = {getattr(package, name) for package in packages for name in package.__all__}
    classes = (one for one in found if isinstance(one, type) and dataclasses.is_dataclass(one))
    return sorted(classes, key=lambda one: f"{one.__module__}.{one.__name__}")


HEAVY = (
    np.zeros((30, 30)),
    tuple(f"name {n}" for n in range(400)),
    {f"key {n}": n for n in range(400)},
    "x" * 5000,
)


@pytest.mark.parametrize("heavy", HEAVY, ids=["array", "names", "table", "text"])
@pytest.mark.parametrize("kind", public_dataclasses(), ids=lambda kind: kind.__name__)
def test_no_public_class_shows_all_that_it_may_hold(kind, heavy):
    """Whatever its fields hold: made without its checks, each field as large as it gets."""
    one = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(one, field.name, heavy)
    assert len(repr(one)) < LONGEST


def test_a_study_and_its_case_say_what_is_in_them(objects):
    study, case = repr(objects[0]), repr(objects[2])
    assert study.startswith("Study(label='study ")
    assert "drawn=(Liver, GTV1, GTV2, Perfused volume, Lung_L, Lung_R, Body)" in study
    assert case.startswith("Case(label=")
    settings = repr(objects[2].settings)
    assert settings.startswith("StudySettings(administration={'activity': 2200000000.0, ")
    assert "liver_density" not in settings  # a default
    shown = repr(objects[2].ct)
    assert shown.startswith(
        "CtImage(array=int16 (96, 192, 192), grid=<96 × 192 × 192 voxels of 3.00 × 2.00 × 2.00 mm from ("
    )


@dataclasses.dataclass
class Anything:
    one: object
    two: object
    three: object

    __repr__ = short_repr


leaves = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.just(np.zeros((2, 3)))
values = st.recursive(
    leaves, lambda v: st.lists(v) | st.tuples(v, v) | st.dictionaries(st.text() | st.integers(), v)
)


@given(values, values, values)
def test_whatever_an_object_holds_it_is_shown_in_a_few_lines(one, two, three):
    text = repr(Anything(one, two, three))
    assert len(text) <= LONGEST_REPR + 1
    assert text.startswith("Anything(")
    assert text.endswith(")")


def test_arrays_show_type_and_shape_and_empty_fields_nothing():
    shown = repr(Anything(np.zeros((0, 3), np.int16), (), {"a": 1, "b": 2}))
    assert shown == "Anything(one=int16 (0, 3), three={a, b})"
    assert (
        repr(Anything({1: 2}, [1.5, None], "x" * 100))
        == f"Anything(one=1 × int, two=(1.5, None), three='{'x' * 58}…)"
    )
    assert repr(Anything(Anything(1, 2, 3), yv.Role.LIVER, [1, "a", 2, 3, 4])) == (
        "Anything(one=Anything, two=liver, three=5 × values)"
    )


def words(html):
    return " ".join(" ".join(ET.fromstring(html).itertext()).split())


def test_a_notebook_shows_what_the_objects_say(objects):
    study, _, case, evaluation, plan, _, _, comparison, regions = objects[:9]
    assert "emission, NM Tc-99m predicted" in words(study._repr_html_())
    assert "GTV1 19 contours" in words(study._repr_html_())
    assert "Case, predicted: Y-90" in words(case._repr_html_())
    assert "injections 2.2 GBq device glass" in words(case._repr_html_())
    assert f"GTV1 tumour {case.regions['GTV1'].mask.volume_ml:.1f} automatic" in words(case._repr_html_())
    assert "non-tumour liver non tumour liver" in words(regions._repr_html_())
    given_model = plan.model("given")
    dose = given_model.table.doses_by_role(given_model.activities_gbq)["tumours"]
    assert f"activity as given 2 GBq {dose:.4g}" in words(plan._repr_html_())
    assert "not available: BSA, whole liver: height and weight are not given" in words(plan._repr_html_())
    mean = evaluation.region("GTV1").mean_gy
    assert f"GTV1 {mean:.4g} {mean:.4g} +0 +0.0 %" in words(comparison._repr_html_())


def test_a_notebook_says_nothing_of_the_patient(objects):
    study = objects[0]
    secrets = [study.identity.patient_name, study.identity.patient_id, study.identity.study_instance_uid]
    assert all(secrets)
    for one in objects:
        for text in (repr(one), getattr(one, "_repr_html_", str)() if hasattr(one, "_repr_html_") else ""):
            assert not [secret for secret in secrets if secret in text]
            assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\b20\d{6}\b", text)
            assert str(ROOT) not in text


def test_a_region_named_by_an_attacker_stays_text():
    case = liver_case()
    name = "GTV <script>alert(1)</script>"
    bad = dataclasses.replace(case.regions.drawn[1], name=name)
    regions = yv.Regions(case.grid, (case.regions.drawn[0], bad))
    assert "<script" not in regions._repr_html_()
    assert name in words(regions._repr_html_())


def test_empty_objects_show_themselves():
    grid = yv.Grid.from_spacing((2, 2, 2), (1, 1, 1))
    assert words(yv.Regions(grid)._repr_html_()) == "0 regions drawn, 0 derived"
