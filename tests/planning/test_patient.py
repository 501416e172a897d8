from datetime import date

import pytest

from y90voxel.errors import InputError
from y90voxel.planning import AlphaFetoprotein, PatientRecord, Response, Stated
from y90voxel.planning.patient import BclcStage, HepaticVeinInvasion, PortalVeinInvasion

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
