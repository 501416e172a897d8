"""Steps of a registration without registering: whose liver guides it, which CT belongs to a dose, what an object says."""


"""Registrations of two doses without computing one: which CTs, which liver, which object, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.comparison.compared_dose import ComparedDose
from y90voxel.errors import GeometryError, InputError
from y90voxel.io.nifti import write_nifti
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.study import registering as module
from y90voxel.study.registering import Registering, placement_of
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform
from y90voxel.volumes.volume import CtImage, DoseMap, Mask

SHAPE = (2, 3, 4)
HALF = np.zeros(SHAPE)
HALF[0, 0] = 1.0, 0.5, 0.4, 0.0


def side(frame, *roles, values=HALF):
    grid = Grid.from_spacing(SHAPE, (4.0, 4.0, 4.0), frame_of_reference_uid=frame)
    regions = [Region(f"R{at}", role, Mask(values, grid)) for at, role in enumerate(roles)]
    return ComparedDose(DoseMap(np.ones(SHAPE), grid), tuple(regions))


LIVER = side("1.2", Role.LUNG, Role.LIVER)


class Aligned:
    """An alignment of CTs that cost nothing."""

    transform = AffineTransform(np.eye(4))
    summary = "They agree."

    def __init__(self, *given):
        self.given = given
        self.turned = False

    def reversed(self):
        self.turned = True
        return self

    def as_dict(self):
        return {"kind": "rigid"}


from y90voxel.comparison.dose_placement import Placement
from y90voxel.errors import GeometryError, InputError, Notice
from y90voxel.regions.regions import Region
from y90voxel.regions.roles import Role
from y90voxel.study import registering as module
from y90voxel.study.registering import Registering, _ct, _guides, _points, placement_of
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform
from y90voxel.volumes.volume import CtImage, Mask


def grid(frame="1.1"):
    return Grid.from_spacing((1, 1, 4), (10.0, 10.0, 10.0), frame_of_reference_uid=frame)


def region(name, role, row=(1.0, 1.0, 0.0, 0.0)):
    return Region(name, role, Mask(np.array(row).reshape(1, 1, 4), grid()))


LIVER, RIGHT, LEFT = (
    region("Liver", Role.LIVER),
    region("R", Role.LUNG),
    region("L", Role.LUNG, (0.0, 0.0, 0.0, 1.0)),
)


def side(*regions, frame="1.1"):
    return SimpleNamespace(regions=regions, dose=SimpleNamespace(grid=grid(frame)))


@pytest.mark.parametrize(
    ("row", "places"), [((0.5, 0.49, 1.0, 0.0), [0.0, 20.0]), ((0.0, 1.0, 0.0, 0.6), [10.0, 30.0])]
)
def test_the_liver_is_attended_to_where_it_fills_half_of_a_voxel(row, places):
    assert _points(region("Liver", Role.LIVER, row).mask)[:, 0].tolist() == places


def test_livers_and_lungs_that_both_sides_have_guide_a_deformation():
    found = _guides(side(LIVER, RIGHT, LEFT), side(LIVER, RIGHT))
    assert [guide.sign for guide in found] == [1.0, -1.0]
    both_lungs, right = (mask.array[0, 0].tolist() for mask in (found[1].moving, found[1].fixed))
    assert (both_lungs, right) == ([1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0])
    for sides in ((side(LIVER), side(LIVER, RIGHT)), (side(LIVER, RIGHT), side(LIVER))):
        assert [guide.sign for guide in _guides(*sides)] == [1.0]
    assert _guides(side(RIGHT), side(LIVER)) == []


@pytest.fixture
def study_with(monkeypatch):
    """A DICOM study with a CT in a frame, or none."""

    def made(frame, *, has_ct=True):
        ct = CtImage(np.zeros((1, 1, 4)), grid(frame)) if has_ct else None
        inputs = [{"role": "emission", "files": 1}, {"role": "ct", "files": 40}]
        study = SimpleNamespace(ct=lambda: ct, inputs=lambda: inputs)
        monkeypatch.setattr(module.DicomStudy, "open", lambda path, needs_emission: study)

    return made


@pytest.mark.parametrize(
    ("own", "frame", "refused"),
    [
        ("1.1", "1.1", False),
        ("2.2", "1.1", True),
        (None, "1.1", False),
        ("2.2", None, False),
        (None, None, False),
    ],
)
def test_the_ct_of_a_side_lies_in_the_frame_of_its_dose(study_with, own, frame, refused):
    study_with(own)
    if refused:
        with pytest.raises(GeometryError, match=r"lies in frame of reference 2\.2, the dose of them in 1\.1"):
            _ct("study", "them", "--ct", grid(frame))
    else:
        ct, said = _ct("study", "them", "--ct", grid(frame))
        assert (ct.grid.frame_of_reference_uid, said) == (own, {"file": "study", "role": "ct", "files": 40})


def test_the_ct_of_a_side_is_given_and_there(study_with, monkeypatch):
    with pytest.raises(
        InputError, match="needs the CT of them: give its folder, zip or image file with --ct"
    ):
        _ct(None, "them", "--ct", grid())
    study_with("1.1", has_ct=False)
    with pytest.raises(InputError, match="study holds no CT"):
        _ct("study", "them", "--ct", grid())
    monkeypatch.setattr(module, "read_ct_file", lambda path: CtImage(np.zeros((1, 1, 4)), grid(None)))
    monkeypatch.setattr(module, "file_record", lambda path, role: {"role": role})
    ct, said = _ct("ct.nii.gz", "them", "--ct", grid("1.1"))
    assert (ct.grid.frame_of_reference_uid, said) == ("1.1", {"role": "ct"})


@pytest.fixture
def aligned(monkeypatch):
    """What the alignment gets, of CTs that are named by their sides."""
    monkeypatch.setattr(module, "align_ct", Aligned)
    monkeypatch.setattr(module, "_ct", lambda path, which, option, grid: (which, {"file": str(path)}))


@pytest.mark.parametrize(
    ("predicted", "given", "turned"),
    [
        (side("1.1", Role.LIVER), ("the predicted study", "the delivered study"), False),
        (side("1.1", Role.LUNG), ("the delivered study", "the predicted study"), True),
    ],
)
@pytest.mark.parametrize("told", [True, False])
def test_the_liver_of_the_predicted_side_guides_where_it_has_one(aligned, predicted, given, turned, told):
    said = []
    progress = (lambda what, done: said.append(what)) if told else None
    placement, alignment = placement_of(Registering("rigid", "a", "b"), predicted, LIVER, progress)
    *cts, points = alignment.given
    assert (tuple(cts), alignment.turned) == (given, turned)
    assert points.tolist() == [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]  # occupied by half or more
    assert placement.inputs == ({"file": "a"}, {"file": "b"})
    assert said == (["reading the CTs", "aligning the CTs rigidly"] if told else [])
    assert "the predicted study was aligned rigidly with the delivered study" in placement.notices[0].message


def test_without_a_liver_there_is_nothing_to_attend_to(aligned):
    with pytest.raises(InputError, match="the delivered study has no liver"):
        placement_of(Registering("rigid", "a", "b"), LIVER, side("1.2", Role.LUNG))


@pytest.mark.parametrize(
    ("roles", "others", "signs"),
    [
        ((Role.LIVER, Role.LUNG), (Role.LIVER, Role.LUNG), [1.0, -1.0]),
        ((Role.LIVER,), (Role.LIVER, Role.LUNG), [1.0]),
        ((Role.LIVER, Role.LUNG), (Role.LIVER,), [1.0]),
        ((Role.LUNG,), (Role.LIVER, Role.LUNG, Role.LUNG), [-1.0]),
        ((), (Role.LIVER,), []),
    ],
)
def test_what_both_sides_have_guides_a_deformation(roles, others, signs):
    assert [guide.sign for guide in module._guides(side("1.1", *roles), side("1.2", *others))] == signs


def test_a_deformation_starts_from_the_rigid_alignment(aligned, monkeypatch):
    seen = []

    def deform(rigid, liver, guides, progress):
        seen.append((rigid, liver.grid, len(guides)))
        progress("deforming", 0.5)
        return "deformed"

    steps = []
    monkeypatch.setattr(module, "deform_ct", deform)
    monkeypatch.setattr(
        module, "_deformed", lambda deformed, guides, names: module.Placement(Aligned.transform, how=deformed)
    )
    asked = Registering("deformable", "a", "b")
    placement, alignment = placement_of(
        asked, side("1.1", Role.LIVER), LIVER, lambda what, done: steps.append(done)
    )
    ((rigid, grid, guides),) = seen
    assert (grid is LIVER.dose.grid, guides, alignment, placement.how) == (True, 1, "deformed", "deformed")
    assert isinstance(rigid, Aligned)
    assert steps == pytest.approx([0.0, 0.1, 0.65])


@pytest.mark.parametrize(
    ("own", "frame", "good"),
    [
        ("1.1", "1.1", True),
        (None, "1.1", True),
        ("1.1", None, True),
        (None, None, True),
        ("1.2", "1.1", False),
    ],
)
def test_the_ct_of_a_side_lies_in_its_frame(monkeypatch, own, frame, good):
    grid = Grid.from_spacing(SHAPE, (4.0, 4.0, 4.0), frame_of_reference_uid=own)
    ct = CtImage(np.zeros(SHAPE), grid)
    items = [{"role": "emission", "sha256": "x"}, {"role": "ct", "sha256": "y"}]
    study = SimpleNamespace(ct=lambda: ct, inputs=lambda: items)
    monkeypatch.setattr(module.DicomStudy, "open", lambda path, needs_emission: study)
    dose = side(frame).dose.grid
    if good:
        found, record = module._ct("folder", "the first", "--ct", dose)
        assert (found, record) == (ct, {"file": "folder", "role": "ct", "sha256": "y"})
    else:
        with pytest.raises(
            GeometryError, match=r"lies in frame of reference 1\.2, the dose of the first in 1\.1"
        ):
            module._ct("folder", "the first", "--ct", dose)
    monkeypatch.setattr(study, "ct", lambda: None)
    with pytest.raises(InputError, match="folder holds no CT"):
        module._ct("folder", "the first", "--ct", dose)


def test_a_ct_of_an_image_file_takes_the_frame_of_the_dose(tmp_path):
    grid = Grid.from_spacing(SHAPE, (4.0, 4.0, 4.0))
    write_nifti(CtImage(np.full(SHAPE, -1000, np.float32), grid), tmp_path / "ct.nii.gz")
    found, record = module._ct(tmp_path / "ct.nii.gz", "the first", "--ct", LIVER.dose.grid)
    assert (found.grid.frame_of_reference_uid, record["role"], record["file"]) == ("1.2", "ct", "ct.nii.gz")
    with pytest.raises(
        InputError, match="needs the CT of the first: give its folder, zip or image file with --ct"
    ):
        module._ct(None, "the first", "--ct", LIVER.dose.grid)


LINK = SimpleNamespace(source="1.1", target="1.9")


@pytest.fixture
def reg(tmp_path, monkeypatch):
    """A registration object that is there, and what is read of it."""

    def make(way, links=(LINK,)):
        monkeypatch.setattr(module, "index_study", lambda path: path)
        monkeypatch.setattr(module, "links_of", lambda index: list(links))
        monkeypatch.setattr(
            module,
            "path_between",
            lambda links, start, ends: way if (start, ends) == ("1.1", {"1.2"}) else None,
        )
        (tmp_path / "reg.dcm").touch()
        return tmp_path / "reg.dcm"

    return make


SHIFT = AffineTransform(np.array([[1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))

RIGID = SimpleNamespace(transform=SimpleNamespace(rigid=SHIFT, inverse=SHIFT.inverse), kind="rigid")


def test_a_rigid_object_places_a_dose(reg):
    path = reg(RIGID)
    placement, alignment = placement_of(Registering(str(path)), side("1.1"), side("1.2"))
    assert alignment is None
    assert placement.pull.points(np.zeros((1, 3))).tolist() == [[-5.0, 0.0, 0.0]]
    assert (placement.rigid, placement.base) == (SHIFT, SHIFT)
    assert (placement.record, placement.inputs[0]["role"]) == (
        {"kind": "object", "file": "reg.dcm", "map": "rigid"},
        "registration",
    )


class Bent:
    """A deformation that moves all points by 2 mm, and knows none beyond x = 4 mm."""

    rigid = None

    def inverse(self):
        return self

    def points(self, points):
        moved = points + np.array((2.0, 0.0, 0.0))
        moved[points[:, 0] > 4.0] = np.nan
        return moved


@pytest.mark.parametrize("values", [HALF, np.ones(SHAPE)])
def test_a_deformable_object_is_judged_in_the_liver(reg, monkeypatch, values):
    seen = []
    monkeypatch.setattr(
        module,
        "field_quality",
        lambda pull, grid, inside: SimpleNamespace(inside=inside, as_dict=lambda: {"q": 1}),
    )
    monkeypatch.setattr(module, "check_field", lambda quality: seen.append(quality.inside) or [])
    monkeypatch.setattr(module, "rigid_through", lambda start, end: (start, end))
    path = reg(SimpleNamespace(transform=Bent(), kind="deformable"))
    placement, _ = placement_of(Registering(str(path)), side("1.1"), side("1.2", Role.LIVER, values=values))
    (inside,) = seen
    assert inside.tolist() == (values >= 0.5).tolist()
    start, end = placement.base
    assert np.array_equal(start - end, np.tile((2.0, 0.0, 0.0), (len(end), 1)))
    assert end[:, 0].max() == 4.0
    assert placement.record["q"] == 1


@pytest.mark.parametrize(
    ("links", "said"),
    [((LINK,), "registers 1.1 with 1.9; needed is 1.1"), ((), "registers nothing; needed is")],
)
def test_an_object_of_other_frames_is_refused(reg, links, said):
    with pytest.raises(GeometryError, match=said):
        placement_of(Registering(str(reg(None, links))), side("1.1"), side("1.2"))


def test_an_object_needs_its_file_and_frames_and_no_ct(reg, tmp_path):
    path = str(reg(RIGID))
    for frames in ((None, "1.2"), ("1.1", None)):
        with pytest.raises(GeometryError, match="the frame of reference of one of the doses is not known"):
            placement_of(Registering(path), *(side(frame) for frame in frames))
    for cts in ({"predicted_ct": "a"}, {"delivered_ct": "a"}):
        with pytest.raises(InputError, match="a registration object needs no CT; leave a out"):
            placement_of(Registering(path, **cts), side("1.1"), side("1.2"))
    with pytest.raises(InputError, match="neither rigid nor deformable, and no such file"):
        placement_of(Registering(str(tmp_path / "none.dcm")), side("1.1"), side("1.2"))


    """Alignments of CTs by name: what was aligned with what, around how many points."""
    made = []

    def align(moving, fixed, points):
        made.append((moving, fixed, len(points)))
        turned = SimpleNamespace(name="turned")
        return SimpleNamespace(name="as found", reversed=lambda: turned)

    monkeypatch.setattr(
        module, "_ct", lambda path, name, option, dose: (path, {"name": name, "option": option})
    )
    monkeypatch.setattr(module, "align_ct", align)
    monkeypatch.setattr(module, "_rigid", lambda found, names: Placement(None, f"rigid, {found.name}"))
    monkeypatch.setattr(
        module,
        "deform_ct",
        lambda rigid, liver, guides, progress: progress("deforming", 0.5) or (rigid.name, len(guides)),
    )
    monkeypatch.setattr(
        module, "_deformed", lambda found, guides, names: Placement(None, f"deformed, {found}")
    )
    return made


@pytest.mark.parametrize(
    ("moving", "made", "how"),
    [((LIVER,), ("a", "b", 2), "as found"), ((RIGHT,), ("b", "a", 1), "turned")],
)
@pytest.mark.parametrize("kind", ["rigid", "deformable"])
def test_cts_are_aligned_around_the_liver_that_is_moved_where_there_is_one(aligned, moving, made, how, kind):
    told = []
    fixed = region("Liver", Role.LIVER, (1.0, 0.0, 0.0, 0.0))
    placement, found = placement_of(
        Registering(kind, "a", "b"), side(*moving), side(fixed), lambda what, done: told.append((what, done))
    )
    assert aligned == [made]
    assert [one["option"] for one in placement.inputs] == ["--predicted-ct", "--delivered-ct"]
    if kind == "rigid":
        assert (placement.how, found.name) == (f"rigid, {how}", how)
    else:
        assert found == (how, int(moving == (LIVER,)))
        assert told[-1] == ("deforming", pytest.approx(0.3 + 0.7 * 0.5))


def test_a_side_without_a_liver_cannot_be_registered_with(aligned):
    with pytest.raises(InputError, match="the delivered study has no liver"):
        placement_of(Registering("rigid", "a", "b"), side(LIVER), side(RIGHT))


@pytest.mark.parametrize(("cts", "named"), [(("a", None), "a"), ((None, "b"), "b"), (("a", "b"), "a")])
def test_a_registration_object_needs_no_ct(cts, named):
    with pytest.raises(InputError, match=f"a registration object needs no CT; leave {named} out"):
        placement_of(Registering("reg.dcm", *cts), side(LIVER), side(LIVER))


def object_of(monkeypatch, tmp_path, *, rigid=True, way=True, frames=("1.1", "2.2"), there=True):
    """The placement by a registration object that shifts 10 mm to the left."""
    file = tmp_path / "reg.dcm"
    if there:
        file.write_bytes(b"x")
    shift = AffineTransform(np.array([[1.0, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    pull = shift.inverse()
    transform = SimpleNamespace(inverse=lambda: pull, rigid=shift if rigid else None)
    found = SimpleNamespace(transform=transform, kind="a kind")
    monkeypatch.setattr(module, "index_study", lambda path: "index")
    monkeypatch.setattr(module, "links_of", lambda index: [SimpleNamespace(source="7", target="8")])
    monkeypatch.setattr(module, "path_between", lambda links, source, targets: found if way else None)
    monkeypatch.setattr(
        module,
        "field_quality",
        lambda pull, grid, inside: SimpleNamespace(as_dict=lambda: {"voxels": inside.sum()}),
    )
    monkeypatch.setattr(module, "check_field", lambda quality: [Notice("odd", "x")])
    predicted = side(LIVER, frame=frames[0])
    return placement_of(
        Registering(str(file)), predicted, side(region("L", Role.LIVER, (1, 0.5, 0.6, 0.4)), frame=frames[1])
    )


def test_a_registration_object_that_is_rigid_is_applied_as_it_is(monkeypatch, tmp_path):
    placement, alignment = object_of(monkeypatch, tmp_path)
    assert (alignment, placement.how) == (None, "registration object, a kind")
    assert placement.rigid is placement.base is not None
    assert [notice.code for notice in placement.notices] == ["registration-object"]
    assert [one["role"] for one in placement.inputs] == ["registration"]
    assert placement.record == {"kind": "object", "file": "reg.dcm", "map": "a kind"}


def test_a_field_is_judged_where_the_liver_is(monkeypatch, tmp_path):
    placement, _ = object_of(monkeypatch, tmp_path, rigid=False)
    assert (placement.rigid, placement.record["voxels"]) == (None, 3)
    assert placement.base.matrix[:3, 3] == pytest.approx([10.0, 0.0, 0.0], abs=1e-6)
    assert [notice.code for notice in placement.notices] == ["registration-object", "odd"]


@pytest.mark.parametrize(
    ("facts", "error", "said"),
    [
        ({"there": False}, InputError, "neither rigid nor deformable, and no such file"),
        ({"frames": (None, "2.2")}, GeometryError, "frame of reference of one of the doses is not known"),
        ({"frames": ("1.1", None)}, GeometryError, "frame of reference of one of the doses is not known"),
        ({"way": False}, GeometryError, r"registers 7 with 8; needed is 1\.1 \(predicted\) with 2\.2"),
    ],
)
def test_a_registration_object_is_there_and_of_both_frames(monkeypatch, tmp_path, facts, error, said):
    with pytest.raises(error, match=said):
        object_of(monkeypatch, tmp_path, **facts)


def test_what_an_alignment_of_cts_says(tmp_path):
    shift = AffineTransform(np.array([[1.0, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    found = SimpleNamespace(transform=shift, summary="By 10 mm.", as_dict=lambda: {"mm": 10})
    placement = module._rigid(found, ("a", "b"))
    assert placement.pull.points(np.array([[10.0, 0.0, 0.0]])) == pytest.approx(np.zeros((1, 3)))
    assert (placement.rigid, placement.record) == (shift, {"mm": 10})
    deformed = SimpleNamespace(
        pull=shift, rigid=found, summary="By 10 mm.", as_dict=lambda: {"mm": 10}, notices=(Notice("x", "y"),)
    )
    placement = module._deformed(deformed, ["guide"], ("a", "b"))
    assert (placement.rigid, placement.base, placement.record) == (None, shift, {"guides": 1, "mm": 10})
    assert [notice.code for notice in placement.notices] == ["registered-deformably", "x"]
