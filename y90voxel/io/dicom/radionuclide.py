"""Which nuclide a header means: by code value, by its written name, by half-life, by energy window."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import UID

from y90voxel.errors import DicomError, Notice
from y90voxel.io.dicom.attributes import items, number, text
from y90voxel.io.dicom.headers import Instance
from y90voxel.io.dicom.several_drugs import (
    SURROGATE,
    SURROGATE_PHOTON_KEV,
    decay_equivalent_time,
    imaged_item,
)
from y90voxel.io.notices import warn
from y90voxel.reference.nuclide_records import ELEMENTS, NUCLIDE_RECORDS, surrogate_nuclides, therapy_nuclides

__all__ = ["Radiopharmaceutical", "check_half_life", "radiopharmaceutical_of"]

# Nuclides that headers are searched for: half-life [s] and code values.
NUCLIDES = {
    name: (record.half_life_s, frozenset(record.codes))
    for name, record in NUCLIDE_RECORDS.items()
    if record.codes
}
# How headers write their elements.
WRITTEN = {word: symbol for word, symbol in ELEMENTS.items() if symbol in {n.split("-")[0] for n in NUCLIDES}}
# Header half-lives are rounded, or a little old; other nuclides of the table differ by more.
HALF_LIFE_TOLERANCE = 0.02
# Beyond it a half-life is no rounding of any nuclide's, but another unit or a slip.
ABSURD_HALF_LIFE = 0.03
# (0018,0030), of files that are older than the code sequence.
RETIRED_RADIONUCLIDE = "Radionuclide"
# Items that agree in all of these are one item twice.
_TOLD_APART_BY = (
    "Radiopharmaceutical", "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime", "RadionuclideTotalDose",
    "RadionuclideHalfLife", "RadionuclidePositronFraction",
)  # fmt: skip
# Symbols of elements whose nuclides are not in the table: named all the same, to be refused by name.
SYMBOLS = tuple(
    "P S Sc Cr Mn Fe Co Ni Zn As Se Br Sr Nb Mo Ru Rh Pd Ag Cd Sn Sb Te Cs Ba La Pr Pm Eu Gd Tb Dy Er Tm Yb".split()  # noqa: SIM905
    + "Ta W Os Ir Pt Au Hg Pb Bi Po At Rn Ra Ac Th Pa U Am".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Radiopharmaceutical:
    """What a header says was injected.

    Parameters
    ----------
    nuclide : str or None
        Name such as ``"Y-90"``; None when the header does not tell.
    agent : str
        Radiopharmaceutical as written.
    half_life_s, positron_fraction : float or None
        What the scanner used.
    item : Dataset
        The item of the sequence, for the times; empty when there is none.
    notices : tuple of Notice
        What was noticed.
    given_at : datetime or None
        The instant that stands for several administrations; None where there was one.
    """

    nuclide: str | None
    agent: str
    half_life_s: float | None
    positron_fraction: float | None
    item: Dataset
    notices: tuple[Notice, ...]
    given_at: datetime | None = None

    @property
    def is_therapy(self) -> bool:
        """Whether the scanner's half-life is that of a therapy nuclide."""
        stated = self.half_life_s
        return any(stated is not None and _agrees(name, stated) for name in therapy_nuclides())

    @property
    def event_uid(self) -> str | None:
        """UID of the administration (0008,3012), None where the header has none."""
        uid = str(self.item.get("RadiopharmaceuticalAdministrationEventUID") or "")
        return uid if UID(uid).is_valid and self.given_at is None else None

    @property
    def is_surrogate(self) -> bool:
        """Whether a surrogate such as Tc-99m, or macroaggregated albumin stands for the therapy."""
        agent = self.agent.lower()
        return self.nuclide in surrogate_nuclides() or bool(re.search(r"\bmaa\b|aggregat", agent))


