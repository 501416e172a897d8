"""The JSON beside a PET image: what its values are, when they were measured, of which nuclide.

Understood are the side-cars of BIDS and of dcm2niix. Times of BIDS are seconds after ``TimeZero``, a clock without a date.

References
----------
BIDS 1.9, Positron Emission Tomography: TracerRadionuclide, Units, TimeZero, ScanStart, InjectionStart, FrameTimesStart,
FrameDuration, ImageDecayCorrected, ImageDecayCorrectionTime, DecayCorrectionFactor, AttenuationCorrection, ScanDate.
dcm2niix adds RadionuclideHalfLife, RadionuclidePositronFraction, Radiopharmaceutical, DecayCorrection, AcquisitionTime and,
where asked, AcquisitionDateTime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from y90voxel.errors import InputError, Notice, UnitError
from y90voxel.io.json_files import read_json
from y90voxel.io.sidecar_times import SidecarTimes
from y90voxel.io.sidecar_values import SidecarValues
from y90voxel.quantification.emission import EmissionImage
from y90voxel.reference.nuclide_records import NUCLIDE_RECORDS, surrogate_nuclides
from y90voxel.volumes.volume import ActivityMap, CountMap

__all__ = ["PetSidecar", "read_pet_sidecar", "sidecar_of"]

# Any of these makes a JSON one of a PET image.
PET_KEYS = ("TracerRadionuclide", "TimeZero", "InjectionStart", "ImageDecayCorrected", "RadionuclideHalfLife")
# What one unit of the file is in Bq/mL; None for counts, which a relative calibration scales.
UNITS = {
    "bq/ml": 1.0, "bqml": 1.0, "bq/cc": 1.0, "bq/cm3": 1.0, "kbq/ml": 1e3, "kbqml": 1e3, "kbq/cc": 1e3, "mbq/ml": 1e6,
    "counts": None, "cnts": None, "counts/s": None, "cps": None, "propcps": None, "propcnts": None,
}  # fmt: skip
UNCORRECTED = {"none", "no", "uncorrected", "not corrected", "nac", "n/a"}
# A stated half-life may differ so much from its nuclide's.
SAME_HALF_LIFE = 0.02
_NUCLIDE = re.compile(
    r"\^?(?:(?P<after>[0-9]{1,3}m?)\^?[\s-]*(?P<last>[A-Za-z]{1,2})|(?P<first>[A-Za-z]{1,2})[\s-]*(?P<before>[0-9]{1,3}m?))"
)


@dataclass(frozen=True)
class PetSidecar:
    """What a side-car states.

    Parameters
    ----------
    bq_per_ml : float or None
        What a unit of the values is [Bq/mL]; None for counts.
    facts : mapping of str to object
        Fields of :class:`EmissionImage`.
    notices : tuple of Notice
        What was assumed.
    """

    bq_per_ml: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    def applied(self, emission: EmissionImage) -> EmissionImage:
        """Return an image of plain values with what is stated of them."""
        volume: ActivityMap | CountMap = emission.volume
        if self.bq_per_ml is not None:
            values = volume.array * (self.bq_per_ml * volume.grid.voxel_volume_ml)
            volume = ActivityMap(values.astype(volume.array.dtype, copy=False), volume.grid)
        return replace(emission, volume=volume, modality="PT", **self.facts)


def sidecar_of(image: Path, stem: str) -> Path | None:
    """Return the JSON beside an image that is about a PET image; None where there is none.

    Parameters
    ----------
    image : Path
        The image.
    stem : str
        Its name without the ending.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    beside = (image.parent / f"{stem}.json", image.parent / f"{image.name}.json")
    return next((path for path in beside if path.is_file() and _is_pet(_document(path))), None)


def read_pet_sidecar(path: Path) -> PetSidecar:
    """Return what the side-car of a PET image states.

    Parameters
    ----------
    path : Path
        The JSON file.

    Raises
    ------
    InputError
        If it cannot be read, contradicts itself, or says that the image cannot be used.
    UnitError
        If units are missing or not those of an activity concentration or of counts.
    """
    return _Reader(SidecarValues(path, _document(path))).sidecar()


def _document(path: Path) -> Any:
    """Return the content of the JSON."""
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}, which lies beside the image: {error}.", file=path) from error


def _is_pet(document: Any) -> bool:
    """Whether a JSON is that of a PET image."""
    if not isinstance(document, dict):
        return False
    modality = str(document.get("Modality", "PT")).upper()
    return modality in ("PT", "PET") and ("Modality" in document or any(key in document for key in PET_KEYS))


