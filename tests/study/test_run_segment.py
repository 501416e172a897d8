"""TotalSegmentator as a stub on the path: what it is given, and what becomes of the masks that it writes."""

import json
import os
import sys

import numpy as np
import pytest
from study_factory import distances, write_study

from y90voxel.errors import InputError
from y90voxel.io.segmentations import read_regions_file
from y90voxel.study import run_segment as module
from y90voxel.study.run_segment import MISSING, ORGANS, run_segment

# Writes a ball a class about the middle of the image; obeys a file beside it.
STUB = """#!{python}
import json, pathlib, sys
import nibabel, numpy
here = pathlib.Path(__file__).parent
argv = sys.argv[1:]
(here / "argv.json").write_text(json.dumps(argv))
how = json.loads((here / "how.json").read_text())
if how.get("fail"):
    print("no weights")
    sys.exit(3)
image = nibabel.load(argv[argv.index("-i") + 1])
out = pathlib.Path(argv[argv.index("-o") + 1])
out.mkdir()
names = argv[argv.index("--roi_subset") + 1:] if "--roi_subset" in argv else ["liver_segment_1"]
centre = numpy.array(image.shape) / 2 - 0.5
apart = numpy.linalg.norm(numpy.stack(numpy.indices(image.shape), -1) - centre, axis=-1)
affine = image.affine @ numpy.diag([2, 2, 2, 1]) if how.get("resample") else image.affine
for number, name in enumerate(names):
    radius = 0 if name in how.get("empty", []) else 11 - number
    nibabel.save(nibabel.Nifti1Image((apart < radius).astype("uint8"), affine), out / f"{{name}}.nii.gz")
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Put the stub on the path; returns a function that says how it behaves."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "TotalSegmentator"
    program.write_text(STUB.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def behave(**how):
        (folder / "how.json").write_text(json.dumps(how))
        return folder

    behave()
    return behave


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", with_regions=False)


def argv_of(folder):
    return json.loads((folder / "argv.json").read_text())


def test_masks_become_regions_that_nobody_drew(stub, study, tmp_path):
    folder = stub(empty=["gallbladder"])
    out = tmp_path / "organs.nii.gz"
    drawn, notices = run_segment(study, out)
    assert list(drawn) == sorted(set(ORGANS) - {"gallbladder"})
    assert [notice.code for notice in notices] == ["automatic-regions", "organs-not-found"]
    assert "gallbladder" in notices[1].message
    typed = argv_of(folder)
    assert typed[typed.index("--task") + 1] == "total"
    assert typed[typed.index("--roi_subset") + 1 :] == list(ORGANS)
    read = {region.name: region for region in read_regions_file(out, notices=[])}
    assert read["liver"].automatic
    # a ball of eleven voxels of 4 mm about the middle of the CT, in its place
    grid = read["liver"].shape.grid
    ball = distances(grid.shape, grid.affine, np.array([0.0, 0.0, 0.0])) < 44
    assert np.array_equal(read["liver"].shape.array > 0.5, ball)


def test_the_regions_serve_a_dose(stub, study, tmp_path, run_cli):
    out = tmp_path / "organs.nii.gz"
    done = run_cli(
        "segment", study, "-o", out, "--organ", "liver", "--organ", "lung_upper_lobe_left", "--fast"
    )
    assert done.code == 0
    assert done.out.startswith("liver: ")
    assert done.out.endswith(f"\n{out}\n")
    assert "warning [automatic-regions]" in done.err
    given = ["--activity", "2 GBq", "--lung-shunt", "0.05", "--engine", "local", "--no-report"]
    dose = run_cli("dose", study, "--regions", out, "-o", tmp_path / "out", *given)
    assert dose.code == 0, dose.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    found = {region["name"]: (region["role"], region["automatic"]) for region in metrics["regions"]}
    assert found["liver"] == ("liver", True)


def test_options_reach_the_program_and_a_ct_may_be_a_file(stub, study, tmp_path):
    folder = stub()
    run_segment(study, tmp_path / "a.nii.gz")
    ct = tmp_path / "ct.nii.gz"
    module.write_nifti(module._ct(study), ct)
    drawn, _ = run_segment(ct, tmp_path / "b.nii", task="liver_segments", fast=True)
    typed = argv_of(folder)
    assert (typed[typed.index("--task") + 1], "--fast" in typed, "--roi_subset" in typed) == (
        "liver_segments",
        True,
        False,
    )
    assert list(drawn) == ["liver_segment_1"]


def test_without_the_program_it_is_explained(study, tmp_path, monkeypatch, run_cli):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as error:
        run_segment(study, tmp_path / "a.nii.gz")
    assert error.value.message == MISSING
    done = run_cli("segment", study, "-o", tmp_path / "a.nii.gz")
    assert (done.code, "--regions" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fail": True}, "ended with exit code 3 and said: no weights"),
        ({"resample": True}, "its masks are not those of this CT"),
        ({"empty": list(ORGANS)}, "found none of its organs"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_written(stub, study, tmp_path, how, message):
    stub(**how)
    with pytest.raises(InputError, match=message):
        run_segment(study, tmp_path / "a.nii.gz")
    assert not (tmp_path / "a.nii.gz").exists()


def test_a_program_that_cannot_be_started_is_said(stub, study, tmp_path):
    program = stub() / "TotalSegmentator"
    program.write_text("#!/nowhere/python\n")
    with pytest.raises(InputError, match="cannot be run"):
        run_segment(study, tmp_path / "a.nii.gz")


def test_another_ending_and_a_study_without_ct_are_refused(stub, tmp_path):
    stub()
    with pytest.raises(InputError, match=r"must end in \.nii\.gz or \.nii"):
        run_segment(tmp_path, tmp_path / "a.seg.nrrd")
    alone = write_study(tmp_path / "alone", with_ct=False, with_regions=False)
    with pytest.raises(InputError, match="holds no CT"):
        run_segment(alone, tmp_path / "a.nii.gz")
