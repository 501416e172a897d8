"""What is said where files of regions stand in place of those of a study."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from y90voxel.study.replaced_regions import replaced_notice

OWN, IMAGE, OTHER = (SimpleNamespace(name=name) for name in ("own", "image", "other"))
REGIONS = SimpleNamespace(
    modality="RTSTRUCT", description="drawn", first=SimpleNamespace(source="rs.dcm"), uid="1.2"
)


def study(regions=REGIONS):
    items = [{"role": "emission"}, {"role": "regions"}]
    return SimpleNamespace(
        selection=SimpleNamespace(regions=regions),
        inputs=lambda: items,
        source_references=lambda: [IMAGE, OWN],
    )


@pytest.mark.parametrize(
    ("regions", "read", "said"),
    [
        (None, [], False),
        (REGIONS, [], True),
        (REGIONS, [OTHER], True),
        (REGIONS, [IMAGE], True),  # the image was read, its regions were not
        (REGIONS, [OWN], False),
        (REGIONS, [OTHER, OWN], False),
    ],
)
def test_regions_of_the_study_are_left_unless_they_are_among_the_files(regions, read, said):
    notice = replaced_notice(study(regions), [Path("a.nii"), Path("b.nii")], read)
    assert (notice is not None) is said
    if notice is not None:
        assert (
            "(RTSTRUCT 'drawn' in 'rs.dcm', series 1.2) are left: those of 'a.nii' and 'b.nii'"
            in notice.message
        )
