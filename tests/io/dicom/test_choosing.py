"""One series of several, by the beginning of its UID or because it is alone."""

from types import SimpleNamespace

import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom.choosing import by_prefix, only
from y90voxel.io.dicom.index import SeriesRole

CT, REGIONS = SeriesRole.CT, SeriesRole.REGIONS


class Series(SimpleNamespace):
    """A series as far as a choice looks at it."""

    def __str__(self):
        return f"series {self.uid}"


def series(uid, role=CT, instance=None):
    """A series; with an instance one of the objects that share a series."""
    return Series(
        uid=uid,
        role=role,
        of_several=instance is not None,
        first=SimpleNamespace(sop_instance_uid=instance or f"1.9.{uid}"),
    )


ONE, TWO, DRAWN = series("1.2.1"), series("1.2.2"), series("1.3", REGIONS)
OLD, NEW = series("1.4", REGIONS, "1.5.1"), series("1.4", REGIONS, "1.5.2")
ALL = [ONE, TWO, DRAWN, OLD, NEW]


@pytest.mark.parametrize(
    ("prefix", "role", "chosen"),
    [
        ("1.2.1", CT, ONE),
        ("1.2.2", CT, TWO),
        ("1.3", REGIONS, DRAWN),
        ("1.5.1", REGIONS, OLD),  # an object of several in a series, by its own UID
        ("1.5.2", REGIONS, NEW),
        ("1", REGIONS, "3 regions series begin with 1"),
        ("1.2", CT, "2 ct series begin with 1.2"),
        ("1.4", REGIONS, "2 regions series begin with 1.4"),
        ("1.5", REGIONS, "no series begins with 1.5"),
        (
            "1.2.1",
            REGIONS,
            r"series 1.2.1 is no regions series but ct \(series 1.2.1\). There are: series 1.3; ",
        ),
        ("1.9.1.2.1", CT, "no series begins with 1.9.1.2.1"),  # objects of a whole series are none to choose
    ],
)
def test_a_series_is_chosen_by_a_beginning_that_only_it_has(prefix, role, chosen):
    if isinstance(chosen, Series):
        assert by_prefix(ALL, prefix, role, "--series") is chosen
    else:
        with pytest.raises(InputError, match=f"--series: {chosen}") as told:
            by_prefix(ALL, prefix, role, "--series")
        assert told.value.tag == "--series"


def test_without_any_of_the_role_none_are_listed():
    with pytest.raises(InputError, match=r"There are: none\."):
        by_prefix([ONE], "1.2.1", REGIONS, "--series")


def test_the_only_series_is_taken_and_one_of_two_is_not():
    assert only([ONE], "CT", "--ct-series") is ONE
    with pytest.raises(
        InputError, match=r"2 CT series fit; choose one with --ct-series .*: series 1\.2\.1; series 1\.2\.2"
    ):
        only([ONE, TWO], "CT", "--ct-series")
