"""What the exact engine would change of a dose, by region."""

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.checked_engine import CheckedRegion, EngineCheck
from y90voxel.case.engine_check import with_engine_check
from y90voxel.case.settings import load_settings
from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.report.engine_check_rows import engine_check_note, engine_check_rows
from y90voxel.study.engine_choice import build_engine


def checked(engine, histories=20_000):
    case = liver_case()
    return with_engine_check(verify(case, build_engine(engine, case)), histories, 3)


def test_it_says_what_the_exact_engine_itself_gives():
    case = liver_case()
    evaluation = checked("local")
    exact = build_engine("exact", case, monte_carlo=load_settings(
        options={"dose": {"engine": "exact"}, "monte_carlo": {"histories": 20_000, "seed": 3}}
    ).monte_carlo)  # fmt: skip
    expected = verify(case, exact)
    check = evaluation.engine_check
    assert (check.engine, check.histories, check.seed) == ("exact", 20_000, 3)
    assert [row.name for row in check.regions] == [region.name for region in evaluation.regions]
    for row, before, after in zip(check.regions, evaluation.regions, expected.regions, strict=True):
        assert row.mass_weighted_mean_gy == pytest.approx(before.mass_weighted_mean_gy, rel=1e-6)
        # the run of its own leaves batches open to a target of tumours, so that histories are shared out alike
        assert row.verified_gy == pytest.approx(after.mass_weighted_mean_gy, rel=1e-6)
        assert row.sigma_gy == pytest.approx(after.relative_uncertainty * row.verified_gy, rel=1e-6)
        assert row.change == pytest.approx(row.verified_gy / row.mass_weighted_mean_gy - 1)
        assert row.change_sigma == pytest.approx(row.sigma_gy / row.mass_weighted_mean_gy)


def test_local_deposition_is_found_out_and_the_density_engine_is_not():
    liver = {engine: checked(engine).engine_check.regions[0] for engine in ("local", "density")}
    assert liver["local"].change < -3 * liver["local"].change_sigma
    assert abs(liver["density"].change) < 0.02


def test_it_stands_in_the_metrics_and_the_dose_stays():
    evaluation = checked("local")
    plain = verify(evaluation.case, build_engine("local", evaluation.case))
    np.testing.assert_array_equal(evaluation.dose.array, plain.dose.array)
    assert plain.metrics["engine_check"] is None
    written = evaluation.metrics["engine_check"]
    assert set(written) == {"engine", "histories", "seed", "regions"}
    assert written["regions"][0]["name"] == evaluation.regions[0].name
    assert "exact-parts" in {notice.code for notice in evaluation.notices}


def test_rows_of_the_page():
    assert engine_check_rows(None) == []
    rows = (
        CheckedRegion("Liver", 40.0, 41.0, 0.1, 0.025, 0.0025),
        CheckedRegion("far", 0.0, 0.0, 0.0, None, None),
    )
    first, second = engine_check_rows(EngineCheck("exact", 5000, 0, rows))
    assert first == {
        "region": "Liver",
        "before": "40.00",
        "after": "41.00 ± 0.10",
        "change": "+2.50 ± 0.25 %",
    }
    assert second["change"] == "–"
    # both means have the digits that σ has, so that a change which is certain can be read in them
    assert second["after"].startswith(second["before"])
    fine, coarse = engine_check_rows(
        EngineCheck(
            "exact",
            5000,
            0,
            (
                CheckedRegion("a", 206.3712, 206.4521, 0.0171, 4e-4, 1e-4),
                CheckedRegion("b", 206.3712, 231.2, 23.0, 0.12, 0.1),
            ),
        )
    )
    assert (fine["before"], fine["after"]) == ("206.371", "206.452 ± 0.017")
    assert (coarse["before"], coarse["after"]) == ("206", "231 ± 23")
    assert engine_check_note(None) == ""
    assert "5,000 histories of the exact engine, seed 7" in engine_check_note(
        EngineCheck("exact", 5000, 7, rows)
    )


def test_too_few_histories_are_refused():
    assert load_settings(options={"dose": {"verify_engine": 5000}}).dose.verify_engine == 5000
    with pytest.raises(InputError, match="4999 histories are too few; the exact engine takes 5000 or more"):
        load_settings(options={"dose": {"verify_engine": 4999}})
