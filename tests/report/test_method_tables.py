"""What the report says of method: calibration with its alternatives, mass, engine."""

import pytest
from phantoms import changed, liver_case

from y90voxel.case.verify import verify
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.quantification.calibration import Calibration, CalibrationMode, CalibrationRegion
from y90voxel.quantification.emission import DecayReference, EmissionImage
from y90voxel.report.dose_content import dose_content
from y90voxel.report.dose_page import render_dose_page
from y90voxel.report.method_tables import calibration_note, calibration_rows, mass_sentence
from y90voxel.volumes.volume import ActivityMap

FIGURES = {"dose_hottest.png": b"a", "dose_centre.png": b"b", "dvh.png": b"c"}


def evaluated(region=CalibrationRegion.LIVER, **facts):
    case = liver_case(outside_counts=0.05, **facts)
    return verify(changed(case, calibration=Calibration(region=region)), LocalDeposition("Y-90"))


@pytest.fixture(scope="module")
def evaluation():
    return evaluated()


def test_every_alternative_stands_with_the_doses_that_it_would_give(evaluation):
    rows = {row["region"].split(":")[0]: row for row in calibration_rows(evaluation)}
    assert list(rows) == ["liver", "liver+margin", "body", "fov"]
    assert [name for name, row in rows.items() if row["used"]] == ["liver"]
    whole = evaluated(CalibrationRegion.FIELD_OF_VIEW)
    factor = whole.map_activity_bq / evaluation.map_activity_bq
    assert rows["fov"]["factor"] == f"{factor:.3f}"
    tumour = whole.region("GTV1").mass_weighted_mean_gy
    assert float(rows["fov"]["tumour"]) == pytest.approx(tumour, rel=0.01)
    assert float(rows["fov"]["map"]) == pytest.approx(whole.map_activity_bq / whole.net_activity_bq, abs=0.01)
    assert rows["body"]["factor"] == "–"
    assert "none is drawn" in rows["body"]["why"]
    assert "20 mm around it" in rows["liver+margin"]["region"]


def test_a_calibration_over_liver_and_lungs_is_among_them_where_it_is_used():
    case = liver_case(shunt=None, shunt_source="none")
    found = verify(
        changed(case, calibration=Calibration(region=CalibrationRegion.LIVER_AND_LUNGS)),
        LocalDeposition("Y-90"),
    )
    assert [row["region"].split(":")[0] for row in calibration_rows(found) if row["used"]] == ["liver+lungs"]


def test_page_says_calibration_mass_and_engine(evaluation):
    page = render_dose_page(dose_content(evaluation), FIGURES)
    assert "Calibration and its alternatives" in page
    assert calibration_note(evaluation) in page.replace("&#39;", "'")
    assert "<dt>Mass</dt>" in page
    assert "<dt>Engine</dt><dd>local deposition: given by the caller" in page.replace("Local", "local")
    half = 50 * evaluation.calibration_spread.spread
    assert f"{half:.2g} %" in calibration_note(evaluation)


def test_an_image_of_its_own_units_has_no_table():
    case = liver_case()
    volume = ActivityMap(case.injections[0].emission.volume.array * 1e4, case.grid)
    image = EmissionImage(volume, "file", "Y-90", decay_reference=DecayReference.NONE)
    found = verify(
        changed(liver_case(emission=image), calibration=Calibration(CalibrationMode.ABSOLUTE)),
        LocalDeposition("Y-90"),
    )
    assert calibration_rows(found) == []
    assert calibration_note(found) == ""
    assert "Calibration and its alternatives" not in render_dose_page(dose_content(found), FIGURES)
    assert mass_sentence(found).startswith("of a region's own tissue")
