"""DICOMweb: objects sent by STOW-RS, studies fetched by QIDO-RS and WADO-RS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom

from y90voxel.errors import InputError
from y90voxel.io.dicom.archive import Failure, Progress, StudyWriter, check_study_uid, missing_extra

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient

__all__ = ["fetch_by_web", "send_by_web"]

# A service has so long to take a connection, and to send the next piece of an answer [s].
CONNECT_S, ANSWER_S = 10.0, 60.0


def send_by_web(files: Sequence[Path], url: str, *, progress: Progress | None = None) -> list[Failure]:
    """Send DICOM files by STOW-RS and return what was not stored.

    Parameters
    ----------
    files : sequence of Path
        What is sent, one request each.
    url : str
        Root of the service, such as ``https://host/dicom-web``.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the service cannot be reached.
    """
    requests = _requests()
    report_progress = progress or (lambda what, done: None)
    failures = []
    with _reached(url) as client:
        for done, file in enumerate(files):
            report_progress("sending", done / len(files))
            try:
                answer = client.store_instances([pydicom.dcmread(file)])
            except requests.HTTPError as error:
                failures.append(Failure(file.name, _status(error)))
            else:
                if answer.get("FailedSOPSequence"):
                    failures.append(Failure(file.name, "the service did not store it"))
    report_progress("sent", 1.0)
    return failures


def fetch_by_web(study_instance_uid: str, url: str, folder: Path, *, progress: Progress | None = None) -> int:
    """Fetch a study by WADO-RS into a folder and return the number of objects.

    Parameters
    ----------
    study_instance_uid : str
        Which study.
    url : str
        Root of the service.
    folder : Path
        Exists and is empty; one folder a series is made in it.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the service cannot be reached, does not know the study, or sends less than it lists.
    """
    requests = _requests()
    uid = check_study_uid(study_instance_uid)
    report_progress: Callable[[str, float], None] = progress or (lambda what, done: None)
    writer = StudyWriter(folder, uid)
    with _reached(url) as client:
        report_progress("looking for the study", 0.0)
        try:
            listed = len(client.search_for_instances(uid))
            if listed:
                for dataset in client.iter_study(uid):
                    writer.add(dataset)
                    report_progress("fetching", min(writer.count / listed, 1.0))
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != 404:
                raise InputError(
                    f"the DICOMweb service at {url} failed ({_status(error)}).", tag="--dicomweb"
                ) from error
            listed = 0
    if not listed:
        raise InputError(
            f"the DICOMweb service at {url} knows no study {uid}. Check the UID.", tag="StudyInstanceUID"
        )
    if writer.count < listed:
        raise InputError(
            f"the study was not fetched whole from {url}: {writer.count} of {listed} objects arrived. Nothing was kept; try "
            "again.",
            tag="StudyInstanceUID",
        )
    return writer.count


def _requests() -> Any:
    """Return the library that speaks HTTP; it comes with dicomweb-client."""
    try:
        # deferred: optional, and 0.1 s
        import dicomweb_client  # noqa: F401
        import requests
    except ImportError as error:
        raise missing_extra("dicomweb-client") from error
    return requests


@contextmanager
def _reached(url: str) -> Iterator[DICOMwebClient]:
    """Give a client; name what is wrong when there is no service."""
    requests = _requests()
    # deferred: optional, and 0.1 s
    from dicomweb_client.api import DICOMwebClient

    try:
        client = DICOMwebClient(url=url, timeout=(CONNECT_S, ANSWER_S))
    except ValueError as error:
        raise InputError(
            f"{url} is not an address of a DICOMweb service, such as https://host/dicom-web.",
            tag="--dicomweb",
        ) from error
    client.set_http_retry_params(retry=False)  # its waits add up to minutes before an error is told
    try:
        yield client
    except (requests.ConnectionError, requests.Timeout) as error:
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            reason = (
                f"does not answer: no connection within {CONNECT_S:g} s, or nothing came for {ANSWER_S:g} s. Nothing was kept; "
                "check the service and try again"
            )
        else:
            reason = "cannot be reached. Check the address, and that the service is running"
        raise InputError(f"{url} {reason}.", tag="--dicomweb") from error
    except requests.exceptions.RequestException as error:
        raise InputError(f"{url} does not answer as a DICOMweb service.", tag="--dicomweb") from error


def _status(error: Any) -> str:
    """Return the HTTP status of an error."""
    response = error.response
    return "no answer" if response is None else f"HTTP {response.status_code}"
