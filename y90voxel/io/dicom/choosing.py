"""One series of several: the only one, or the one whose UID begins so; else an error with the list."""

from __future__ import annotations

from collections.abc import Sequence

from y90voxel.errors import InputError
from y90voxel.io.dicom.index import SeriesRecord, SeriesRole

__all__ = ["by_prefix", "listed", "only"]


def listed(series: Sequence[SeriesRecord]) -> str:
    """Return series for a message."""
    return "; ".join(str(s) for s in series)


def by_prefix(series: Sequence[SeriesRecord], prefix: str, role: SeriesRole, option: str) -> SeriesRecord:
    """Return the series of a role whose UID begins so, or the object of several in a series."""
    fitting = [s for s in series if s.uid.startswith(prefix)]
    objects = [s for s in series if s.of_several and s.first.sop_instance_uid.startswith(prefix)]
    fitting = objects if len(objects) == 1 else fitting
    of_role = [s for s in fitting if s.role is role]
    if len(of_role) == 1:
        return of_role[0]
    there = [s for s in series if s.role is role]
    if of_role:
        problem = f"{len(of_role)} {role.value} series begin with {prefix}"
    elif fitting:
        problem = f"series {prefix} is no {role.value} series but {fitting[0].role.value} ({fitting[0]})"
    else:
        problem = f"no series begins with {prefix}"
    raise InputError(f"{option}: {problem}. There are: {listed(there) or 'none'}.", tag=option)


def only(series: Sequence[SeriesRecord], what: str, option: str) -> SeriesRecord:
    """Return the only series, or raise with the list."""
    if len(series) > 1:
        raise InputError(
            f"{len(series)} {what} series fit; choose one with {option} (a unique beginning of the UID will do): "
            f"{listed(series)}.",
            tag="SeriesInstanceUID",
        )
    return series[0]