def radiopharmaceutical_of(instance: Instance) -> Radiopharmaceutical:
    """Return what the header says was injected.

    The code value decides whatever scheme it claims (C-xxxxx occurs as SRT, SNM3 and 99SDM); else the
    written name, else the half-life, else, for nuclear medicine, a 140 keV window.

    Raises
    ------
    DicomError
        If a half-life or positron fraction is not a number.
    """
    file = instance.source
    stated = _different(items(instance.header, "RadiopharmaceuticalInformationSequence", file), file)
    notes: list[Notice] = []
    own = [_named_nuclide(item, instance) for item in stated]
    chosen = imaged_item(instance, stated, own, notes) if len(stated) > 1 else 0
    item = stated[chosen] if stated else Dataset()
    half_life = number(item, "RadionuclideHalfLife", file)
    fraction = number(item, "RadionuclidePositronFraction", file)
    agent = _agent(item, file)
    half_life = half_life if half_life is not None and half_life > 0 else None
    nuclide = own[chosen] if stated else None
    same = [one for one, name in zip(stated, own, strict=True) if name == nuclide]
    given_at = None
    if nuclide in NUCLIDES and len(same) > 1:
        given_at = decay_equivalent_time(instance, same, NUCLIDES[nuclide][0], notes)
    notes += _contradictions(item, instance, half_life)
    if (
        nuclide is None
        and instance.modality in ("NM", "OT")
        and _window_holds(instance, SURROGATE_PHOTON_KEV)
    ):
        nuclide = SURROGATE
        notes.append(
            warn(
                "nuclide-from-energy-window",
                f"the header names no radionuclide; its energy window holds {SURROGATE_PHOTON_KEV:g} keV, so {SURROGATE} is "
                "taken.",
                file=file.name,
                tag="RadionuclideCodeSequence",
            )
        )
    drug = Radiopharmaceutical(nuclide, agent, half_life, fraction, item, tuple(notes), given_at)
    if nuclide is not None or drug.is_surrogate:
        return drug
    unknown = warn(
        "nuclide-unknown",
        "the header names no radionuclide, neither by code nor by name or half-life; the therapy nuclide is taken.",
        file=file.name,
        tag="RadionuclideCodeSequence",
    )
    return replace(drug, notices=(*drug.notices, unknown))


def _different(stated: list[Dataset], file: object) -> list[Dataset]:
    """Return the items of a sequence, each once."""
    once: dict[tuple[object, ...], Dataset] = {}
    for item in stated:
        codes = items(item, "RadionuclideCodeSequence", file)
        facts = [text(item, keyword, file) for keyword in _TOLD_APART_BY]
        once.setdefault((*facts, *(text(code, "CodeValue", file) for code in codes)), item)
    return list(once.values())


def _agent(item: Dataset, file: object) -> str:
    """Return the radiopharmaceutical as written, in words and code."""
    codes = items(item, "RadiopharmaceuticalCodeSequence", file)
    words = [text(item, "Radiopharmaceutical", file), *(text(code, "CodeMeaning", file) for code in codes)]
    return " ".join(words).strip()


def _named_nuclide(item: Dataset, instance: Instance) -> str | None:
    """Return the nuclide of an item: by code, by name, by half-life."""
    file = instance.source
    coded = _coded(items(item, "RadionuclideCodeSequence", file), file)
    written = _written(f"{text(item, RETIRED_RADIONUCLIDE, file)} {_agent(item, file)}")
    return coded or written or _by_half_life(number(item, "RadionuclideHalfLife", file))


def _contradictions(item: Dataset, instance: Instance, half_life_s: float | None) -> list[Notice]:
    """Return warnings where code, its meaning, the written name and the half-life mean different nuclides."""
    file = instance.source
    notes = []
    codes = items(item, "RadionuclideCodeSequence", file)
    coded = _coded(codes, file)
    meant = _written(text(codes[0], "CodeMeaning", file)) if codes else None
    written = _written(_agent(item, file))
    for where, other in (("CodeMeaning", meant), ("Radiopharmaceutical", written)):
        if coded and other and other != coded:
            message = f"RadionuclideCodeSequence names {coded}, but its {where} {other}; the code counts. Check which was imaged."
            notes.append(warn("nuclide-contradicts-name", message, file=file.name, tag=where, value=other))
    by_life = _by_half_life(half_life_s)
    if coded in NUCLIDES and half_life_s is not None and not _agrees(coded, half_life_s):
        message = (
            f"the header names {coded}, but its half-life of {half_life_s:g} s "
            f"{f'is that of {by_life}' if by_life else 'is not that of this nuclide'} (expected "
            f"{NUCLIDES[coded][0]:g} s). Decay is undone with the header's own half-life."
        )
        tag = "RadionuclideHalfLife"
        notes.append(
            warn("nuclide-contradicts-half-life", message, file=file.name, tag=tag, value=half_life_s)
        )
    return notes


