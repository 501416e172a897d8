"""What earlier treatments used of limits, by folders in memory: which count, and how much."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.study import previous_treatments as module
from y90voxel.study.previous_treatments import PreviousTreatments, with_previous_treatments
from y90voxel.study.result_folder import DoseFolder
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap, Mask

GRID = Grid.from_spacing((1, 1, 2), (4.0, 4.0, 4.0))
DOSE = np.array([[[10.0, 40.0]]])
WEIGHTS = np.array([[[1.0, 0.5]]])  # of one region: (10 + 0.5 · 40) / 1.5 = 20 Gy


def region(name, role=Role.TUMOUR, weights=WEIGHTS):
    return Region(name, role, Mask(weights, GRID))


def folder(*regions, lung_gy=10.0, predicted=False, by_mass=()):
    stated = {name: SimpleNamespace(mass_weighted_mean_gy=mean) for name, mean in dict(by_mass).items()}
    side = ComparedDose(DoseMap(DOSE - 0.0, GRID), tuple(regions), nuclide="Y-90", stated=stated)
    document = {"lung": {"mean_mird_1kg_gy": lung_gy}, "predicted": predicted}
    return DoseFolder(side, None, (), ()), document


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Settings of a plan after folders that are there in memory only."""

    def run(*folders, plan=None, **tables):
        paths = [tmp_path / str(number) for number in range(len(folders))]
        by_path = dict(zip(paths, folders, strict=True))
        monkeypatch.setattr(module, "read_dose_folder", lambda path: by_path[path][0])
        monkeypatch.setattr(module, "read_json", lambda path: by_path[path.parent][1])
        given = {"plan": {"previous": [str(path) for path in paths]} | (plan or {}), **tables}
        return with_previous_treatments(load_settings(None, given))

    return run


def test_without_a_folder_nothing_changes(counted):
    found = counted(plan={"previous_lung_doses_gy": [3.0], "pretreated": False})
    assert (found.settings.plan.previous_lung_doses_gy, found.settings.plan.pretreated) == ([3.0], False)
    assert found.notices == ()


@pytest.mark.parametrize(("typed", "lungs"), [(None, [10.0, 12.0]), ([3.0], [3.0, 10.0, 12.0])])
def test_lung_doses_add_to_those_that_are_typed(counted, typed, lungs):
    found = counted(folder(), folder(lung_gy=12.0, predicted=True), plan={"previous_lung_doses_gy": typed})
    assert found.settings.plan.previous_lung_doses_gy == lungs
    assert found.settings.plan.pretreated is True
    first, second = (notice.message for notice in found.notices)
    assert "earlier treatment 1 (0): 10 Gy" in first
    assert "predicted from a surrogate, 12 Gy" in second


def test_what_contradicts_a_folder_is_refused(counted, tmp_path):
    with pytest.raises(InputError, match="not treated before"):
        counted(folder(), plan={"pretreated": False})
    with pytest.raises(InputError, match="states no lung dose"):
        counted(folder(lung_gy=None))
    with pytest.raises(InputError, match="leave one of both out"):
        counted(folder(), plan={"limit": [{"region": "GTV", "value": 90, "previous": 20}]})
    (tmp_path / "0").mkdir()
    twice = {"previous": [str(tmp_path / "0"), str(tmp_path / "0" / ".." / "0")]}
    with pytest.raises(InputError, match="a folder is given twice"):
        counted(folder(), plan=twice)


BED = {"alpha_beta_gy": 2.5, "repair_half_time_h": 2.5}
# Dose rate that falls with T1/2 = 64.1 h against repair of 2.5 h: BED = D (1 + D T_rep / ((T_rep + T1/2) a/b)).
BED_10, BED_40 = (d * (1 + d * 2.5 / (2.5 + 64.1) / 2.5) for d in (10.0, 40.0))


@pytest.mark.parametrize(
    ("regions", "by_mass", "limit", "used"),
    [
        ([region("GTV")], {}, {"region": "gtv"}, 20.0),
        ([region("GTV")], {"GTV": 19.0}, {"region": "GTV"}, 19.0),
        ([region("GTV")], {"GTV": None}, {"region": "GTV"}, 20.0),
        ([region("A"), region("Liver", Role.LIVER, np.ones((1, 1, 2)))], {}, {"region": "liver"}, 25.0),
        ([region("A", Role.NON_TUMOUR_LIVER)], {}, {"region": "non_tumour liver"}, 20.0),
        ([region("GTV")], {"GTV": 19.0}, {"region": "GTV", "metric": "BED", "parameters": BED}, (BED_10 + 0.5 * BED_40) / 1.5),
    ],
)  # fmt: skip
def test_a_limit_counts_the_region_of_its_name_else_the_only_one_of_its_role(
    counted, regions, by_mass, limit, used
):
    """By the mean that the run itself states, where it does; BED from its voxels."""
    found = counted(folder(*regions, by_mass=by_mass), plan={"limit": [limit | {"value": 90}]})
    (counted_limit,) = found.settings.plan.limit
    assert counted_limit.previous == pytest.approx(used, rel=1e-4)
    assert [notice.code for notice in found.notices] == ["previous-treatment", "previous-counted"]


def test_several_treatments_add(counted):
    found = counted(
        folder(region("GTV"), by_mass={"GTV": 0.25}), folder(region("GTV"), by_mass={"GTV": 0.5}),
        plan={"limit": [{"region": "GTV", "value": 90}]},
    )  # fmt: skip
    assert found.settings.plan.limit[0].previous == 0.75
    assert found.notices[-1].message == "limit on GTV mean: 0.75 Gy of earlier treatments counted."


@pytest.mark.parametrize(
    ("regions", "limit", "said"),
    [
        ([], {"region": "GTV"}, "earlier treatment 1 has no region 'GTV'"),
        ([region("A"), region("B")], {"region": "tumour"}, "has no region 'tumour'"),
        ([region("A")], {"region": "liver"}, "has no region 'liver'"),
        ([region("GTV", weights=np.zeros((1, 1, 2)))], {"region": "GTV"}, "has no voxel of 'GTV'"),
        ([region("GTV")], {"region": "GTV", "metric": "D70"}, "only mean doses and mean BED add up"),
    ],
)
def test_what_cannot_be_counted_is_said(counted, regions, limit, said):
    found = counted(folder(*regions), plan={"limit": [limit | {"value": 90}]})
    assert found.settings.plan.limit[0].previous == 0.0
    assert [notice.code for notice in found.notices] == ["previous-treatment", "previous-not-counted"]
    assert said in found.notices[-1].message


def test_earlier_treatments_are_of_the_same_patient():
    of_one = PreviousTreatments(
        load_settings(), identities=(StudyIdentity(patient_id="1", patient_name="A"),)
    )
    of_one.check_patient(StudyIdentity(patient_id="1", patient_name="A"))
    with pytest.raises(Exception, match="two patients"):
        of_one.check_patient(StudyIdentity(patient_id="2", patient_name="B"))
