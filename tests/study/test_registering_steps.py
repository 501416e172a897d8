"""Steps of a registration without registering: whose liver guides it, which CT belongs to a dose, what an object says."""

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