def check_half_life(drug: Radiopharmaceutical, instance: Instance) -> None:
    """Raise if the half-life of the header, which decay has to be undone with, is that of no nuclide.

    Raises
    ------
    DicomError
        Naming the half-life and, where the nuclide is known, the one expected.
    """
    stated = drug.half_life_s
    if stated is None or any(abs(stated / life - 1) <= ABSURD_HALF_LIFE for life, _ in NUCLIDES.values()):
        return
    expected = f"; {drug.nuclide} has {NUCLIDES[drug.nuclide][0]:g} s" if drug.nuclide in NUCLIDES else ""
    raise DicomError(
        f"RadionuclideHalfLife is {stated:g} s, the half-life of no nuclide in use{expected}. The decay correction of the "
        "image cannot be undone with it: correct the file.",
        file=instance.source.name,
        tag="RadionuclideHalfLife",
    )


def _coded(codes: list[Dataset], file: object) -> str | None:
    """Return the nuclide of a code item, by value and then by meaning."""
    for code in codes:
        value = text(code, "CodeValue", file).upper()
        for name, (_, values) in NUCLIDES.items():
            if value in values:
                return name
        named = _written(text(code, "CodeMeaning", file))
        if named:
            return named
    return None


def _written(words: str) -> str | None:
    """Return the nuclide that free text names: ^99m^Technetium, 18F, 177 Lutetium, Y-90."""
    letters = sorted({n.split("-")[0] for n in NUCLIDES} | set(SYMBOLS), key=len, reverse=True)
    element = "|".join([*WRITTEN, *letters])
    number_ = r"\^?(\d{2,3}m?)\^?"
    patterns = (
        rf"(?<![\w]){number_}[\s-]*({element})(?![a-z])",
        rf"(?<![\w])({element})[\s-]*{number_}(?!\w)",
    )
    for position, pattern in enumerate(patterns):
        match = re.search(pattern, words, flags=re.IGNORECASE)
        if match:
            mass, symbol = match.groups() if position == 0 else match.groups()[::-1]
            symbol = WRITTEN.get(symbol.lower(), symbol.capitalize())
            name = f"{symbol}-{mass.lower()}"
            if name in NUCLIDES or _is_isotope(symbol, mass):
                return name
    return None


def _is_isotope(symbol: str, mass: str) -> bool:
    """Return whether a symbol and a mass number of two or three digits can be a nuclide: heavier elements have larger ones.

    A batch number behind a letter (P 12, S 100) is none.
    """
    if symbol in ("P", "S"):
        return (symbol, mass) in (("P", "32"), ("P", "33"), ("S", "35"))
    return mass.rstrip("m").isdigit() and 40 <= int(mass.rstrip("m")) <= 260


def _agrees(name: str, half_life_s: float) -> bool:
    """Return whether a half-life is that of the nuclide, within rounding."""
    return abs(half_life_s / NUCLIDES[name][0] - 1) <= HALF_LIFE_TOLERANCE


def _by_half_life(half_life_s: float | None) -> str | None:
    """Return the nuclide with this half-life, None when none or several have it."""
    if half_life_s is None:
        return None
    fitting = [name for name in NUCLIDES if _agrees(name, half_life_s)]
    return fitting[0] if len(fitting) == 1 else None


def _window_holds(instance: Instance, energy_kev: float) -> bool:
    """Return whether the only energy window of the header holds an energy."""
    file = instance.source
    windows = [
        (number(r, "EnergyWindowLowerLimit", file), number(r, "EnergyWindowUpperLimit", file))
        for w in items(instance.header, "EnergyWindowInformationSequence", file)
        for r in items(w, "EnergyWindowRangeSequence", file)
    ]
    return len(windows) == 1 and (windows[0][0] or 1e9) <= energy_kev <= (windows[0][1] or 0.0)
