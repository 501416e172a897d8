"""Texts without what says who a patient is: messages, names of regions, errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from y90voxel.errors import Y90Error
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.regions.roles import ROLE_WORDS, normalised_name

__all__ = ["anonymous_errors", "identity_words", "names_nobody", "without_identity"]

# Paths, UIDs, names of image files, dates and times of day.
_TELLING = re.compile(
    r"\S*[/\\]\S*|\b\d+(?:\.\d+){4,}\b"
    r"|\S+\.(?:dcm|ima|nii|nrrd|gz|zip|mha|mhd|toml|csv|tsv|parquet|json|txt|log|key)\b"
    r"|\b\d{4}-?\d{2}-?\d{2}(?:[T ]\d{2}:?\d{2}\S*)?"
)
# What looks like a path and is a unit.
_UNIT = re.compile(r"(?:[kMG]?Bq|m?g|[uµ]?mol|Gy|J|cps|counts)/(?:m?L|dL|k?g|[kMG]?Bq)")
_SHORTEST_TOKEN = 3  # letters; chosen: shorter ones are parts of ordinary words
# Words that region names are made of besides those of roles; a name with any other word may be a person's.
_ANATOMY_WORDS = (
    "adrenal and aorta artery bile bladder bone bowel brain breast caudate cava cord ctv cyst duct "
    "duodenum embolised esophagus eye gallbladder gastric healthy heart hepatic i ii iii inferior iv "
    "iva ivb kidney kidneys left lobe lower lymph marrow middle muscle necrosis node non normal oar "
    "oesophagus of outside pancreas parenchyma part portal ptv quadrate rectum remnant reserve rest "
    "right ring roi sacrum seg segment shunt skeleton spinal spine spleen sternum stomach structure "
    "superior target the thyroid tissue to trachea trunk untreated upper v vein vena ventricle vertebra "
    "vertebrae vessel vi vii viii volume wall without"
)
_ANATOMY = frozenset(_ANATOMY_WORDS.split())
_LONGEST_NUMBER = 2  # digits; chosen: numbers of segments and tumours, not of records
# Quotes stand before and after words; an apostrophe stands within one.
_QUOTED = re.compile(r"(?<!\w)'[^\n]*?'(?!\w)|\"[^\"\n]*\"")


def without_identity(text: str, words: Iterable[str] = ()) -> str:
    """Return a message without paths, file names, UIDs, dates, and quoted names that are not of anatomy.

    Given words go wherever they stand.

    Examples
    --------
    >>> without_identity("DOE_JOHN.nrrd was taken on 2026-03-02T10:30 in 1.2.840.10008.5.1 with 1.05 g/mL.")
    '… was taken on … in … with 1.05 g/mL.'
    >>> without_identity("the patient's 'Smith left' and 'O'Neill' are left")
    "the patient's '…' and '…' are left"
    """
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(re.escape(word), "…", text, flags=re.IGNORECASE)
    quoted = _QUOTED.sub(lambda match: match[0] if names_nobody(match[0]) else "'…'", text)
    return _TELLING.sub(lambda match: match[0] if _UNIT.fullmatch(match[0].strip("(.,;:)")) else "…", quoted)


def names_nobody(name: str) -> bool:
    """Return whether every word of a region's name is one of anatomy or of a role.

    Examples
    --------
    >>> names_nobody("GTV 2"), names_nobody("Right lobe S8"), names_nobody("Smith tumour")
    (True, True, False)
    """
    return all(
        word in _ANATOMY
        or word in ROLE_WORDS
        or len(word) == 1
        or (word.isdigit() and len(word) <= _LONGEST_NUMBER)
        for word in normalised_name(name).split()
    )


@contextmanager
def anonymous_errors(wanted: bool, words: Iterable[str] = ()) -> Iterator[None]:
    """Take identity out of errors on their way out: file names, quoted names, UIDs, dates, and the words given."""
    try:
        yield
    except Y90Error as error:
        if wanted:
            error.message, error.file = without_identity(error.message, words), None
            error.args = (error.message,)
        raise


def identity_words(identity: StudyIdentity) -> set[str]:
    """Return the parts of a patient's name and identifiers, in small letters."""
    words = re.split(
        r"[\W_^]+", f"{identity.patient_name} {identity.patient_id} {identity.accession_number}".lower()
    )
    return {word for word in words if len(word) >= _SHORTEST_TOKEN}
