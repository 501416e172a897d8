"""Corrections of the emission image through the command line and the case file."""

import json

import pytest
from study_factory import write_study

GIVEN = '[administration]\nactivity = "2 GBq"\nlung_shunt_fraction = 0.05\n[dose]\nengine = "local"\n[output]\nreport = false\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


def case_file(tmp_path, text):
    path = tmp_path / "case.toml"
    path.write_text(GIVEN + text, encoding="utf-8")
    return path


def test_recovery_beside_the_case_file_corrects_tumours_and_joins_the_uncertainty(run_cli, study, tmp_path):
    (tmp_path / "spheres.csv").write_text("volume_ml,recovery\n0.5,0.2\n5,0.5\n30,0.8\n")
    text = (
        '[partial_volume]\nrecovery = "spheres.csv"\nrecovery_uncertainty = "5 %"\nmethod = "richardson-lucy"\nfwhm_mm = 10\n'
        "iterations = 3\n[uncertainty]\nsamples = 40\n"
    )
    case = case_file(tmp_path, text)
    done = run_cli("dose", study, "--case", case, "--uncertainty", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)
    tumour = next(region for region in metrics["regions"] if region["role"] == "tumour")
    found = tumour["partial_volume"]
    assert 0.5 < found["recovery"] < 1.0
    assert found["mean_corrected_gy"] > tumour["mean_gy"]
    assert found["tumour_to_normal_ratio_corrected"] > found["tumour_to_normal_ratio"]
    assert metrics["partial_volume"]["deconvolution"]["iterations"] == 3
    # Recovery scales what stands above the liver around it: (T - N) / T of its relative uncertainty.
    above = 1.0 - 1.0 / found["tumour_to_normal_ratio_corrected"]
    assert tumour["uncertainty"]["recovery_fit"] == pytest.approx(
        above * found["recovery_uncertainty"] / found["recovery"], rel=0.02
    )


def test_an_isocontour_stands_in_for_a_tumour_that_nobody_drew(run_cli, study, tmp_path):
    given = ("--role", "GTV1=other", "--isocontour", "tumour=50%")
    done = run_cli("dose", study, "--case", case_file(tmp_path, ""), *given, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    metrics = json.loads(done.out)
    tumour = next(region for region in metrics["regions"] if region["role"] == "tumour")
    assert (tumour["name"], tumour["automatic"]) == ("tumour (50 % isocontour)", True)
    assert "isocontour" in {warning["code"] for warning in metrics["warnings"]}
    regions = {region["name"]: region for region in metrics["regions"]}
    # The ball of the study holds its counts uniformly: half of them is met at its surface.
    assert tumour["volume_ml"] == pytest.approx(regions["GTV1"]["volume_ml"], rel=0.25)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", ("--isocontour", "tumour=40%"), "tumour regions are drawn"),
        ("", ("--isocontour", "tumour"), "is not ROLE=PERCENT"),
        ("", ("--isocontour", "tumour=400%"), "lies outside 0 to 1"),
        ("", ("--isocontour", "lung=40%"), "regions.isocontour"),
        ('[partial_volume]\nrecovery = "none.csv"\nrecovery_uncertainty = 0.05\n', (), "cannot be read"),
        ('[partial_volume]\nmethod = "richardson-lucy"\n', (), "needs fwhm_mm"),
        ('[partial_volume]\nmethod = "magic"\n', (), "partial_volume.method"),
        ("[dead_time]\nobserved_rate_cps = 1000\n", (), "either a time constant"),
        ("[dead_time]\ntime_constant_us = -1\n", (), "must not be negative"),
        ('[dead_time]\ncurve = "none.csv"\n', (), "cannot be read"),
        ('[uncertainty]\nactivity = "5 Gy"\n', (), "uncertainty.activity"),
        ("[uncertainty]\nsamples = 5\n", ("--uncertainty",), "at least 40"),
        ("[uncertainty]\nfwhm = 5\n", ("--uncertainty",), "uncertainty.fwhm is not a setting"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_paragraph(run_cli, study, tmp_path, text, options, message):
    done = run_cli("dose", study, "--case", case_file(tmp_path, text), *options, "-o", tmp_path / "out")
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()


def test_dead_time_with_relative_calibration_is_said_to_change_nothing(run_cli, study, tmp_path):
    case = case_file(tmp_path, "[dead_time]\ntime_constant_us = 5\nobserved_rate_cps = 20000\n")
    done = run_cli("dose", study, "--case", case, "-o", tmp_path / "out", "--json")
    assert "dead-time-cancels" in {warning["code"] for warning in json.loads(done.out)["warnings"]}
