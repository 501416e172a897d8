"""What counts as rounding: one case inside and one outside, and choices that turn on nothing at all."""

import numpy as np
import pydicom
import pytest

from y90voxel.clinical.limits import ClinicalContext, Sense
from y90voxel.errors import DicomError, InputError, PhysicsError, RegionError
from y90voxel.io.dicom.archive import StudyWriter, check_study_uid
from y90voxel.planning.activity_rules import RESIN_SHUNT_REDUCTION, LungShuntReduction
from y90voxel.planning.compartments import Anatomy, Territory, TumourUptake
from y90voxel.planning.prescription import Prescription, Reach
from y90voxel.planning.split_problem import DoseConstraint, SplitProblem
from y90voxel.planning.stop_rules import stop_of
from y90voxel.quantification.partial_volume import fit_recovery

INSIDE, OUTSIDE = 0.95e-9, 1.05e-9


@pytest.mark.parametrize(("above", "factor"), [(0.0, 1.0), (INSIDE, 1.0), (OUTSIDE, 0.8)])
def test_a_shunt_above_its_class_by_rounding_is_in_it(above, factor):
    assert RESIN_SHUNT_REDUCTION.factor(0.10 + above) == factor


@pytest.mark.parametrize(("below", "factor"), [(0.0, 0.5), (INSIDE, 0.5), (OUTSIDE, 1.0)])
def test_a_shunt_below_the_next_class_by_rounding_is_in_that(below, factor):
    assert LungShuntReduction((0.10,), (1.0, 0.5), False).factor(0.10 - below) == factor


@pytest.mark.parametrize(("above", "refused"), [(INSIDE, False), (OUTSIDE, True)])
def test_a_part_above_its_whole_by_rounding_is_the_whole(above, refused):
    anatomy = Anatomy({"GTV1": 0.3}, perfused_normal_kg=1.2, whole_normal_kg=1.2)
    reached = (Territory("a", 0.06, (TumourUptake("GTV1", 0.3 * (1.0 + above), 4.0),), 1.2),)
    if refused:
        with pytest.raises(RegionError, match="the part of GTV1 that a reaches"):
            anatomy.check_territories(reached)
    else:
        anatomy.check_territories(reached)


@pytest.mark.parametrize(("above", "stops"), [(INSIDE, False), (OUTSIDE, True)])
@pytest.mark.parametrize("rule", ["shunt", "bilirubin"])
def test_what_exceeds_a_contraindication_by_rounding_does_not_exceed_it(rule, above, stops):
    shunt = 0.20 * (1.0 + above) if rule == "shunt" else 0.05
    bilirubin = 34.2 * (1.0 + above) if rule == "bilirubin" else None
    assert (stop_of("resin", shunt, ClinicalContext(bilirubin_umol_per_l=bilirubin)) is not None) is stops


@pytest.mark.parametrize(("below", "stops"), [(0.0, True), (INSIDE, True), (OUTSIDE, False)])
def test_lungs_that_lack_their_limit_by_rounding_are_used_up(below, stops):
    context = ClinicalContext(previous_lung_doses_gy=(20.0, 30.0 - 50.0 * below))
    assert (stop_of("glass", 0.05, context) is not None) is stops


@pytest.mark.parametrize(("above", "feasible"), [(0.95e-6, True), (1.05e-6, False)])
def test_a_goal_above_the_limit_by_what_the_solver_leaves_is_feasible(above, feasible):
    goal, limit = Reach("goal", 1.0 + above), Reach("limit", 1.0)
    found = Prescription((goal,), (limit,), goal)
    assert found.feasible is feasible
    assert found.shortfall == (0.0 if feasible else pytest.approx(above, rel=1e-3))


def test_without_a_goal_nothing_is_said_of_feasible_and_without_a_limit_a_goal_is():
    goal, limit = Reach("goal", 1.0), Reach("limit", 0.5)
    assert Prescription((), (limit,), None).feasible is None
    assert Prescription((goal,), (), goal).feasible is True


def test_a_goal_below_1_gy_that_nothing_reaches_is_approached_as_far_as_any():
    """The least activity that comes as close keeps every goal, however small its dose is."""
    constraints = (
        DoseConstraint("liver", "liver", Sense.BELOW, 0.3),
        DoseConstraint("tumour", "tumour", Sense.AT_LEAST, 0.9),
    )
    found = SplitProblem(constraints, np.array([[1.0], [2.0]]), np.array([5.0])).explain(least=True)
    assert found.shortfalls_gy == {"tumour": pytest.approx(0.3, rel=1e-5)}
    assert found.closest_activities_gbq == (pytest.approx(0.3, rel=1e-5),)


def test_recovery_that_is_the_same_for_all_spheres_is_no_curve():
    with pytest.raises(PhysicsError, match="does not grow with volume"):
        fit_recovery([1.0, 10.0], [0.5, 0.5], 0.05)


UID_64 = "1." + "2" * 62


@pytest.mark.parametrize("uid", [UID_64, "1.2.3"])
def test_a_uid_of_up_to_64_characters_is_one(uid, tmp_path):
    assert check_study_uid(uid) == uid
    writer = StudyWriter(tmp_path, uid)
    writer.add(sent(uid, uid, "1.2.5"))
    assert writer.count == 1


@pytest.mark.parametrize("place", range(3))
def test_a_uid_of_65_characters_or_of_other_signs_is_refused(place, tmp_path):
    for bad in (UID_64 + "2", "1.2.a", "../x", ""):
        uids = ["1.2.3", "1.2.4", "1.2.5"]
        uids[place] = bad
        with pytest.raises(DicomError, match="is not a UID"):
            StudyWriter(tmp_path, "1.2.3").add(sent(*uids))
        with pytest.raises(InputError, match="is not a study instance UID"):
            check_study_uid(bad)


def sent(study, series, instance):
    """An object as an archive sends it."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    with pydicom.config.disable_value_validation():
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = study, series, instance
    return dataset
