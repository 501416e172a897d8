"""The study is what its generator makes, to the byte, and what it says about itself."""

from __future__ import annotations

import ast
import hashlib
import tomllib

import pytest


@pytest.mark.slow
def test_the_committed_study_is_made_again_byte_for_byte(generator, sample, digest, tmp_path):
    from phantom.settings import Settings

    generator.generate(tmp_path, Settings())
    assert digest(tmp_path / "study") == digest(sample / "study")
    assert (tmp_path / "truth.json").read_bytes() == (sample / "truth.json").read_bytes()


def test_a_small_study_has_the_bytes_it_had_on_the_machine_that_first_made_it(small, digest):
    out, _ = small()
    found = digest(out / "study")
    assert len(found) == 24 + 3
    together = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
    assert together == "45663b799e4a9d17f79c002c68777fe32ec8b66b8087065416232d6babad45d4"


def test_another_seed_gives_other_counts_and_other_identifiers_for_the_same_patient(small):
    first, first_truth = small()
    second, second_truth = small(seed=91)
    assert not {f.name for f in first.rglob("*.dcm")} & {f.name for f in second.rglob("*.dcm")}
    assert first_truth["regions"]["Lung_L"] == second_truth["regions"]["Lung_L"]


def test_a_varied_patient_is_another_patient_with_lesions_inside_the_treated_lobe(generator):
    from phantom.emission import make_truth
    from phantom.patient import make_patient
    from phantom.settings import Settings

    coarse = {"spect_shape": (36, 48, 64), "spect_voxel_mm": 8.84}
    drawn = [make_patient(Settings(seed=seed, vary=seed > 0, **coarse)) for seed in range(5)]
    livers, counts = set(), set()
    for anatomy, settings in drawn:
        truth = make_truth(anatomy, settings)
        tumours = [v for name, v in truth.occupancy.items() if name.startswith("GTV")]
        assert (sum(tumours) <= truth.occupancy["Perfused volume"] + 1e-9).all()
        assert 0.02 <= settings.lung_shunt_fraction <= 0.12
        assert truth.fraction.sum() == pytest.approx(1.0)
        livers.add(round(float(truth.occupancy["Liver"].sum())))
        counts.add(len(tumours))
    assert len(livers) == 5
    assert len(counts) > 1
    assert len({settings.activity_gbq for _, settings in drawn}) == 5


def test_the_whole_is_small_enough_to_ship(sample):
    files = [f for f in sample.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    assert sum(f.stat().st_size for f in files) < 11e6


def test_the_generator_uses_nothing_of_what_it_judges(sample):
    for path in [sample / "generate.py", *sorted((sample / "phantom").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] == "y90voxel" for n in names), path.name


def test_the_case_file_states_the_treatment_of_the_truth(sample, truth):
    case = tomllib.loads((sample / "case.toml").read_text())
    assert case["administration"]["activity"] == f"{truth['activity_gbq']} GBq"
    assert case["administration"]["lung_shunt_fraction"] == truth["lung_shunt_fraction"]
    assert case["administration"]["nuclide"] == truth["nuclide"]
    assert case["dose"]["calibration_region"] == "liver"


def test_the_readme_table_shows_the_truth(sample, truth):
    rows = {}
    for line in (sample / "README.md").read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1].endswith("mL"):
            rows[cells[0].split(" (")[0]] = [float(c.split()[0]) for c in cells[1:]]
    assert sorted(rows) == sorted(["GTV1", "GTV2", "non-tumour liver", "perfused non-tumour liver", "liver"])
    for name, numbers in rows.items():
        region = truth["regions"]["Liver" if name == "liver" else name]
        expected = [region["volume_ml"], *region["mean_dose_gy"].values()]
        assert numbers == pytest.approx(expected, abs=0.06)


def test_a_study_is_not_written_over_another(generator, tmp_path):
    from phantom.settings import Settings

    (tmp_path / "study").mkdir()
    with pytest.raises(SystemExit, match="is there already"):
        generator.generate(tmp_path, Settings())


def test_counts_that_do_not_fit_in_16_bits_are_refused(generator):
    import numpy as np
    from phantom.emission import count
    from phantom.settings import Settings

    with pytest.raises(ValueError, match="do not fit in 16 bits"):
        count(np.full((1, 1, 1), 7e4), Settings(), "spect noise")


def test_the_command_line_sets_what_it_says(generator):
    out, settings = generator.parse(
        [
            "x",
            "--seed",
            "5",
            "--ct-shape",
            "300x512x512",
            "--spect-shape",
            "128x128x128",
            "--spect-step-sign",
            "-1",
        ]
    )
    assert (out.name, settings.seed, settings.spect_step_sign) == ("x", 5, -1)
    assert settings.ct_shape == (300, 512, 512)
    assert settings.spect_shape == (128, 128, 128)
    assert settings.ct_spacing_mm == pytest.approx((0.96, 0.75, 0.75))
    _, exact = generator.parse(["x", "--unblurred", "--noiseless"])
    assert exact.camera_fwhm_mm == 0.0
    assert exact.spect_voxel_mm == exact.truth_voxel_mm == pytest.approx(4.42 / 3)


def test_a_shape_of_two_numbers_is_refused(generator, capsys):
    with pytest.raises(SystemExit):
        generator.parse(["x", "--ct-shape", "300x512"])
    assert "three numbers" in capsys.readouterr().err
