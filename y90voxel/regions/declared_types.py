"""Regions that their file declares to be tumours: whether their names agree."""

from __future__ import annotations

import re

from y90voxel.regions.regions import DERIVED_NAMES
from y90voxel.regions.roles import TUMOUR_WORDS, Role, normalised_name, role_of_name

__all__ = ["contradicts_tumour", "declared_role", "is_tumour_code", "looks_like_tumour"]

# Neoplasm; primary, malignant primary, secondary; metastasis; gross tumour volume; in SNOMED CT and its older form.
_CODES = {
    "SCT": {"108369006", "372087000", "86049000", "14799000", "128462008", "228791009"},
    "SRT": {"M-8FFFF", "M-80000", "M-80003", "M-80006", "M-80009"},
}
_OLDER_SCHEMES = {"99SDM": "SRT", "SNM3": "SRT"}

_WHOLES = (Role.LIVER, Role.LUNG, Role.BODY, Role.PERFUSED)
# Volumes about a tumour, and what is left when it is taken away.
_AROUND_WORDS = (
    "ctv ptv itv prv oar ring margin margins expansion expanded shell peritumoral peritumoural pseudotumor pseudotumour "
    "normal healthy uninvolved avoid avoidance sparing minus without wo sub excl excluding ohne gesund gesunde gesundes "
    "sans sain senza sano sana sin nontumor nontumour nontumoral nontumoural"
)
# What a name without any word of a tumour may be about, which then is none.
_OTHER_WORDS = (
    "liver leber foie fegato higado figado lever watroba hepar lobe lung lungs lunge lungen poumon poumons polmone polmoni "
    "pulmon pulmones body external skin patient perfused perfusion angiosome territory parenchyma aorta artery vein vena "
    "cava duct gallbladder bile kidney kidneys spleen stomach bowel colon duodenum pancreas heart oesophagus esophagus "
    "adrenal thyroid brain breast bone rib ribs spine cord vertebra sacrum bladder rectum muscle vessel shunt couch table "
    "marker fiducial isocenter isocentre milz niere nieren magen herz darm rate rein coeur"
)
# Words of a tumour that are no name of one by themselves.
_TUMOUR_PARTS = (
    "mets metastases metastasen metastatic malignant malignancy cancer neoplasm carcinomas cholangiocarcinoma cca icc crc "
    "hccs nodules satellites tumeurs tumori tumores laesionen lasionen pvtt thrombus herde viable"
)
_TUMOUR = TUMOUR_WORDS | frozenset(_TUMOUR_PARTS.split())
_LOOKS = _TUMOUR | {"mass", "masses", "gtvs"}
_AROUND, _OTHER = frozenset(_AROUND_WORDS.split()), frozenset(_OTHER_WORDS.split())
_NEGATED = re.compile(r"\b(?:not|non? (?!target\b|\d)|w o\b)")
_GROWN = re.compile(r"\+\s*\d")
_JOINED = re.compile(
    r"\s*[−–\\+&]\s*|\s+-\s*|-\s+|\s+(?:minus|without|w/o|wo|sub|excl\w*|incl\w*|plus|and|with|mit|ohne|sans|avec)\s+"
    r"|-(?=(?:all\s*)?(?:[gcpi]tvs?|tumou?rs?|lesions)\b)",
    re.IGNORECASE,
)


def contradicts_tumour(name: str) -> bool:
    """Return whether a name says that its region is no tumour: another role, a margin, what is left of an organ.

    A word of a tumour beside that of an organ does not contradict (``Liver met seg 7``), unless the name begins with a
    whole organ that the rest is taken from or added to (``Liver-GTV``).

    Examples
    --------
    >>> [contradicts_tumour(name) for name in ("HCC seg 7", "S8", "Liver", "Liver minus GTV", "PTV 2", "spleen")]
    [False, False, True, True, True, True]
    """
    role, text = role_of_name(name), normalised_name(name)
    if role is not Role.OTHER:
        return role is not Role.TUMOUR
    words = frozenset(text.split())
    first = _JOINED.split(name.strip(), maxsplit=1)
    return (
        text in map(normalised_name, DERIVED_NAMES)
        or bool(words & _AROUND or _NEGATED.search(text) or _GROWN.search(name))
        or (len(first) > 1 and role_of_name(first[0]) in _WHOLES)
        or bool(words & _OTHER and not words & _TUMOUR)
    )


def looks_like_tumour(name: str) -> bool:
    """Return whether a name without a role has a word of a tumour in it and says nothing against it.

    Examples
    --------
    >>> [looks_like_tumour(name) for name in ("HCC seg 7", "mets", "mass left", "Liver - GTV", "GTV", "PTV met", "spleen")]
    [True, True, True, False, False, False, False]
    """
    words = frozenset(normalised_name(name).split())
    return role_of_name(name) is Role.OTHER and bool(words & _LOOKS) and not contradicts_tumour(name)


def declared_role(name: str, *, tumour: bool) -> Role | None:
    """Return what a file states of a region: a tumour where it says so and the name is not of another role.

    None leaves the role to the name.

    Parameters
    ----------
    name : str
        The name in the file.
    tumour : bool
        Whether the file says that it is a tumour.
    """
    unnamed = tumour and role_of_name(name) is Role.OTHER
    return Role.TUMOUR if unnamed and not contradicts_tumour(name) else None


def is_tumour_code(scheme: str, value: str) -> bool:
    """Return whether a code of what a segment is (DICOM PS3.16) means a neoplasm or gross tumour volume.

    Examples
    --------
    >>> is_tumour_code("SCT", "108369006"), is_tumour_code("SCT", "10200004")
    (True, False)
    """
    scheme = scheme.strip().upper()
    return value.strip().upper() in _CODES.get(_OLDER_SCHEMES.get(scheme, scheme), ())
