"""The case that a study in memory makes: images and injections, grids, regions placed, what is asked of the CT."""

from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.case.settings import load_settings
from y90voxel.errors import InputError, Notice
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.regions.region import DrawnRegion
from y90voxel.regions.roles import Role
from y90voxel.study import study as module
from y90voxel.study.study import Study
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import ActivityMap, CountMap, CtImage, Mask

GRID = Grid.from_spacing((8, 8, 8), (4.0, 4.0, 4.0))
GIVEN = {"activity_bq": 1e9, "lung_shunt_fraction": 0.05, "automatic": False}


def block(name, low, high, grid=GRID, **more):
    mask = np.zeros(grid.shape)
    mask[low:high, low:high, low:high] = 1.0
    return DrawnRegion(name, Mask(mask, grid), **more)


LIVER = block("Liver", 1, 7)


def image(modality="NM", grid=GRID, kind=CountMap):
    return EmissionImage(kind(np.ones(grid.shape), grid), modality, "Y-90")


def ct(grid=GRID):
    return CtImage(np.full(grid.shape, 40, np.int16), grid)


def study(*emissions, drawn=(LIVER,), **more):
    fields = {
        "ct": None,
        "planar": None,
        "identity": StudyIdentity(),
        "sources": (),
        "inputs": (),
        "notices": (),
    }
    return Study("S", emissions or (image(),), tuple(drawn), **(fields | more))


def test_a_case_takes_settings_or_facts():
    settings = load_settings(None, {"administration": {"activity": "2 GBq"}, "regions": {"automatic": False}})
    assert study().case(settings).injections[0].administration.activity_bq == 2e9
    assert study().case(**GIVEN).injections[0].administration.activity_bq == 1e9
    with pytest.raises(TypeError, match="takes settings or single facts, not both: activity_bq"):
        study().case(settings, activity_bq=1e9)


def test_what_a_case_is_called_and_whose_it_is():
    bare = study().case(**GIVEN)
    assert (bare.label, bare.patient, bare.study_instance_uid, bare.ct_tissue) == ("S", None, None, None)
    source = SourceSeries("1.2.3", "1.2")
    told = study(ct=ct(), sources=(source,)).case(**GIVEN, label="mine", patient={"ecog": 1})
    assert (told.label, told.patient.ecog) == ("mine", 1)
    assert told.study_instance_uid is not None
    assert told.ct_tissue is not None


def injections(number, **first):
    one = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.05}
    return [
        one | {"time": f"2026-03-02T{8 + at:02d}:00"} | (first if at == 0 else {}) for at in range(number)
    ]


@pytest.mark.parametrize(
    ("given", "images", "found"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 1), (2, 2, 2), (3, 2, None), (1, 2, None), (2, 3, None)],
)
def test_each_injection_has_its_image_or_all_have_one(given, images, found):
    made = study(*(image() for _ in range(images)))
    if found is None:
        with pytest.raises(
            InputError, match=f"{given} injections are described, but {images} emission images"
        ):
            made.case(injections=injections(given), automatic=False)
    else:
        case = made.case(injections=injections(given), automatic=False)
        assert (len(case.injections), len(case.injections[0].arteries)) == (
            found,
            given if images < given else 0,
        )


@pytest.mark.parametrize(("given", "images", "refused"), [(1, 1, False), (2, 1, False), (2, 2, True)])
def test_one_time_of_acquisition_is_of_one_image(given, images, refused):
    asked = {"acquisition_time": "2026-03-02T14:00", "automatic": False, "injections": injections(given)}
    made = study(*(image() for _ in range(images)))
    if refused:
        with pytest.raises(
            InputError, match="--acquisition-time is one time, but there are 2 emission images"
        ):
            made.case(**asked)
        assert len(made.case(**asked | {"acquisition_time": None}).injections) == 2
    else:
        assert made.case(**asked).injections[0].emission.acquisition_start == datetime(2026, 3, 2, 14)


