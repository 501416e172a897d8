"""A study as it is put together: what files replace, whose frame of reference counts, what is registered, what is refused."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.index import SeriesRole
from y90voxel.quantification.emission import EmissionImage
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.study import read_study as module
from y90voxel.study.read_study import _check_used, _Parts, read_study, trusted_regions
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, Mask

OWN, OTHER = "1.1", "9.9"


def grid(frame=OWN):
    return Grid.from_spacing((1, 1, 2), (4.0, 4.0, 4.0), frame_of_reference_uid=frame)


def image(frame=OWN):
    return EmissionImage(CountMap(np.ones((1, 1, 2)), grid(frame)), "NM")


def ct(frame=OWN):
    return CtImage(np.zeros((1, 1, 2)), grid(frame))


def contours(name, frame=OWN):
    return DrawnRegion(name, Contours((), frame))


class Dicom(SimpleNamespace):
    """A DICOM study of which every part is given."""

    def __init__(self, name="main", frame=OWN, patient="1", **changes):
        given = {
            "emission": image(frame), "ct": ct(frame), "regions": [contours("Liver", frame)], "planar": None,
            "inputs": [{"role": role, "file": f"{name} {role}"} for role in ("emission", "ct", "regions")],
            "source_references": [SourceSeries(f"{name} {n}", ()) for n in range(3)],
        }  # fmt: skip
        for key, value in {**given, **{k: v for k, v in changes.items() if k in given}}.items():
            setattr(self, key, lambda value=value: value)
        self.label, self.alignment, self.warnings = (
            changes.get("label", "label"),
            None,
            changes.get("warnings", []),
        )
        self.index = SimpleNamespace(path=Path(name), series=[])
        self.identity = StudyIdentity(patient_id=patient)
        self.registered = lambda progress: None
        self.brought = lambda drawn: drawn


def roles(parts):
    return [item["role"] for item in parts.inputs]


@pytest.fixture
def opened(monkeypatch):
    """Studies that are opened by the name of their file."""
    studies = {}
    monkeypatch.setattr(module, "_open", lambda path, *_, **__: studies[Path(path).name])
    return studies


@pytest.mark.parametrize(
    "replaced", [set(), {"emission"}, {"ct"}, {"regions"}, {"emission", "ct", "regions"}]
)
def test_files_replace_their_part_of_a_study_and_no_other(replaced):
    parts = _Parts(trust_frames=False)
    parts.add_main(Dicom(), replaced=replaced)
    assert (parts.emissions == []) is ("emission" in replaced)
    assert (parts.ct is None) is ("ct" in replaced)
    assert (parts.drawn == []) is ("regions" in replaced)
    assert roles(parts) == [role for role in ("emission", "ct", "regions") if role not in replaced]
    assert len(parts.sources) == 3 - len(replaced)


def test_facts_of_several_sources_are_told_once():
    said = Notice("a", "b")
    main = Dicom(warnings=[said])
    parts = _Parts(trust_frames=False)
    parts.add_dicom_facts(main)
    parts.add_dicom_facts(main)
    parts.add_dicom_facts(Dicom("other", warnings=[said, Notice("c", "d")]))
    assert len(parts.inputs) == len(parts.sources) == 6
    assert [notice.code for notice in parts.notices] == ["a", "c"]
    assert (parts.first, parts.identity) == (Path("main"), main.identity)
    assert parts.study(Path("a")).identity is main.identity
    assert _Parts(trust_frames=False).study(Path("a")).identity.patient_id == ""
    with pytest.raises(InputError, match="of two patients"):
        parts.add_dicom_facts(Dicom("third", patient="2"))


@pytest.mark.parametrize(("label", "path", "found"), [("mine", "a.b.zip", "mine"), (None, "a.b.zip", "a")])
def test_a_study_is_called_by_its_series_or_its_file(label, path, found):
    parts = _Parts(trust_frames=False, label=label, emissions=[image()])
    assert parts.study(Path(path)).label == found


@pytest.mark.parametrize(
    ("register", "aligned", "said"), [("rigid", False, True), ("rigid", True, False), (None, False, False)]
)
def test_a_registration_that_has_nothing_to_do_is_said(register, aligned, said):
    parts = _Parts(trust_frames=False, register=register, emissions=[image()])
    parts.alignment = SimpleNamespace() if aligned else None
    assert ([notice.code for notice in parts.study(Path("a")).notices] == ["register-unused"]) is said


@pytest.mark.parametrize(
    ("trust", "own", "frame", "moved"),
    [
        (True, OTHER, OWN, True),
        (False, OTHER, OWN, False),
        (True, OTHER, None, False),
        (True, OWN, OWN, False),
        (True, None, OWN, False),
    ],
)  # fmt: skip
def test_a_ct_of_another_frame_is_taken_as_common_where_that_is_asked_for(trust, own, frame, moved):
    parts = _Parts(trust_frames=trust)
    found = parts._trusted(ct(own), frame, "the CT")
    assert found.grid.frame_of_reference_uid == (OWN if moved else own)
    assert [notice.code for notice in parts.notices] == ["frames-trusted"] * moved


def test_regions_of_other_frames_are_taken_as_common_and_each_is_said_once():
    mask = DrawnRegion("mask", Mask(np.ones((1, 1, 2)), grid("8.8")))
    drawn = [contours("a"), contours("b", None), contours("c", OTHER), contours("d", OTHER), mask]
    moved, notices = trusted_regions(drawn, OWN)
    frames = [module.frame_of(region) for region in moved]
    assert frames == [OWN, None, OWN, OWN, OWN]
    assert [notice.message.split(",")[0].split()[-1] for notice in notices] == ["8.8", OTHER]
    assert trusted_regions(drawn, None) == (drawn, [])
    for trust, found in ((True, frames), (False, [OWN, None, OTHER, OTHER, "8.8"])):
        parts = _Parts(trust_frames=trust, emissions=[image()])
        assert [module.frame_of(region) for region in parts._trusted_regions(drawn)] == found


def read_as(monkeypatch, **parts):
    monkeypatch.setattr(module, "read_emission_file", lambda path, notices: image(None))
    monkeypatch.setattr(module, "read_ct_file", lambda path, notices: ct(None))
    monkeypatch.setattr(module, "file_record", lambda path, role: {"role": role})
    monkeypatch.setattr(module, "sidecar_of", lambda path, stem: parts.get("beside"))


@pytest.mark.parametrize(
    ("with_ct", "with_regions"), [(True, True), (True, False), (False, True), (False, False)]
)
@pytest.mark.parametrize("beside", [None, Path("pet.json")])
def test_an_image_file_beside_others_is_in_a_frame_that_is_not_known(
    monkeypatch, with_ct, with_regions, beside
):
    read_as(monkeypatch, beside=beside)
    parts = _Parts(trust_frames=False, ct=ct() if with_ct else None)
    parts.drawn = [contours("Liver")] if with_regions else []
    parts.add_emission(Path("pet.nii.gz"))
    assert [notice.code for notice in parts.notices] == ["frame-unknown"] * (with_ct or with_regions)
    assert roles(parts) == ["emission"] + ["emission side-car"] * (beside is not None)
    assert len(parts.emissions) == 1


def test_a_dicom_emission_brings_its_frame_to_the_ct_that_is_there(opened):
    opened["e.dcm"] = Dicom("e.dcm")
    parts = _Parts(trust_frames=True, ct=ct(OTHER), drawn=[contours("Liver", OTHER)])
    parts.add_emission(Path("e.dcm"))
    assert (parts.ct.grid.frame_of_reference_uid, module.frame_of(parts.drawn[0])) == (OWN, OWN)
    alone = _Parts(trust_frames=True)
    alone.add_emission(Path("e.dcm"))
    assert alone.ct is None
    assert roles(alone) == ["emission", "ct", "regions"]


def test_a_ct_comes_from_an_image_file_or_from_dicom_that_holds_one(opened, monkeypatch):
    read_as(monkeypatch)
    opened["ct.dcm"], opened["none.dcm"] = Dicom("ct.dcm", OTHER), Dicom("none.dcm", ct=None)
    parts = _Parts(trust_frames=True, emissions=[image()])
    parts.add_ct(Path("ct.nii.gz"))
    assert (parts.ct.grid.frame_of_reference_uid, roles(parts)) == (None, ["ct"])
    assert [notice.code for notice in parts.notices] == ["frame-unknown"]
    parts.add_ct(Path("ct.dcm"))
    assert parts.ct.grid.frame_of_reference_uid == OWN
    with pytest.raises(InputError, match=r"none\.dcm holds no CT"):
        parts.add_ct(Path("none.dcm"))


def test_regions_of_dicom_are_brought_where_the_study_knows_how(opened):
    opened["rs.dcm"], opened["none.dcm"] = (
        Dicom("rs.dcm", warnings=[Notice("a", "b")]),
        Dicom("none.dcm", regions=[]),
    )
    main = Dicom(warnings=[Notice("registered", "x")])
    main.brought = lambda drawn: [contours(f"brought {region.name}") for region in drawn]
    for given, name in ((main, "brought Liver"), (None, "Liver")):
        parts = _Parts(trust_frames=False, main=given, emissions=[image()])
        assert [region.name for region in parts._regions_of(Path("rs.dcm"))] == [name]
        assert [notice.code for notice in parts.notices] == ["registered"] * (given is not None) + ["a"]
    with pytest.raises(InputError, match=r"none\.dcm holds no regions"):
        parts._regions_of(Path("none.dcm"))


@pytest.mark.parametrize(("register", "frame"), [("rigid", OWN), (None, OTHER)])
def test_regions_of_another_frame_are_registered_where_that_is_asked_for(
    opened, monkeypatch, register, frame
):
    opened["rs.dcm"] = Dicom("rs.dcm", OTHER)
    monkeypatch.setattr(_Parts, "_registered_regions", lambda self, drawn, study: [contours("moved", OWN)])
    parts = _Parts(trust_frames=False, register=register, emissions=[image()])
    (found,) = parts._regions_of(Path("rs.dcm"))
    assert module.frame_of(found) == frame


@pytest.mark.parametrize(("name", "kept"), [("liver", True), ("aorta", False)])
def test_an_empty_mask_is_kept_where_its_name_has_a_role(monkeypatch, name, kept):
    def empty(path, notices):
        raise RegionError("it is empty")

    monkeypatch.setattr(module, "read_regions_file", empty)
    parts = _Parts(trust_frames=False)
    found = parts._mask_of(Path(f"{name}.nii.gz"))
    assert [region.name for region in found] == [name] * kept
    assert [notice.code for notice in parts.notices] == ["empty-mask"] * (not kept)


def registering(monkeypatch, drawn, *, moving=OTHER, own_ct=True, frame=OWN, aligned=None):
    """Regions that a registration carries: the names of those it was made with, and of those that came out."""
    seen = []

    def align(kind, moving, fixed, own, progress):
        seen.extend(region.name for region in own)
        return SimpleNamespace(
            alignment="alignment", notices=[Notice("aligned", kind)],
            carried=lambda region, to: (contours(region.name, to), [Notice("carried", region.name)]),
        )  # fmt: skip

    monkeypatch.setattr(module, "align_regions", align)
    parts = _Parts(
        trust_frames=False, register="rigid", emissions=[image(frame)], ct=ct() if own_ct else None
    )
    parts.alignment = aligned
    study = Dicom("rs", OTHER, ct=None if moving is None else ct(moving))
    return parts, seen, parts._registered_regions(drawn, study)


def test_regions_of_the_other_ct_are_carried_and_the_others_stay(monkeypatch):
    drawn = [contours("a", OTHER), contours("b", OWN), contours("c", None)]
    parts, seen, found = registering(monkeypatch, drawn)
    assert (seen, parts.alignment) == (["a"], "alignment")
    assert [module.frame_of(region) for region in found] == [OWN, OWN, None]
    assert [notice.code for notice in parts.notices] == ["aligned", "carried"]


@pytest.mark.parametrize(
    ("frames", "facts"),
    [
        ((OWN, None), {}),
        ((OTHER,), {"moving": None}),
        ((OTHER,), {"frame": None}),
        ((OWN,), {"aligned": "one"}),
    ],
)
def test_there_is_nothing_to_register(monkeypatch, frames, facts):
    drawn = [contours(str(n), frame) for n, frame in enumerate(frames)]
    parts, seen, found = registering(monkeypatch, drawn, **facts)
    assert (seen, found, parts.alignment) == ([], drawn, facts.get("aligned"))


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"own_ct": False}, "which has none"), ({"aligned": "one"}, r"rs is the second\); one is read")],
)
def test_a_registration_needs_a_ct_and_is_one(monkeypatch, facts, said):
    with pytest.raises(InputError, match=said):
        registering(monkeypatch, [contours("a", OTHER)], **facts)


@pytest.mark.parametrize(
    ("held", "replaced", "refused"),
    [
        ([], set(), "no DICOM object"),
        ([SeriesRole.REGIONS], {"regions"}, "only regions, which --regions replaces"),
        ([SeriesRole.REGIONS], {"ct"}, None),
        ([SeriesRole.REGIONS, SeriesRole.CT], {"regions"}, None),
        ([SeriesRole.CT], {"ct"}, None),
    ],
)
def test_a_study_of_which_nothing_would_be_used_is_refused(held, replaced, refused):
    main = SimpleNamespace(
        index=SimpleNamespace(path=Path("study"), series=[SimpleNamespace(role=role) for role in held])
    )
    if refused is None:
        _check_used(main, replaced, [Path("liver.nii.gz")])
    else:
        with pytest.raises(InputError, match=refused):
            _check_used(main, replaced, [Path("liver.nii.gz")])


@pytest.fixture
def main_and_others(monkeypatch):
    """A study whose emission series are chosen by their UID."""
    asked = []

    def study(uid):
        found = Dicom(uid or "own", emission=image())
        found.selection = SimpleNamespace(emission=uid or "own")
        found.index.series = [SimpleNamespace(role=SeriesRole.EMISSION)]
        return found

    def opened(path, trust_frames, progress=None, **choice):
        asked.append(choice)
        return study(choice["emission_series"])

    monkeypatch.setattr(module, "_open", opened)
    monkeypatch.setattr(
        module.DicomStudy,
        "open",
        lambda index, **choice: asked.append(choice) or study(choice["emission_series"]),
    )
    return asked


@pytest.mark.parametrize(
    ("series", "images"),
    [(None, 1), ("1.2", 1), (["1.2"], 1), (["1.2", "1.3"], 2), (["1.2", "1.3", "1.4"], 3)],
)
def test_each_injection_has_the_image_of_its_series(main_and_others, series, images):
    found = read_study("study", emission_series=series)
    assert len(found.emissions) == images
    assert [choice["emission_series"] for choice in main_and_others] == (
        series if isinstance(series, list) else [series]
    )
    assert [item["file"] for item in found.inputs if item["role"] == "ct"] == [
        f"{main_and_others[0]['emission_series'] or 'own'} ct"
    ]


@pytest.mark.parametrize("series", [["1.2", "1.2"], ["1.2", "1.3", "1.3"]])
def test_two_injections_share_no_series(main_and_others, series):
    with pytest.raises(InputError, match="two injections name the same emission series"):
        read_study("study", emission_series=series)


@pytest.mark.parametrize(("register", "how"), [(True, "rigid"), ("deformable", "deformable"), (False, None)])
def test_how_regions_are_registered(main_and_others, register, how):
    found = read_study("study", register=register)
    assert main_and_others[0]["register"] == how
    assert ("register-unused" in [notice.code for notice in found.notices]) is (how is not None)


@pytest.mark.parametrize("file", [None, "e.nii.gz"])
def test_a_study_needs_an_emission_image_where_no_file_is_one(main_and_others, monkeypatch, file):
    read_as(monkeypatch)
    found = read_study("study.d", emission=file)
    assert main_and_others[0]["needs_emission"] is (file is None)
    assert found.label == "label"
    alone = read_study(emission="e.nii.gz")
    assert (alone.label, alone.sources) == ("e", ())


def test_without_a_study_and_without_an_image_there_is_nothing_to_read():
    with pytest.raises(InputError, match="no study"):
        read_study(ct="ct.nii.gz")


def test_progress_of_headers_is_the_first_third(monkeypatch):
    given = []
    monkeypatch.setattr(module.DicomStudy, "open", lambda path, **choice: given.append(choice["progress"]))
    told = []
    module._open("study", False, lambda what, done: told.append((what, done)))
    module._open("study", False)
    given[0]("headers", 0.5)
    assert (told, given[1]) == ([("headers", 0.15)], None)


@pytest.mark.parametrize("replaces", [True, False])
def test_regions_of_files_stand_in_place_of_the_studys_own_which_is_said(
    main_and_others, monkeypatch, replaces
):
    read_as(monkeypatch)
    said = Notice("regions-replaced", "x") if replaces else None
    monkeypatch.setattr(module, "replaced_notice", lambda main, files, sources: said)
    monkeypatch.setattr(_Parts, "_regions_of", lambda self, path: [contours(path.name)])
    found = read_study("study", regions=["a.nii.gz", "b.dcm"])
    assert [region.name for region in found.drawn] == ["a.nii.gz", "b.dcm"]
    assert [notice.code for notice in found.notices] == ["regions-replaced"] * replaces
    assert [item["role"] for item in found.inputs] == ["emission", "ct"]
    assert read_study(emission="e.nii.gz", regions="a.nii.gz").notices == ()


def test_regions_alone_lie_beside_nothing(monkeypatch):
    def read(path, notices):
        notices.append(Notice("other", "x"))
        return [contours("a", None)]

    read_as(monkeypatch)
    monkeypatch.setattr(module, "read_regions_file", read)
    notices = []
    drawn, identity = module.read_region_files("a.nii.gz", notices)
    assert ([region.name for region in drawn], identity) == (["a"], None)
    assert [notice.code for notice in notices] == ["other"]