@dataclass
class _Reader:
    """A side-car while it is read."""

    values: SidecarValues
    notices: list[Notice] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.values.path

    def sidecar(self) -> PetSidecar:
        """Return what it states."""
        unit = self._unit()
        self._check_corrected()
        drug = self._drug()
        times = SidecarTimes(self.values, self.notices)
        starts, durations = times.frames()
        acquired, administered, day_unknown = times.moments(starts)
        half_life = drug["header_half_life_s"] or _half_life(drug["imaged_nuclide"])
        reference, reference_s = times.reference()
        duration = durations[0] if durations else None
        times.check_factor(reference_s, starts, duration, half_life)
        facts = {
            **drug,
            "header_half_life_s": half_life,
            "decay_reference": reference,
            "acquisition_start": acquired,
            "series_start": times.instant(reference_s, acquired),
            "administration_time": administered,
            "frame_duration_s": duration,
            "day_unknown": day_unknown,
        }
        return PetSidecar(unit, facts, tuple(self.notices))

    # what the values are

    def _unit(self) -> float | None:
        """Return what one unit is in Bq/mL; None for counts."""
        stated = self.values.text("Units")
        key = stated.lower().replace(" ", "").replace("³", "3")
        if key not in UNITS:
            raise UnitError(
                f"{self.path} says that its image is in {stated or 'unstated units'}; needed is Bq/mL (or counts, for a relative "
                "calibration). Export the image in Bq/mL, or correct Units.",
                file=self.path,
                tag="Units",
            )
        return UNITS[key]

    def _check_corrected(self) -> None:
        """Refuse an image that is not corrected for attenuation."""
        stated = self.values.document.get(
            "AttenuationCorrection", self.values.document.get("AttenuationCorrectionMethod")
        )
        if isinstance(stated, str) and stated.strip().lower() in UNCORRECTED:
            raise InputError(
                f"{self.path} says that its image is not corrected for attenuation ({stated}): its values are no activity "
                "concentration. Choose the corrected image.",
                file=self.path,
                tag="AttenuationCorrection",
            )

    def _drug(self) -> dict[str, Any]:
        """Return nuclide, agent, half-life and positron fraction."""
        agent = " ".join(
            filter(None, (self.values.text("TracerName"), self.values.text("Radiopharmaceutical")))
        )
        stated = self.values.text("TracerRadionuclide") or self.values.text("Radionuclide")
        nuclide, written = _nuclide_of(stated), _nuclide_in(agent)
        if stated and nuclide is None:
            raise InputError(
                f"TracerRadionuclide of {self.path} is {stated!r}, which is no nuclide; write it like Y90 or F18.",
                file=self.path,
                tag="TracerRadionuclide",
            )
        if nuclide and written and nuclide != written:
            message = f"{self.path.name} names {nuclide} as TracerRadionuclide, but {written} in {agent!r}; the former counts."
            self.notices.append(Notice("nuclide-contradicts-name", message))
        nuclide = nuclide or written
        half_life = self.values.number("RadionuclideHalfLife", least=0.0)
        expected = _half_life(nuclide)
        if half_life and expected and abs(half_life / expected - 1) > SAME_HALF_LIFE:
            message = (
                f"{self.path.name} names {nuclide}, but RadionuclideHalfLife is {half_life:g} s (expected {expected:g} s). Decay "
                "is undone with the stated one."
            )
            self.notices.append(Notice("nuclide-contradicts-half-life", message))
        if nuclide is None:
            message = f"{self.path.name} names no radionuclide; the therapy nuclide is taken."
            self.notices.append(Notice("nuclide-unknown", message))
        return {
            "imaged_nuclide": nuclide,
            "predicted": nuclide in surrogate_nuclides()
            or bool(re.search(r"\bmaa\b|aggregat", agent.lower())),
            "agent": agent,
            "header_half_life_s": half_life,
            "header_positron_fraction": self.values.number("RadionuclidePositronFraction", least=0.0),
        }


def _half_life(nuclide: str | None) -> float | None:
    """Return the half-life of a nuclide of the table [s]."""
    record = NUCLIDE_RECORDS.get(nuclide or "")
    return None if record is None else record.half_life_s


def _nuclide_of(text: str) -> str | None:
    """Return the nuclide that a text is, None for another text.

    Examples
    --------
    >>> [_nuclide_of(text) for text in ("Y90", "18F", "Tc-99m", "^90^Yttrium"[:4], "FDG")]
    ['Y-90', 'F-18', 'Tc-99m', None, None]
    """
    match = _NUCLIDE.fullmatch(text.strip())
    if match is None:
        return None
    symbol, mass = match["first"] or match["last"], match["before"] or match["after"]
    return f"{symbol.capitalize()}-{mass.lower()}"


def _nuclide_in(words: str) -> str | None:
    """Return the first nuclide of the table that words name."""
    for word in re.split(r"[\s,;()\[\]_/]+", words):
        name = _nuclide_of(word)
        if name in NUCLIDE_RECORDS:
            return name
    return None
