"""Random damage to the bytes of any file of a study: the right dose or a refusal, never anything else.

200 cases in every run. The long run::

    python -m pytest tests/mutation/test_random_damage.py -m slow

takes 2,400 more (``Y90VOXEL_DAMAGE_CASES`` and ``Y90VOXEL_DAMAGE_SEED`` choose others).
"""

import os

import numpy as np
import pytest
from mutation.damage import damaged
from mutation.outcome import LONGEST_S, differences, outcome_of
from mutation.studies import STUDIES, files_of, write

IN_EVERY_RUN = 80  # the slow test goes on with 2,400
# Nobody can see damage here: any pixel value and any slope is possible.
ANYTHING_GOES = {"PixelData", "RescaleSlope"}
# Values that stand in the study once, so that no reader can tell a digit that changed from one that was meant: vertices of
# contours, names that people gave, and what an object of all slices in one file says but once. (Slices in files of their own
# bear witness against each other, and there everything is compared.) Their faults of form are refused like all others.
SAID_ONCE = {
    "rs": {"ContourData", "ROIName"},
    "sg": {"SegmentLabel", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices"},
    "nm": {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept"},
    "enhanced pt": {
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RadiopharmaceuticalStartDateTime",
        "RadionuclideHalfLife", "RadionuclidePositronFraction", "SeriesTime", "SeriesDate", "AcquisitionTime",
        "AcquisitionDate", "DecayCorrection",
    },
    "enhanced ct": {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept"},
}  # fmt: skip
# A file that lost so much of its beginning is no DICOM file any more: the study is one without it.
SHORTEST_START = 200


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Files and dose of each valid study."""
    root = tmp_path_factory.mktemp("valid")
    files = {kind: files_of(made()) for kind, made in STUDIES.items()}
    return files, {kind: outcome_of(write(content, root / kind), kind) for kind, content in files.items()}


def problem_of(seed, valid, folder):
    """Return what is wrong with the outcome of one damage, None when it is right or refused."""
    rng = np.random.default_rng(seed)
    kind = list(STUDIES)[seed % len(STUDIES)]
    files, expected = valid[0][kind], valid[1][kind]
    groups = sorted({name[:2] for name in files})
    group = groups[int(rng.integers(len(groups)))]
    name = str(rng.choice([n for n in files if n.startswith(group)]))
    damage = damaged(files[name], rng)
    found = outcome_of(write({**files, name: damage.content}, folder), kind)
    what = f"seed {seed}: {damage.what} of {name} in {kind} ({', '.join(sorted(damage.hit))[:300]})"
    if found.seconds > LONGEST_S:
        return f"{what}: took {found.seconds:.1f} s"
    if found.refused is not None:
        return None if found.refused.strip() else f"{what}: refused without a word"
    said_once = SAID_ONCE.get(group, set()) | SAID_ONCE.get(f"{kind} {group}", set())
    if damage.hit & (ANYTHING_GOES | said_once) or damage.destroyed_start < SHORTEST_START:
        return None
    wrong = differences(found, expected)
    told = {code for code, message in found.notices.items() if expected.notices.get(code) != message}
    if expected.regions.keys() - found.regions.keys() and not told:
        wrong.append("a region is gone without a word")
    return f"{what}: {'; '.join(wrong)}" if wrong else None


def problems(seeds, valid, folder):
    found = [problem_of(seed, valid, folder / "study") for seed in seeds]
    return [problem for problem in found if problem is not None]


def test_random_damage_is_refused_or_harmless(tmp_path, valid):
    assert problems(range(IN_EVERY_RUN), valid, tmp_path) == []


@pytest.mark.slow
def test_much_random_damage_is_refused_or_harmless(tmp_path, valid):
    cases = int(os.environ.get("Y90VOXEL_DAMAGE_CASES", "2400"))
    first = int(os.environ.get("Y90VOXEL_DAMAGE_SEED", str(IN_EVERY_RUN)))
    assert problems(range(first, first + cases), valid, tmp_path) == []