def test_a_study_without_its_patient_keeps_roles_and_checksums():
    told = study(
        inputs=({"role": "ct", "files": 3, "sha256": "ab", "file": "Smith scan.nii", "series_instance_uid": "1.2"},),
        notices=(Notice("x", "Smith scan.nii is odd"),), drawn=(LIVER, block("Smith", 2, 4)),
    ).anonymous()  # fmt: skip
    assert told.inputs == ({"role": "ct", "files": 3, "sha256": "ab"},)
    assert (told.label, told.sources, told.identity.anonymised) == ("anonymous study", (), True)
    assert [region.name for region in told.drawn] == ["Liver", "region 2"]
    assert "Smith" not in told.notices[0].message


@pytest.fixture
def segmented(monkeypatch):
    """What is asked of the CT."""
    asked = []

    def automatic(ct, *, lungs, body):
        asked.append((lungs, body))
        return [block("Body (automatic)", 0, 8)] if body else [], []

    monkeypatch.setattr(module, "automatic_regions", automatic)
    return asked


@pytest.mark.parametrize(
    ("drawn", "roles", "wanted"),
    [
        ((), {}, (True, True)),
        (("Lung_L",), {}, (False, True)),
        (("Body",), {}, (True, False)),
        (("Thing",), {"Thing": "lung"}, (False, True)),
        (
            (),
            {"Body (automatic)": "ignore"},
            (True, True),
        ),  # a role for what is segmented is none of a drawn one
    ],
)
def test_lungs_and_body_come_from_the_ct_where_none_are_drawn(segmented, drawn, roles, wanted):
    regions = [LIVER, *(block(name, 0, 8) if name == "Body" else block(name, 2, 4) for name in drawn)]
    case = study(ct=ct(), drawn=regions).case(**GIVEN | {"automatic": True}, roles=roles)
    assert segmented == [wanted]
    names = [region.name for region in case.regions.drawn]
    assert ("Body (automatic)" in names) is (wanted[1] and not roles.get("Body (automatic)"))
    if "Body (automatic)" in names:
        assert case.regions["Body (automatic)"].role is Role.BODY


def test_without_a_ct_or_without_being_asked_nothing_is_segmented(segmented):
    study().case(**GIVEN | {"automatic": True})
    study(ct=ct()).case(**GIVEN)
    assert segmented == []


def test_regions_are_placed_once_for_grids_that_are_the_same(monkeypatch):
    calls, place = [], module.place_regions

    def counted(drawn, grid, roles, **more):
        calls.append((grid, more["drawn_on"]))
        return place(drawn, grid, roles, **more)[0], [Notice("odd", "the same"), Notice("own", str(grid))]

    monkeypatch.setattr(module, "place_regions", counted)
    other = Grid.from_spacing((9, 9, 9), (3.9, 3.9, 3.9))
    case = study(image(), image(), image(grid=other), ct=ct()).case(injections=injections(3), automatic=False)
    assert [grid is GRID for grid, _ in calls] == [True, False]
    assert all(drawn_on is GRID for _, drawn_on in calls)
    assert [notice.code for notice in case.notices].count("odd") == 1
    assert [notice.code for notice in case.notices].count("own") == 2
    assert [view.grid is GRID for view in case.views] == [True, True, False]
    calls.clear()
    study().case(**GIVEN)
    assert [drawn_on for _, drawn_on in calls] == [None]


@pytest.mark.parametrize(
    ("wanted", "spacing", "asked"),
    [
        ("emission", 4.0, False),
        ("ct", 4.0, False),
        (5.0, 4.0, True),
        (2.9, 4.0, True),
        (2.8, 4.0, True),
        (2.7, 4.0, False),  # 0.7 of 4 mm are 2.8
        (2.5, 2.0, True),  # fine across, and not along
    ],
)
@pytest.mark.parametrize("share", [None, 0.031])
def test_voxels_that_move_activity_over_outlines_are_those_of_the_image(
    monkeypatch, wanted, spacing, asked, share
):
    grid = Grid.from_spacing((8, 8, 8), (spacing, 4.0, 4.0))
    calls = []

    def moved(volume, view, regions):
        calls.append(regions.grid.spacing_mm)
        return {} if share is None else {"Liver": share}

    monkeypatch.setattr(module, "moved_by_grid", moved)
    made = study(image(grid=grid), drawn=[block("Liver", 2, 6, grid)], ct=ct(grid))
    case = made.case(**GIVEN, grid=wanted)
    assert len(calls) == asked
    refined = asked and share is not None
    assert case.grid.is_same_as(grid) is (refined or wanted in ("emission", "ct"))
    assert [n.message for n in case.notices if "Liver +3.1 %" in n.message and n.code == "grid-refined"] == (
        [next(n.message for n in case.notices if n.code == "grid-refined")] if refined else []
    )


