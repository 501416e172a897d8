"""Regions from TotalSegmentator: the CT of a study goes to the user's own program, its masks become a file of regions.

The program, its licence and the weights that it downloads are the user's; nothing of it is part of this package. How it is
called: github.com/wasserth/TotalSegmentator, README, of version 2 (``-i``, ``-o``, ``--task``, ``--roi_subset``, ``--fast``).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from y90voxel.errors import InputError, Notice, RegionError
from y90voxel.io.dicom.dicom_study import DicomStudy
from y90voxel.io.images import is_image_file, read_ct_file
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.io.region_files import masks_of_folder
from y90voxel.io.segmentations import read_regions_file, region_name_of_file
from y90voxel.regions.placement import place_shape
from y90voxel.volumes.volume import CtImage, Mask

__all__ = ["ORGANS", "PROGRAM", "Segmented", "run_segment"]

Progress = Callable[[str, float], None]
Segmented = tuple[dict[str, Mask], tuple[Notice, ...]]
PROGRAM = "TotalSegmentator"
TASK = "total"
# Of the task ``total``, what a treatment of the liver asks for.
ORGANS = (
    "liver", "lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right", "lung_middle_lobe_right",
    "lung_lower_lobe_right", "stomach", "duodenum", "gallbladder",
)  # fmt: skip
MISSING = (
    f"{PROGRAM} is not on the path. It is a program of its own with a licence and weights of its own, and no part of y90voxel: "
    f"install it into an environment of yours (pip install {PROGRAM}), or run it anywhere on the CT and give the folder of masks "
    "that it writes to --regions."
)
# Of a mask that may be lost between its grid and that of the CT; chosen: rounding of positions loses less.
LOST_VOLUME = 0.01
LONGEST_SAID = 600  # [characters] of what it printed last that an error quotes


def run_segment(
    study: str | Path,
    out: str | Path,
    *,
    task: str = TASK,
    organs: Sequence[str] | None = None,
    fast: bool = False,
    progress: Progress | None = None,
) -> Segmented:
    """Let TotalSegmentator segment the CT of a study; write its regions to ``out``; return them and what is to be said.

    Parameters
    ----------
    study : path-like
        DICOM folder or zip with a CT, or an image file that is one.
    out : path-like
        File of regions to write, ``.nii.gz`` or ``.nii``, for ``--regions``; names stand in the JSON beside it.
    task : str
        Task of the program.
    organs : sequence of str or None
        Its classes; None takes `ORGANS` for the task ``total``, and all of any other.
    fast : bool
        The program's own coarse model.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the program is not installed, fails or finds nothing, the study has no CT, or the file cannot be written.
    """
    out = Path(out)
    if not out.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(
            f"{out} must end in .nii.gz or .nii: that is what --regions reads.", file=out, tag="-o"
        )
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(MISSING, tag=PROGRAM)
    report_progress = progress or (lambda what, done: None)
    report_progress("reading the CT", 0.0)
    ct = _ct(Path(study))
    chosen = organs if organs is not None else (ORGANS if task == TASK else ())
    with tempfile.TemporaryDirectory(prefix="y90voxel-segment-") as place:
        image, masks = Path(place) / "ct.nii.gz", Path(place) / "masks"
        write_nifti(ct, image)
        report_progress(f"running {PROGRAM}", 0.1)
        command = [program, "-i", str(image), "-o", str(masks), "--task", task, *(["--fast"] if fast else [])]
        _run([*command, *(["--roi_subset", *chosen] if chosen else [])])
        report_progress("reading its masks", 0.9)
        drawn, notices = _read(masks, ct)
    report_progress("writing regions", 0.95)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_regions_nifti(drawn, out, automatic=list(drawn))
    report_progress("done", 1.0)
    return drawn, notices


def _ct(path: Path) -> CtImage:
    """The CT of a study, or the file that is one."""
    if is_image_file(path):
        return read_ct_file(path)
    ct = DicomStudy.open(path, needs_emission=False).ct()
    if ct is None:
        raise InputError(f"{path} holds no CT: there is nothing to segment.", file=path)
    return ct


def _run(command: Sequence[str]) -> None:
    """Run the program; its progress goes to our stderr.

    Raises
    ------
    InputError
        If it ends with an error, or cannot be started.
    """
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise InputError(
            f"{command[0]} cannot be run: {error.strerror}.", file=command[0], tag=PROGRAM
        ) from error
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()[-LONGEST_SAID:] or "nothing"
        raise InputError(
            f"{PROGRAM} ended with exit code {done.returncode} and said: {said}", file=command[0], tag=PROGRAM
        )


def _read(folder: Path, ct: CtImage) -> Segmented:
    """The masks of a folder as regions that no person drew, and the organs that it did not find."""
    drawn: dict[str, Mask] = {}
    empty: list[str] = []
    for file in masks_of_folder(folder):
        try:
            regions = read_regions_file(file, notices=[])
        except RegionError:  # no voxel in it
            empty.append(region_name_of_file(file))
            continue
        for region in regions:
            mask, volume_ml = place_shape(region.shape, ct.grid)
            if not abs(mask.volume_ml - volume_ml) <= LOST_VOLUME * volume_ml:
                raise InputError(
                    f"{PROGRAM} drew {region.name} with {volume_ml:.4g} mL, of which {mask.volume_ml:.4g} mL lie in the CT: its "
                    "masks are not those of this CT.",
                    file=file.name,
                    tag=PROGRAM,
                )
            drawn[region.name] = mask
    if not drawn:
        raise InputError(
            f"{PROGRAM} found none of its organs in this CT. Check that it shows the abdomen, and --task.",
            tag=PROGRAM,
        )
    notices = [
        Notice(
            "automatic-regions",
            f"{len(drawn)} regions were segmented by {PROGRAM} and drawn by nobody: check them before they decide anything.",
        )
    ]
    if empty:
        notices.append(Notice("organs-not-found", f"{PROGRAM} did not find {', '.join(empty)}."))
    return drawn, tuple(notices)
