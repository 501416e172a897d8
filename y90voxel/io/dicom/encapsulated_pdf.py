"""A PDF as a DICOM object, so that it lies beside the images of its study in an archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pydicom
from pydicom.sequence import Sequence as Items
from pydicom.uid import EncapsulatedPDFStorage

from y90voxel.errors import InputError
from y90voxel.io.dicom.encoded import put_sequence
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.new_object import new_object, reference, save

__all__ = ["write_encapsulated_pdf"]

SERIES_NUMBER = 9006  # chosen: above those of scanners, so that derived series stand last


def write_encapsulated_pdf(
    pdf: str | Path,
    path: str | Path,
    *,
    title: str,
    objects: Sequence[str | Path] = (),
    identity: StudyIdentity | None = None,
    references: Sequence[SourceSeries] = (),
    created: datetime | None = None,
) -> None:
    """Write a PDF file as Encapsulated PDF (DICOM PS3.3 A.45.1).

    Parameters
    ----------
    pdf : path-like
        The file to enclose.
    path : path-like
        The file to write.
    title : str
        Title of the document.
    objects : sequence of path-like
        DICOM files that it tells of; of a study whose identity was removed, they alone are referred to.
    identity : StudyIdentity, optional
        Patient and study; nobody's in a new study by default.
    references : sequence of SourceSeries
        What the document was made from.
    created : datetime, optional
        When it was made; now by default.

    Raises
    ------
    InputError
        If the file is no PDF.
    """
    content = Path(pdf).read_bytes()
    if not content.startswith(b"%PDF-"):
        raise InputError(f"{pdf} is no PDF: it does not begin with %PDF-.", file=pdf)
    whose = identity or StudyIdentity()
    dataset = new_object(
        whose, EncapsulatedPDFStorage, "DOC", "y90voxel report (research use)", SERIES_NUMBER, created
    )
    dataset.ConversionType = "WSD"
    # A report has no name in it, but dates and a label of the study, unless identity was removed.
    dataset.BurnedInAnnotation = "NO" if whose.anonymised else "YES"
    dataset.AcquisitionDateTime = ""
    dataset.DocumentTitle = title
    dataset.ConceptNameCodeSequence = Items([])
    sources = [] if whose.anonymised else [i for series in references for i in series.instances]
    for header in (pydicom.dcmread(file, stop_before_pixels=True) for file in objects):
        sources.append((header.SOPClassUID, header.SOPInstanceUID))
    if sources:
        put_sequence(dataset, "SourceInstanceSequence", [reference(*instance) for instance in sources])
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    save(dataset, path)