@pytest.mark.parametrize(("most", "refused"), [(512, False), (511, True)])
def test_an_image_that_does_not_fit_is_not_gone_back_to(monkeypatch, most, refused):
    monkeypatch.setattr(module, "moved_by_grid", lambda *_: {"Liver": 0.1})
    monkeypatch.setattr(module, "MOST_VOXELS", most)
    assert study().case(**GIVEN, grid=5.0).grid.is_same_as(GRID) is not refused
    if refused:
        with pytest.raises(InputError, match="the dose grid would have"):
            study().case(**GIVEN)
    else:
        assert study().case(**GIVEN).grid is GRID


@pytest.mark.parametrize(("slices", "refused"), [(250, False), (251, True)])
def test_forty_million_voxels_are_computed(slices, refused):
    big = SimpleNamespace(grid=Grid.from_spacing((slices, 400, 400), (1.0, 1.0, 1.0)))
    if refused:
        with pytest.raises(InputError, match="up to 40 million are computed"):
            study(big)._dose_grid("emission")
    else:
        assert study(big)._dose_grid("emission") is big.grid


def test_the_grid_of_a_ct_needs_one():
    own = Grid.from_spacing((7, 7, 7), (5.0, 5.0, 5.0))
    assert study(ct=ct(own)).case(**GIVEN, grid="ct").grid is own
    with pytest.raises(InputError, match="--grid ct needs a CT, and the study has none"):
        study().case(**GIVEN, grid="ct")


@pytest.mark.parametrize(
    ("emission", "wanted", "mode"),
    [
        (image("NM"), None, "relative"),
        (image("PT"), None, "relative"),
        (image("PT", kind=ActivityMap), None, "absolute"),
        (image("NM", kind=ActivityMap), None, "relative"),
        (image("PT", kind=ActivityMap), "relative", "relative"),
        (image("file"), "absolute", "absolute"),
        (image("file"), None, None),
    ],
)
def test_the_calibration_is_what_the_image_says_of_itself(emission, wanted, mode):
    if mode is None:
        with pytest.raises(InputError, match="an image file carries no units"):
            study(emission).case(**GIVEN)
    else:
        assert study(emission).case(**GIVEN, calibration=wanted).settings.dose.calibration == mode


PLANAR = PlanarImage(np.ones((4, 4)), np.ones((4, 4)))


@pytest.mark.parametrize(
    ("fields", "shunt", "measure", "cast"),
    [
        ({"planar": PLANAR, "ct": ct()}, None, False, True),
        ({"planar": PLANAR, "ct": ct()}, "planar", False, True),
        ({"planar": PLANAR, "ct": ct()}, 0.05, False, False),
        ({"planar": PLANAR, "ct": ct()}, 0.05, True, True),
        ({"planar": PLANAR}, None, False, False),
        ({"ct": ct()}, None, False, False),
    ],
)
def test_shadows_on_planar_views_are_cast_where_a_shunt_may_be_measured(fields, shunt, measure, cast):
    facts = {"activity_bq": 1e9, "lung_shunt_fraction": shunt, "automatic": False}
    regions = study(**fields).case(**facts, measure_shunt=measure).planar_regions
    assert (regions is not None) is cast
    assert regions is None or regions.grid.spacing_mm == (2.0, 2.0, 2.0)


def test_each_image_has_its_view_and_its_injection():
    other = Grid.from_spacing((9, 9, 9), (3.9, 3.9, 3.9))
    first, second = injections(2)
    case = study(image(), image(grid=other)).case(
        injections=[first, second | {"administered_activity_bq": 2e9}], automatic=False
    )
    assert [view.grid for view in case.views] == [GRID, other]
    assert [one.administration.activity_bq for one in case.injections] == [1e9, 2e9]
    assert case.regions.grid is GRID
