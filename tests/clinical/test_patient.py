from datetime import date

import pytest

from y90voxel.clinical.patient import BclcStage, HepaticVeinInvasion, PortalVeinInvasion
from y90voxel.errors import InputError
from y90voxel.planning import AlphaFetoprotein, PatientRecord, Response, Stated

DAY = date(2023, 5, 1)


def test_a_record_takes_names_and_gives_members():
    record = PatientRecord(bclc="C", portal_vein="Vp3", hepatic_vein="Vv3", ecog=0, child_pugh_points=6)
    assert record.bclc is BclcStage.ADVANCED
    assert record.portal_vein is PortalVeinInvasion.VP3
    assert record.hepatic_vein is HepaticVeinInvasion.VV3


def test_an_empty_record_is_a_record():
    assert PatientRecord().contradictions == {}
    assert PatientRecord().days_to_systemic_therapy is None


def test_contradicting_statements_stay_with_their_sources():
    """Patient 3: Vp3 in the table, Vp4 in the figure; the age agrees."""
    record = PatientRecord(
        statements=(
            ("portal_vein", Stated("Vp3", "table")),
            ("portal_vein", Stated("Vp4", "figure")),
            ("age", Stated("50", "body")),
            ("age", Stated("50", "table")),
        )
    )
    assert record.contradictions == {"portal_vein": (Stated("Vp3", "table"), Stated("Vp4", "figure"))}


def test_afp_keeps_its_unit_and_converts_only_with_the_assays_factor():
    assert AlphaFetoprotein(400, "ng/mL").ng_per_ml() == 400
    assert AlphaFetoprotein(400, "ug/L").ng_per_ml() == 400
    assert AlphaFetoprotein(524, "kU/L").ng_per_ml(1.21) == pytest.approx(634.04)
    with pytest.raises(InputError, match=r"AFP in kU/L needs the assay's factor"):
        AlphaFetoprotein(524, "kU/L").ng_per_ml()
    with pytest.raises(InputError, match="AFP factor must be positive"):
        AlphaFetoprotein(524, "IU/mL").ng_per_ml(0.0)


def test_time_to_systemic_therapy_may_be_negative():
    assert (
        PatientRecord(treatment_date=DAY, systemic_therapy_date=date(2023, 5, 29)).days_to_systemic_therapy
        == 28
    )
    assert (
        PatientRecord(treatment_date=DAY, systemic_therapy_date=date(2023, 4, 1)).days_to_systemic_therapy
        == -30
    )


def test_responses_belong_to_their_criterion():
    assert Response("mRECIST", "CR", DAY).category == "CR"
    assert Response("LI-RADS", "LR-TR viable", DAY).category == "LR-TR viable"
    with pytest.raises(InputError, match=r"RECIST 1.1 does not give LR-TR viable"):
        Response("RECIST 1.1", "LR-TR viable", DAY)
    with pytest.raises(InputError, match="LI-RADS does not give CR"):
        Response("LI-RADS", "CR", DAY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PatientRecord(bclc="E"), "bclc must be one of 0, A, B, C, D, got 'E'"),
        (lambda: PatientRecord(portal_vein="Vp5"), "portal vein must be one of Vp0"),
        (lambda: PatientRecord(hepatic_vein="Vp1"), "hepatic vein must be one of Vv0"),
        (lambda: PatientRecord(ecog=5), "ECOG status must lie between 0 and 4, got 5"),
        (lambda: PatientRecord(child_pugh_points=4), "between 5 and 15, got 4"),
        (lambda: PatientRecord(bilirubin_umol_per_l=-1), "bilirubin must be positive"),
        (lambda: PatientRecord(albumin_g_per_l=0), "albumin must be positive"),
        (lambda: AlphaFetoprotein(5, "mg/dL"), "AFP unit must be one of ng/mL"),
        (lambda: AlphaFetoprotein(-5, "ng/mL"), "AFP must not be negative"),
        (lambda: Response("WHO", "CR", DAY), "response criterion must be one of"),
        (lambda: Response("mRECIST", "better", DAY), "response must be one of"),
        (lambda: Stated("", "table"), "needs a value and its source"),
        (lambda: Stated("58", " "), "needs a value and its source"),
        (
            lambda: PatientRecord(
                treatment_date=DAY, responses=(Response("mRECIST", "PR", date(2023, 4, 1)),)
            ),
            "response of 2023-04-01 precedes the treatment of 2023-05-01",
        ),
    ],
)
def test_impossible_facts_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_record_tells_what_follows_from_it():
    """Patient 3 of the series: bilirubin 27 µmol/L, albumin 39 g/L."""
    record = PatientRecord(
        height_m=1.70, weight_kg=70, bclc="C", child_pugh_points=6, bilirubin_umol_per_l=27, albumin_g_per_l=39,
        afp=AlphaFetoprotein(2.5, "kU/L"), treatment_date=DAY, systemic_therapy_date=date(2023, 5, 29),
        responses=(Response("mRECIST", "CR", date(2023, 8, 1)),),
        statements=(("age", Stated("50", "table")), ("age", Stated("51", "figure"))),
    )  # fmt: skip
    told = record.as_dict()
    assert told["body_surface_area_m2"] == pytest.approx(1.810, rel=1e-3)
    assert (told["albi_score"], told["albi_grade"]) == (pytest.approx(-2.370, rel=1e-3), 2)
    assert (told["child_pugh_class"], told["afp"]) == ("A", {"value": 2.5, "unit": "kU/L"})
    assert told["responses"] == [
        {"criterion": "mRECIST", "category": "CR", "date": "2023-08-01", "days_after_treatment": 92}
    ]
    assert (told["days_to_systemic_therapy"], told["contradictions"]) == (28, ["age"])
    assert "ecog" not in told
    hidden = record.anonymous().as_dict()
    assert "2023" not in str(hidden)
    assert "statements" not in hidden
    assert (hidden["days_to_systemic_therapy"], hidden["responses"][0]["days_after_treatment"]) == (28, 92)


def test_without_facts_nothing_follows():
    record = PatientRecord(treatment_date=None, responses=(Response("mRECIST", "CR", DAY),))
    assert record.as_dict() == {
        "responses": [{"criterion": "mRECIST", "category": "CR", "date": "2023-05-01"}]
    }
    assert (record.body_surface_area_m2, record.albi) == (None, None)


def test_values_in_another_unit_are_refused():
    with pytest.raises(InputError, match="give metres"):
        PatientRecord(height_m=170, weight_kg=70)
    with pytest.raises(InputError, match="weight must be positive"):
        PatientRecord(weight_kg=-70)
    with pytest.raises(InputError, match=r"albumin of 3\.9 g/L is not possible"):
        PatientRecord(albumin_g_per_l=3.9)
