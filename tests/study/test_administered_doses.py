"""What a Radiation Dose SR is told of a case: one injection or several, with images of their own or one scan after all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.case import Case
from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.quantification.administration import Administration
from y90voxel.quantification.arteries import Artery
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.lung_conventions import limiting_convention
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study import administered_doses as module
from y90voxel.study.administered_doses import administered_doses, check_administrations
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
LIVER = Region("Liver", Role.LIVER, Mask(np.eye(8)[0].reshape(2, 2, 2), GRID))
EIGHT, NINE = datetime(2026, 3, 2, 8), datetime(2026, 3, 2, 9)
WHO, NOBODY = StudyIdentity(), StudyIdentity(anonymised=True)
FROM_HEADER = {"administration_time": EIGHT, "acquisition_start": EIGHT + timedelta(hours=5)}


def image(predicted=False, **header):
    return EmissionImage(CountMap(np.ones((2, 2, 2)), GRID), "NM", "Y-90", predicted=predicted, **header)


def injection(activity_bq=1e9, time=EIGHT, *, device=None, **header):
    given = Administration(activity_bq=activity_bq, time=time, lung_shunt_fraction=0.05, device=device)
    return Injection(image(**header), given)


def case(*injections, **tables):
    settings = load_settings(
        None, {"injection": [{} for _ in injections] if len(injections) > 1 else []} | tables
    )
    return Case("x", injections, Regions(GRID, (LIVER,)), settings=settings)


def one_scan(*activities, **header):
    """A case of one scan after several arteries, each an hour after the other."""
    arteries = tuple(
        Artery(f"injection {n}", Administration(activity_bq=bq, time=EIGHT + timedelta(hours=n)))
        for n, bq in enumerate(activities)
    )
    together = Administration(activity_bq=sum(activities), time=arteries[-1].administration.time)
    settings = load_settings(None, {"injection": [{} for _ in activities]})
    made = Injection(image(**header), together, arteries=arteries)
    return Case("x", (made,), Regions(GRID, (LIVER,)), settings=settings)


def region(name, role, mean, by_mass=None, mass_g=10.0):
    return SimpleNamespace(name=name, role=role, mean_gy=mean, mass_weighted_mean_gy=by_mass, mass_g=mass_g)


def evaluation(made, regions=(), mird_gy=5.0, voxel_gy=4.0, ct_mass_g=900.0):
    lung = SimpleNamespace(
        limiting_mird_gy=mird_gy, mass_weighted_mean_voxel_gy=voxel_gy, ct_mass_g=ct_mass_g
    )
    return SimpleNamespace(case=made, engine="local", net_activity_bq=7e8, regions=regions, lung=lung)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (case(injection()), None),
        (case(injection(None)), None),  # the image's own activity is stated
        (case(injection(time=None)), "needs the time of administration, which neither"),
        (case(injection(time=None, **FROM_HEADER)), None),
        (case(injection(time=None, **FROM_HEADER, day_unknown=True)), "needs the time of administration, which"),
        (case(injection(time=None, **FROM_HEADER, administration_day_assumed=True)), "needs the time"),
        (case(injection(), injection(2e9)), None),
        (case(injection(), injection(2e9, None)), "the time of administration of injection 2, which"),
        (case(injection(time=None), injection(2e9, None, **FROM_HEADER)), "of administration of injection 1,"),
        (case(injection(None), injection(2e9)), "needs the activity of injection 1, and none is given"),
        (case(injection(), injection(None)), "needs the activity of injection 2, and none is given"),
        (case(injection(predicted=True)), "predicted from a surrogate image"),
        (one_scan(1e9, 2e9), None),
    ],
)  # fmt: skip
def test_what_an_object_cannot_state_is_refused_before_the_dose(made, said):
    if said is None:
        check_administrations(made, anonymised=False)
    else:
        with pytest.raises(InputError, match=said):
            check_administrations(made, anonymised=False)


def test_no_time_is_needed_where_none_is_told():
    check_administrations(case(injection(time=None)), anonymised=True)
    with pytest.raises(InputError, match="needs the activity of injection 2"):
        check_administrations(case(injection(time=None), injection(None, None)), anonymised=True)


def test_one_injection_has_its_organs_and_its_assays():
    given = {"activity": "2 GBq", "activity_time": EIGHT, "residual": "50 MBq", "residual_time": NINE}
    made = case(injection(device="glass"), administration=given | {"time_zone": "+00:00"})
    (one,), notices = administered_doses(evaluation(made, [region("Liver", Role.LIVER, 40.0)]), WHO)
    assert notices == ()
    assert (one.activity_bq, one.time, one.brand, one.comment) == (1e9, EIGHT, "TheraSphere", "")
    assert (one.before.activity_bq, one.before.time) == (2e9, EIGHT.replace(tzinfo=UTC))
    assert (one.after.activity_bq, one.after.time) == (5e7, NINE.replace(tzinfo=UTC))
    assert [organ.name for organ in one.organs] == ["Liver", "lungs"]
    (hidden,), _ = administered_doses(evaluation(made), NOBODY)
    assert (hidden.time, hidden.before.time, hidden.after.time) == (None, None, None)
    assert (hidden.before.activity_bq, hidden.comment[:18]) == (2e9, "Times are left out")


def test_without_device_or_assay_nothing_is_made_up():
    (one,), _ = administered_doses(evaluation(case(injection(None, None, **FROM_HEADER))), WHO)
    assert (one.brand, one.before, one.after) == ("", None, None)
    assert (one.activity_bq, one.time) == (7e8, EIGHT)
    assert one.comment == "The administered activity is that of the image."


@pytest.mark.parametrize("made", [case(injection(1e9), injection(2e9, NINE)), one_scan(1e9, 2e9)])
def test_several_are_stated_each_without_the_organs_of_all(made):
    stated, (notice,) = administered_doses(evaluation(made, [region("Liver", Role.LIVER, 40.0)]), WHO)
    assert [(one.activity_bq, one.time, one.organs) for one in stated] == [(1e9, EIGHT, ()), (2e9, NINE, ())]
    assert notice.code == "sr-organ-doses-left-out"
    assert all(one.comment == notice.message for one in stated)


def test_each_image_states_the_time_of_its_own_injection():
    later = {name: time + timedelta(hours=1) for name, time in FROM_HEADER.items()}
    made = case(injection(time=None, **FROM_HEADER), injection(2e9, None, **later))
    stated, _ = administered_doses(evaluation(made), WHO)
    assert [one.time for one in stated] == [EIGHT, NINE]


def test_the_header_names_the_administration_of_its_own_image_alone():
    own = case(injection(administration_event_uid="1.2.1"), injection(2e9, administration_event_uid="1.2.2"))
    stated, _ = administered_doses(evaluation(own), WHO)
    assert [one.event_uid for one in stated] == ["1.2.1", "1.2.2"]
    hidden, _ = administered_doses(evaluation(own), NOBODY)
    assert not {one.event_uid for one in hidden} & {"1.2.1", "1.2.2"}
    assert len({one.event_uid for one in hidden}) == 2
    joined, _ = administered_doses(evaluation(one_scan(1e9, 2e9, administration_event_uid="1.2.1")), WHO)
    assert "1.2.1" not in {one.event_uid for one in joined}
    bare, again = (administered_doses(evaluation(case(injection())), WHO)[0][0] for _ in range(2))
    assert bare.event_uid == again.event_uid


def test_organs_are_those_with_a_site_by_their_dose_by_mass():
    regions = [
        region("Liver", Role.LIVER, 40.0, 41.0),
        region("Kidney left", Role.KIDNEY, 1.0),
        region("Stomach left", Role.STOMACH, 2.0),
        region("lungs", Role.LUNGS, 3.0),
        region("Lung_L", Role.LUNG, 3.0),
        region("Perfused", Role.PERFUSED, 90.0),
    ]
    (one,), _ = administered_doses(evaluation(case(injection()), regions), WHO)
    assert [(organ.name, organ.dose_gy, organ.side) for organ in one.organs] == [
        ("Liver", 41.0, None),
        ("Kidney left", 1.0, "left"),
        ("Stomach left", 2.0, None),
        ("lungs", 5.0, "both"),
    ]


@pytest.mark.parametrize(
    ("mird_gy", "voxel_gy", "in_view", "found"),
    [
        (5.0, 4.0, True, (5.0, 1000.0, "MIRD, 1 kg of lung")),
        (None, 4.0, True, (4.0, 900.0, "CT")),
        (None, 4.0, False, None),
        (None, None, True, None),
    ],
)
def test_lungs_are_by_the_mass_that_limits_refer_to(mird_gy, voxel_gy, in_view, found, monkeypatch):
    monkeypatch.setattr(Case, "both_lungs_in_view", in_view)
    made = evaluation(case(injection()), mird_gy=mird_gy, voxel_gy=voxel_gy)
    ((one,), _) = administered_doses(made, WHO)
    told = [(organ.dose_gy, organ.mass_g, organ.mass_method) for organ in one.organs]
    assert told == ([] if found is None else [found])


def test_the_mass_of_the_lungs_is_that_of_the_convention(monkeypatch):
    row = replace(limiting_convention(), mass_kg=0.8)
    monkeypatch.setattr(module, "LUNG_CONVENTIONS", (row,))
    ((one,), _) = administered_doses(evaluation(case(injection())), WHO)
    assert [organ.mass_g for organ in one.organs] == [800.0]
