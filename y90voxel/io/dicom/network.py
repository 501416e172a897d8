"""DICOM over the network: objects sent by C-STORE, studies fetched by C-FIND and C-GET.

C-GET, not C-MOVE: it answers on the connection that we open, so no port has to listen here and no archive has to be told
where we are. Archives without it are reached by DICOMweb (:mod:`y90voxel.io.dicom.dicomweb`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom.archive import (
    OUR_TITLE,
    Failure,
    Peer,
    Progress,
    StudyWriter,
    check_study_uid,
    missing_extra,
)
from y90voxel.io.dicom.attributes import lenient_reading, number

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["fetch_study", "send_objects"]

# [s]; chosen: a busy archive answers within seconds, and nobody waits longer for one that is off.
TIMEOUT_S = 30.0
# What a study of ours is made of; a C-GET names what it is ready to receive.
RECEIVED = (
    "CTImageStorage", "EnhancedCTImageStorage", "LegacyConvertedEnhancedCTImageStorage", "MRImageStorage",
    "EnhancedMRImageStorage", "PositronEmissionTomographyImageStorage", "EnhancedPETImageStorage",
    "LegacyConvertedEnhancedPETImageStorage", "NuclearMedicineImageStorage", "SecondaryCaptureImageStorage",
    "RTStructureSetStorage", "RTDoseStorage", "RTPlanStorage", "SegmentationStorage", "SpatialRegistrationStorage",
    "DeformableSpatialRegistrationStorage", "RealWorldValueMappingStorage", "XRayAngiographicImageStorage",
    "RadiopharmaceuticalRadiationDoseSRStorage", "XRayRadiationDoseSRStorage", "BasicTextSRStorage", "EnhancedSRStorage",
    "ComprehensiveSRStorage", "KeyObjectSelectionDocumentStorage", "EncapsulatedPDFStorage",
)  # fmt: skip
SYNTAXES = [
    UID(f"1.2.840.10008.1.2{end}")
    for end in (
        ".1",
        "",
        ".2",
        ".1.99",
        ".4.70",
        ".4.57",
        ".4.80",
        ".4.81",
        ".4.90",
        ".4.91",
        ".5",
        ".4.50",
        ".4.51",
    )
]
# C-STORE statuses of objects that are stored, with a remark (PS3.4 B.2.3): coercion, elements discarded, no match.
STORED_WITH_REMARK = (0xB000, 0xB006, 0xB007)


def send_objects(
    files: Sequence[Path], peer: Peer, *, our_title: str = OUR_TITLE, progress: Progress | None = None
) -> list[Failure]:
    """Send DICOM files by C-STORE and return what was not stored.

    Parameters
    ----------
    files : sequence of Path
        What is sent.
    peer : Peer
        Where to.
    our_title : str
        Our application entity title.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the peer cannot be reached or does not accept the association, or a file cannot be read.
    """
    kinds = [_kind(file) for file in files]
    report_progress = progress or (lambda what, done: None)
    failures = []
    contexts = sorted({(sop_class, syntax) for sop_class, syntax in kinds})
    with _association(peer, our_title, contexts) as association:
        for done, (file, _) in enumerate(zip(files, kinds, strict=True)):
            report_progress("sending", done / len(files))
            reason = _run_c_store(association, file)
            if reason:
                failures.append(Failure(file.name, reason))
    report_progress("sent", 1.0)
    return failures


def fetch_study(
    study_instance_uid: str,
    peer: Peer,
    folder: Path,
    *,
    our_title: str = OUR_TITLE,
    progress: Progress | None = None,
) -> int:
    """Fetch a study by C-GET into a folder and return the number of objects.

    Parameters
    ----------
    study_instance_uid : str
        Which study.
    peer : Peer
        Where from.
    folder : Path
        Exists and is empty; one folder a series is made in it.
    our_title : str
        Our application entity title.
    progress : callable or None
        Called with what is being done and the finished fraction.

    Raises
    ------
    InputError
        If the peer cannot be reached, does not know the study or does not offer C-GET, or objects are missing.
    """
    # deferred: optional, and 0.1 s
    from pynetdicom import evt
    from pynetdicom.sop_class import (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
    )

    uid = check_study_uid(study_instance_uid)
    report_progress = progress or (lambda what, done: None)
    writer, problems = StudyWriter(folder, uid), []

    def receive(event: Any) -> int:
        try:
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            writer.add(dataset)
        except (DicomError, OSError, ValueError, TypeError, AttributeError) as error:
            problems.append(str(error))
            return 0xC000
        return 0x0000

    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", uid
    models = (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelGet)
    handlers = [(evt.EVT_C_STORE, receive)]
    with _association(
        peer, our_title, [(m, None) for m in models], receives=True, handlers=handlers
    ) as association:
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        for model, service in zip(models, ("C-FIND", "C-GET"), strict=True):
            if model not in accepted:
                raise InputError(
                    f"{peer} does not offer {service} for studies. Use its DICOMweb address (--dicomweb URL)."
                )
        report_progress("looking for the study", 0.0)
        listed = _count_objects(association, models[0], uid, peer)
        completed, failed = _run_c_get(
            association, query, models[1], peer, lambda done: report_progress("fetching", done)
        )
    if problems or failed or writer.count < max(completed, listed, 1):
        reason = f": {problems[0]}" if problems else ""
        raise InputError(
            f"the study was not fetched whole from {peer}: {writer.count} of {max(completed, listed)} objects arrived"
            f"{reason}. Nothing was kept; try again, or ask the archive's administrator.",
            tag="StudyInstanceUID",
        )
    return writer.count


def _kind(file: Path) -> tuple[str, str]:
    """Return SOP class and transfer syntax of a file."""
    try:
        meta = pydicom.filereader.read_file_meta_info(file)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except (InvalidDicomError, AttributeError, EOFError, OSError) as error:
        raise DicomError(f"{file} cannot be read as DICOM.", file=file) from error


@contextmanager
def _association(
    peer: Peer,
    our_title: str,
    contexts: Sequence[tuple[str, str | None]],
    *,
    receives: bool = False,
    handlers: Sequence[Any] = (),
) -> Iterator[Association]:
    """Give an association with a peer, released at the end."""
    try:
        # deferred: optional, and 0.1 s
        from pynetdicom import AE, build_role, sop_class
    except ImportError as error:
        raise missing_extra("pynetdicom") from error
    entity = AE(ae_title=our_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    for syntax, transfer in contexts:
        entity.add_requested_context(syntax, transfer or SYNTAXES[:2])
    roles = []
    if receives:
        for keyword in RECEIVED:
            storage = getattr(sop_class, keyword)
            entity.add_requested_context(storage, SYNTAXES)
            roles.append(build_role(storage, scp_role=True))
    _check_reachable(peer)
    association = entity.associate(
        peer.host, peer.port, ae_title=peer.title, ext_neg=roles, evt_handlers=list(handlers)
    )
    if not association.is_established:
        raise _association_error(association, peer, our_title)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _check_reachable(peer: Peer) -> None:
    """Raise when nothing answers at the peer's address."""
    try:
        socket.create_connection((peer.host, peer.port), timeout=TIMEOUT_S).close()
    except OSError as error:
        raise InputError(
            f"{peer.host}:{peer.port} cannot be reached ({error.strerror or error}). Check host, port and firewall, and that "
            "the archive is running.",
            tag="--to",
        ) from error


