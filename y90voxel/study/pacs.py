"""Results to an archive, and studies from one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from y90voxel.errors import InputError
from y90voxel.io.atomic import output_folder
from y90voxel.io.dicom.archive import OUR_TITLE, Peer, check_study_uid, dicom_files
from y90voxel.io.dicom.dicomweb import fetch_by_web, send_by_web
from y90voxel.io.dicom.network import fetch_study, send_objects

__all__ = ["fetch", "send"]

Progress = Callable[[str, float], None]


def send(
    path: str | Path,
    peer: str | None,
    *,
    dicomweb: str | None = None,
    our_title: str = OUR_TITLE,
    progress: Progress | None = None,
) -> list[str]:
    """Send the DICOM objects of a result folder to an archive and return the names of the files.

    Parameters
    ----------
    path : path-like
        Folder, or one file.
    peer : str or None
        ``AET@host:port``.
    dicomweb : str or None
        Address of a DICOMweb service instead.
    our_title : str
        Our application entity title.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If there is nothing to send, the archive cannot be reached or refuses us, or did not store every object; the
        message lists those.
    """
    _check_one(peer, dicomweb, "--to")
    files = dicom_files(path)
    if dicomweb is not None:
        where, failures = dicomweb, send_by_web(files, dicomweb, progress=progress)
    else:
        target = Peer.parse(str(peer))
        where = str(target)
        failures = send_objects(files, target, our_title=our_title, progress=progress)
    if failures:
        listed = "; ".join(f"{failure.file}: {failure.reason}" for failure in failures)
        raise InputError(
            f"{len(failures)} of {len(files)} objects were not stored by {where}: {listed}. The others were stored; sending "
            "again is harmless.",
        )
    return [file.name for file in files]


def fetch(
    study_instance_uid: str,
    peer: str | None,
    out: str | Path,
    *,
    dicomweb: str | None = None,
    our_title: str = OUR_TITLE,
    progress: Progress | None = None,
) -> int:
    """Fetch a study from an archive into a new folder and return the number of objects.

    Parameters
    ----------
    study_instance_uid : str
        Which study.
    peer : str or None
        ``AET@host:port``.
    out : path-like
        Folder to make; appears complete or not at all.
    dicomweb : str or None
        Address of a DICOMweb service instead.
    our_title : str
        Our application entity title.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the archive cannot be reached, refuses us, does not know the study or does not send all of it, or the folder
        cannot be made.
    """
    _check_one(peer, dicomweb, "--from")
    check_study_uid(study_instance_uid)
    with output_folder(out, command=None) as temporary:  # a study, no results
        if dicomweb is not None:
            return fetch_by_web(study_instance_uid, dicomweb, temporary, progress=progress)
        source = Peer.parse(str(peer))
        return fetch_study(study_instance_uid, source, temporary, our_title=our_title, progress=progress)


def _check_one(peer: str | None, dicomweb: str | None, option: str) -> None:
    """Raise unless exactly one way to the archive is given."""
    if (peer is None) == (dicomweb is None):
        raise InputError(f"give either {option} AET@host:port or --dicomweb URL.", tag=option)
