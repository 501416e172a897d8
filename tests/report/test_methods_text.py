"""The paragraph for the Methods of a paper: every fact of the calculation, none that it does not have."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser import browser, find_chromium
from evaluation_factory import make_evaluation
from phantoms import changed

import y90voxel as yv
from y90voxel.clinical.limits import LIMITS_VERSION
from y90voxel.planning.compartments import Anatomy, Territory
from y90voxel.quantification.calibration import Calibration, CalibrationMode
from y90voxel.report.dose_content import dose_content
from y90voxel.report.dose_page import render_dose_page
from y90voxel.report.methods_text import _images, citation, dose_methods, plan_methods
from y90voxel.report.plan_page import render_plan_page

FIGURES = dict.fromkeys(("dose_hottest.png", "dose_centre.png", "dvh.png"), b"")
KERNEL = {
    "name": "Y-90 in water",
    "source": "penelope",
    "file": "y90.csv",
    "sha256": "334141588c997ed2baa5eaee",
}
PROVENANCE = {"version": "9.8.7", "kernel": KERNEL, "started": "2026-03-04T12:00:00+00:00", "seconds": 1.0}


@pytest.fixture(scope="module")
def evaluation():
    return replace(make_evaluation(), provenance=PROVENANCE)


def test_engine_kernel_calibration_versions_and_grid_stand_in_it(evaluation):
    text = " ".join(dose_methods(evaluation))
    spacing = " × ".join(f"{s:.2f}" for s in evaluation.dose.grid.spacing_mm)
    for fact in (
        "y90voxel 9.8.7",
        evaluation.case.nuclide,
        "(kernel Y-90 in water; file y90.csv; SHA-256 334141588c99…)",
        f"doses were computed on voxels of {spacing} mm.",
        f"{evaluation.energy_per_activity_j_per_gbq:.2f} J/GBq",
        "calibration relative: net activity × (1 − lung shunt)",
        *(f"{part}: {source}" for part, source in evaluation.density_sources.items()),
    ):
        assert fact in text, fact
    assert "334141588c997" not in text
    assert text.count("..") == 0
    assert ("Predicted absorbed doses" in text) is evaluation.case.predicted
    assert (f"table {LIMITS_VERSION}" in text) is bool(evaluation.limits)


def test_it_says_what_was_done_and_not_what_was_not(evaluation):
    plain = " ".join(dose_methods(evaluation))
    for absent in ("Gear", "Partial-volume", "Registration", "of unknown version"):
        assert absent not in plain, absent
    bare = replace(evaluation, provenance={}, density_sources={})
    text = " ".join(dose_methods(bare))
    assert "y90voxel of unknown version" in text
    assert "SHA-256" not in text
    assert "Densities" not in text
    camera = Calibration(CalibrationMode.FACTOR, factor_cps_per_mbq=12.5)
    factor = replace(evaluation, case=changed(evaluation.case, calibration=camera))
    assert "calibration camera factor, 12.5" in " ".join(dose_methods(factor))
    corrected = replace(evaluation, partial_volume={"method": "recovery"})
    assert "Partial-volume correction" in " ".join(dose_methods(corrected))


def test_several_images_are_named_once_each(evaluation):
    """Two injections of one image, and a second one of another modality; a missing word is no blank."""
    (first, *_) = evaluation.case.injections
    other = replace(first, emission=replace(first.emission, modality="PT", imaged_nuclide=None))
    several = SimpleNamespace(
        case=SimpleNamespace(injections=(first, first, other), predicted=True, alignment=None),
        dose=evaluation.dose,
    )
    text = " ".join(_images(several))
    named = f"{first.emission.imaged_nuclide} {first.emission.modality}"
    assert f"Activity was taken from {' and '.join(sorted((named, 'PT')))}" in text


def test_a_monte_carlo_names_its_seed_even_of_zero_and_only_its_own_settings(evaluation):
    settings = {"monte_carlo": {"seed": 0, "histories": 1000}, "dose": {"grid": "ct"}}
    run = replace(evaluation, engine="monte-carlo", provenance={"version": "1", "settings": settings})
    text = " ".join(dose_methods(run))
    assert "Monte Carlo (seed 0; histories 1000), " in text
    assert "seed" not in " ".join(dose_methods(replace(run, engine="local")))


def test_uncertainties_name_their_samples_and_seed(evaluation):
    with_bands = yv.with_uncertainty(evaluation, {"samples": 40, "seed": 7})
    assert "from 40 samples, seed 7." in " ".join(dose_methods(with_bands))


def planned(**given):
    facts = yv.PlanFacts("lobe", "Y-90", "glass", 49.67, **given)
    return yv.plan_from_masses(facts, Anatomy(perfused_normal_kg=1.0), (Territory("a", 0.1, (), 1.0),))


def test_a_plan_says_its_models_shunt_and_constant():
    text = " ".join(plan_methods(planned(given_gbq=(1.0,))))
    assert "Masses and uptakes were stated; there were no images." in text
    assert "1 GBq net" in text
    assert "10.0 % (given)" in text
    assert "49.67 Gy kg/GBq" in text
    nothing = yv.plan_from_masses(yv.PlanFacts("x", "Y-90", None, 49.67), Anatomy(), (Territory("a", 0.1),))
    assert "Models:" not in " ".join(plan_methods(nothing))


def test_the_citation_is_that_of_the_citation_file():
    file = (Path(__file__).resolve().parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    said = citation({"version": yv.__version__})
    for key in ("title", "name"):
        value = next(
            line.partition(":")[2] for line in file.splitlines() if line.strip(" -").startswith(f"{key}:")
        )
        assert value.strip().strip(chr(34)) in said, key
    assert f"version: {yv.__version__}" in file
    assert yv.__version__ in said


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium (apt-get install chromium)")
@pytest.mark.parametrize("kind", ["dose", "plan"])
def test_a_click_selects_exactly_the_paragraph(evaluation, tmp_path, kind):
    if kind == "dose":
        page, sentences = render_dose_page(dose_content(evaluation), FIGURES), dose_methods(evaluation)
    else:
        plan = planned(given_gbq=(1.0,))
        page, sentences = render_plan_page(plan, {}), plan_methods(plan)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    with browser() as window:
        window.open(tmp_path / "page.html")
        x, y = window.run(
            "(b => { b.scrollIntoView({ block: 'center' }); const r = b.getBoundingClientRect();"
            " return [r.left + 60, r.top + 30]; })(document.getElementById('methods-text'))"
        )
        window.click(x, y)
        assert " ".join(window.run("getSelection().toString()").split()) == " ".join(
            " ".join(sentences).split()
        )
        assert window.errors == []