def _association_error(association: Association, peer: Peer, our_title: str) -> InputError:
    """Return the error for an association that did not come about."""
    if not association.is_rejected:
        return InputError(
            f"{peer.host}:{peer.port} ended the association without an answer: it is no DICOM archive (check the port), or it "
            f"does not know the titles. It was called {peer.title!r} and we are {our_title!r}.",
            tag="--to",
        )
    answer = association.acceptor.primitive
    reason = getattr(answer, "reason_str", "") or "no reason given"
    return InputError(
        f"{peer} rejected the association: {reason}. It was called {peer.title!r} and we are {our_title!r}; both titles are "
        "case-sensitive and have to be known to the archive.",
        tag="--to",
    )


def _run_c_store(association: Association, file: Path) -> str:
    """Send one file; return why it was not stored, empty when it was."""
    if not association.is_established:
        return "the connection was lost before"
    try:
        status = association.send_c_store(file)
    except ValueError:
        return "the archive does not accept this kind of object"
    code = status.get("Status") if status else None
    if code == 0 or code in STORED_WITH_REMARK:
        return ""
    return "no answer" if code is None else f"status 0x{code:04X}"


def _count_objects(association: Association, model: str, uid: str, peer: Peer) -> int:
    """Return how many objects the peer lists, 0 where it does not say; raise when it does not know the study."""
    matches = listed = 0
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", uid
    query.NumberOfStudyRelatedInstances = None
    for status, identifier in association.send_c_find(query, model):
        code = status.get("Status") if status else None
        if code in (0xFF00, 0xFF01):
            matches += identifier is not None
            with lenient_reading():
                stated = None if identifier is None else number(identifier, "NumberOfStudyRelatedInstances")
            listed = max(listed, int(stated or 0))
        elif code != 0:
            what = "no answer" if code is None else f"status 0x{code:04X}"
            raise InputError(f"{peer} failed while looking for the study ({what}).", tag="StudyInstanceUID")
    if not matches:
        raise InputError(f"{peer} knows no study {uid}. Check the UID.", tag="StudyInstanceUID")
    return listed


def _run_c_get(
    association: Association, query: Dataset, model: str, peer: Peer, report_fraction: Callable[[float], None]
) -> tuple[int, int]:
    """Run the C-GET; return how many objects the peer says it sent, and how many failed."""
    completed = failed = 0
    for status, _ in association.send_c_get(query, model):
        code = status.get("Status") if status else None
        if code is None:
            raise InputError(
                f"{peer} stopped answering while it sent the study. Nothing was kept; try again."
            )
        completed = int(status.get("NumberOfCompletedSuboperations", completed) or 0)
        failed = int(status.get("NumberOfFailedSuboperations", failed) or 0)
        remaining = int(status.get("NumberOfRemainingSuboperations", 0) or 0)
        report_fraction(completed / max(completed + remaining, 1))
        if code not in (0x0000, 0xFF00, 0xB000):
            raise InputError(
                f"{peer} failed while it sent the study (status 0x{code:04X}). Nothing was kept."
            )
    return completed, failed
