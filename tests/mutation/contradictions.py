"""Pairs of contradicting facts: every fact that is read, against every other place that states it.

The studies state each fact in all of its places, alike; one place is then changed, in all files (or frames of an enhanced
object), in half of them or in one.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import product

import dicom_factory as dicom
from mutation.studies import STUDIES, sequence

F18, TC, LU, Y90 = "77004003", "72454006", "447553000", "14691008"


def mapped(unit, slope, intercept=0.0):
    """A real-world value mapping."""
    return sequence(
        dicom.item(
            RealWorldValueSlope=slope,
            RealWorldValueIntercept=intercept,
            MeasurementUnitsCodeSequence=sequence(dicom.code(unit, "UCUM")),
        )
    )


def consistent(kind):
    """A study that states its facts in every place there is."""
    study = STUDIES[kind]()
    for name, ds in study.items():
        if name.startswith("pt") and kind == "pet":
            injected = ds.RadiopharmaceuticalInformationSequence[0]
            dicom.change(
                injected, RadiopharmaceuticalStartTime="080000", Radiopharmaceutical="Y-90 microspheres"
            )
            dicom.change(
                ds, AcquisitionDateTime="20240312100000", ContentDate="20240312", ContentTime="100000",
                SpacingBetweenSlices="8", NumberOfSlices=13, RescaleType="BQML", FrameReferenceTime="450000",
                DecayFactor="1.001352", ImageIndex=int(name[2:]) + 1,
                RealWorldValueMappingSequence=mapped("Bq/ml", float(ds.RescaleSlope)),
            )  # fmt: skip
        if name.startswith("ct") and kind != "enhanced":
            dicom.change(
                ds, SpacingBetweenSlices="8", RealWorldValueMappingSequence=mapped("[hnsf'U]", 1.0, -1024.0)
            )
        if name == "nm":
            dicom.change(ds, RealWorldValueMappingSequence=mapped("{counts}", 1.0))
    if kind == "enhanced":
        state_by_frame(study["pt"])
    return study


def state_by_frame(ds):
    """Let an enhanced PET state its facts at the top and in every frame."""
    dicom.change(
        ds.RadiopharmaceuticalInformationSequence[0],
        RadiopharmaceuticalStartTime="080000", Radiopharmaceutical="Y-90 microspheres",
    )  # fmt: skip
    dicom.change(
        ds, AcquisitionDateTime="20240312100000", DecayCorrected="YES", DecayCorrectionDateTime="20240312100000",
        AttenuationCorrected="YES", SpacingBetweenSlices="9", AcquisitionDuration=600.0,
    )  # fmt: skip
    shared = ds.SharedFunctionalGroupsSequence[0]
    slope = float(shared.PixelValueTransformationSequence[0].RescaleSlope)
    dicom.change(shared.PixelMeasuresSequence[0], SliceThickness="9", SpacingBetweenSlices="9")
    macros = (
        "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameContentSequence",
    )  # fmt: skip
    for index, groups in enumerate(ds.PerFrameFunctionalGroupsSequence):
        for macro in macros:
            setattr(groups, macro, copy.deepcopy(getattr(shared, macro)))
        dicom.change(
            groups.FrameContentSequence[0], FrameAcquisitionDateTime="20240312100000", InStackPositionNumber=index + 1,
            FrameReferenceDateTime="20240312100730", StackID="1",
        )  # fmt: skip
        groups.RealWorldValueMappingSequence = mapped("Bq/ml", slope)
        groups.PETFrameCorrectionFactorsSequence = sequence(dicom.item(DecayFactor=1.001352))
    for macro in (*macros, "RealWorldValueMappingSequence"):
        delattr(shared, macro)


@dataclass(frozen=True)
class Edit:
    """Attributes of a data set, or of the first item of one of its sequences, that get other values."""

    values: tuple[tuple[str, object], ...]
    inside: str = ""

    def __call__(self, ds):
        dicom.change(getattr(ds, self.inside)[0] if self.inside else ds, **dict(self.values))

    def silent(self):
        """The same attributes, absent."""
        return Edit(tuple((keyword, None) for keyword, _ in self.values), self.inside)


@dataclass(frozen=True)
class Scaled:
    """A number that changes by a factor."""

    keyword: str
    factor: float
    inside: str = ""

    def __call__(self, ds):
        ds = getattr(ds, self.inside)[0] if self.inside else ds
        dicom.change(ds, **{self.keyword: f"{float(getattr(ds, self.keyword)) * self.factor:.9g}"})


def attribute(**changes):
    return Edit(tuple(changes.items()))


def injected(**changes):
    """A change of the first radiopharmaceutical."""
    return Edit(tuple(changes.items()), "RadiopharmaceuticalInformationSequence")


def nuclide(value, meaning):
    return injected(RadionuclideCodeSequence=sequence(dicom.code(value, "SCT", meaning)))


def scaled(keyword, factor):
    return Scaled(keyword, factor)


def in_group(macro, change):
    """A change of one functional group of a frame."""
    if isinstance(change, Edit | Scaled):
        return replace(change, inside=macro)
    return lambda groups: change(getattr(groups, macro)[0])


def stretched(factor):
    """Slices at other distances."""

    def do(ds):
        x, y, z = (float(v) for v in ds.ImagePositionPatient)
        ds.ImagePositionPatient = dicom.decimal([x, y, z * factor])

    return do


CODES = ((F18, "^18^Fluorine"), (TC, "^99m^Technetium"), (LU, "^177^Lutetium"), ("C1943", "^166^Holmium"))
TIMES = ("100200", "104500", "131500", "095000", "003000", "235000")
# (study, files, fact, place): the ways in which that place may say something else.
TABLE = {
    ("pet", "pt", "nuclide", "code"): [nuclide(*code) for code in CODES],
    ("pet", "pt", "nuclide", "meaning"): [nuclide(Y90, meaning) for _, meaning in CODES],
    ("pet", "pt", "nuclide", "agent"): [injected(Radiopharmaceutical=a) for a in ("FDG F-18", "Lu-177 PSMA", "Tc-99m MAA")],
    ("pet", "pt", "nuclide", "half-life"): [
        injected(RadionuclideHalfLife=v) for v in ("6586.2", "96566", "21624", "574300", "64.1", "230400")
    ],
    ("pet", "pt", "nuclide", "positrons"): [
        injected(RadionuclidePositronFraction=v) for v in ("0.967", "1", "0.0000318", "0.00005", "0.02")
    ],
    ("pet", "pt", "administration", "date and time"): [
        injected(RadiopharmaceuticalStartDateTime=v)
        for v in ("20240312060000", "20240311080000", "20240301080000", "20240312200000", "20240312080000+0300", "20240312")
    ],
    ("pet", "pt", "administration", "time"): [injected(RadiopharmaceuticalStartTime=v) for v in ("060000", "200000")],
    ("pet", "pt", "acquisition", "date"): [attribute(AcquisitionDate=v) for v in ("20240311", "20240313", "20240401")],
    ("pet", "pt", "acquisition", "time"): [attribute(AcquisitionTime=v) for v in TIMES],
    ("pet", "pt", "acquisition", "date and time"): [attribute(AcquisitionDateTime=f"20240312{v}") for v in TIMES],
    ("pet", "pt", "acquisition", "series time"): [attribute(SeriesTime=v) for v in TIMES],
    ("pet", "pt", "acquisition", "series date"): [attribute(SeriesDate=v) for v in ("20240311", "20240314")],
    ("pet", "pt", "acquisition", "content time"): [attribute(ContentTime=v) for v in TIMES],
    ("pet", "pt", "acquisition", "study time"): [attribute(StudyTime=v) for v in TIMES],
    ("pet", "pt", "acquisition", "frame reference"): [
        attribute(FrameReferenceTime=v) for v in ("0", "1650000", "86400000", "-5000000")
    ],
    ("pet", "pt", "decay", "factor"): [attribute(DecayFactor=v) for v in ("1", "1.2", "3.5", "0.8", "1_0")],
    ("pet", "pt", "decay", "reference"): [attribute(DecayCorrection=v) for v in ("ADMIN", "NONE")],
    ("pet", "pt", "decay", "corrections"): [attribute(CorrectedImage=v) for v in (["ATTN", "SCAT"], ["DECY"])],
    ("pet", "pt", "value", "units"): [attribute(Units=v) for v in ("CNTS", "GML", "PROPCPS")],
    ("pet", "pt", "value", "rescale type"): [attribute(RescaleType=v) for v in ("CNTS", "GML", "PROPCPS")],
    ("pet", "pt", "value", "slope"): [scaled("RescaleSlope", v) for v in (2.0, 0.1, 1e3, 1e30)],
    ("pet", "pt", "value", "mapping"): [attribute(RealWorldValueMappingSequence=mapped("Bq/ml", v)) for v in (1.0, 7e5)],
    ("pet", "pt", "distance", "positions"): [stretched(v) for v in (2.0, 0.5, 1.3)],
    ("pet", "pt", "distance", "thickness"): [attribute(SliceThickness=v) for v in ("4", "16", "8.1")],
    ("pet", "pt", "distance", "spacing"): [attribute(SpacingBetweenSlices=v) for v in ("4", "16", "-8")],
    ("pet", "pt", "order", "number"): [attribute(InstanceNumber=v) for v in ("1", "99")],
    ("pet", "pt", "order", "slices"): [attribute(NumberOfSlices=v) for v in (26, 7)],
    ("pet", "pt", "pixels", "signs"): [attribute(PixelRepresentation=1)],
    ("pet", "pt", "pixels", "bits"): [attribute(BitsStored=15, HighBit=14), attribute(BitsStored=12, HighBit=11)],
    ("spect", "ct", "quantity", "rescale type"): [attribute(RescaleType=v) for v in ("MGML", "Z_EFF", "US", None)],
    ("spect", "ct", "quantity", "image type"): [
        attribute(ImageType=["DERIVED", "PRIMARY", "AXIAL", v]) for v in ("IODINE", "RCBF", "VNC", "MPR")
    ],
    ("spect", "ct", "quantity", "mapping"): [
        attribute(RealWorldValueMappingSequence=mapped(*v)) for v in (("mg/cm3", 1.0, 0.0), ("[hnsf'U]", 2.0, 0.0))
    ],
    ("spect", "ct", "quantity", "rescaling"): [scaled("RescaleSlope", 2.0), attribute(RescaleIntercept="0")],
    ("spect", "ct", "distance", "thickness"): [attribute(SliceThickness=v) for v in ("4", "16")],
    ("spect", "ct", "distance", "spacing"): [attribute(SpacingBetweenSlices=v) for v in ("4", "16")],
    ("spect", "ct", "pixels", "bits"): [attribute(BitsStored=12, HighBit=11), attribute(PixelRepresentation=0)],
    ("spect", "nm", "nuclide", "code"): [nuclide(*code) for code in (*CODES, (Y90, "^90^Yttrium"))],
    ("spect", "nm", "nuclide", "agent"): [injected(Radiopharmaceutical=v) for v in ("Lu-177 DOTATATE", "MDP", "Y-90 SIRT")],
    ("spect", "nm", "nuclide", "half-life"): [injected(RadionuclideHalfLife=v) for v in ("574300", "230760")],
    ("spect", "nm", "nuclide", "window"): [
        attribute(EnergyWindowInformationSequence=sequence(dicom.energy_window(*v))) for v in ((187, 229), (340, 390))
    ],
    ("spect", "nm", "distance", "thickness"): [attribute(SliceThickness=v) for v in ("4", "16")],
    ("spect", "nm", "distance", "spacing"): [attribute(SpacingBetweenSlices=v) for v in ("4", "16", "-8")],
    ("spect", "nm", "order", "slices"): [attribute(NumberOfSlices=v) for v in (12, 26)],
    ("spect", "nm", "value", "mapping"): [
        attribute(RealWorldValueMappingSequence=mapped(*v)) for v in (("Bq/ml", 3.0), ("%", 2.0))
    ],
    ("spect", "nm", "pixels", "bits"): [attribute(BitsStored=15, HighBit=14), attribute(PixelRepresentation=1)],
    ("enhanced", "pt", "nuclide", "code"): [nuclide(*code) for code in CODES],
    ("enhanced", "pt", "nuclide", "meaning"): [nuclide(Y90, meaning) for _, meaning in CODES],
    ("enhanced", "pt", "nuclide", "agent"): [injected(Radiopharmaceutical=a) for a in ("FDG F-18", "Lu-177 PSMA", "Tc-99m MAA")],
    ("enhanced", "pt", "nuclide", "half-life"): [
        injected(RadionuclideHalfLife=v) for v in ("6586.2", "96566", "574300", "64.1", "230400")
    ],
    ("enhanced", "pt", "nuclide", "positrons"): [
        injected(RadionuclidePositronFraction=v) for v in ("0.967", "0.00005", "0.02")
    ],
    ("enhanced", "pt", "administration", "date and time"): [
        injected(RadiopharmaceuticalStartDateTime=v)
        for v in ("20240312060000", "20240301080000", "20240312200000", "20240312080000+0300")
    ],
    ("enhanced", "pt", "administration", "time"): [injected(RadiopharmaceuticalStartTime=v) for v in ("060000", "200000")],
    ("enhanced", "pt", "acquisition", "time"): [attribute(AcquisitionTime=v) for v in TIMES],
    ("enhanced", "pt", "acquisition", "date and time"): [attribute(AcquisitionDateTime=f"20240312{v}") for v in TIMES],
    ("enhanced", "pt", "acquisition", "series time"): [attribute(SeriesTime=v) for v in TIMES],
    ("enhanced", "pt", "acquisition", "study time"): [attribute(StudyTime=v) for v in TIMES],
    ("enhanced", "pt", "acquisition", "duration"): [attribute(AcquisitionDuration=v) for v in (6.0, 60000.0)],
    ("enhanced", "frames", "acquisition", "frame"): [
        in_group("FrameContentSequence", attribute(FrameAcquisitionDateTime=f"20240312{v}")) for v in TIMES
    ],
    ("enhanced", "frames", "acquisition", "frame reference"): [
        in_group("FrameContentSequence", attribute(FrameReferenceDateTime=f"20240312{v}")) for v in TIMES
    ],
    ("enhanced", "frames", "acquisition", "frame duration"): [
        in_group("FrameContentSequence", attribute(FrameAcquisitionDuration=v)) for v in (600.0, 6e6, 6e7)
    ],
    ("enhanced", "pt", "decay", "instant"): [attribute(DecayCorrectionDateTime=f"20240312{v}") for v in TIMES],
    ("enhanced", "pt", "decay", "corrected"): [attribute(DecayCorrected=v) for v in ("NO", None)],
    ("enhanced", "pt", "decay", "reference"): [attribute(DecayCorrection=v) for v in ("ADMIN", "NONE", None)],
    ("enhanced", "frames", "decay", "factor"): [
        in_group("PETFrameCorrectionFactorsSequence", attribute(DecayFactor=v)) for v in (1.0, 1.2, 3.5, 0.8)
    ],
    ("enhanced", "pt", "value", "units"): [attribute(Units=v) for v in ("CNTS", "GML")],
    ("enhanced", "frames", "value", "unit of the mapping"): [
        attribute(RealWorldValueMappingSequence=mapped(v, 1000.0)) for v in ("{counts}/s", "g/ml", "kBq/ml")
    ],
    ("enhanced", "frames", "value", "slope of the mapping"): [
        attribute(RealWorldValueMappingSequence=mapped("Bq/ml", v)) for v in (1.0, 7e5)
    ],
    ("enhanced", "frames", "value", "slope"): [
        in_group("PixelValueTransformationSequence", scaled("RescaleSlope", v)) for v in (2.0, 0.1, 1e3)
    ],
    ("enhanced", "frames", "distance", "positions"): [in_group("PlanePositionSequence", stretched(v)) for v in (2.0, 0.5, 1.3)],
    ("enhanced", "frames", "distance", "thickness"): [
        in_group("PixelMeasuresSequence", attribute(SliceThickness=v)) for v in ("4", "18", "9.1")
    ],
    ("enhanced", "frames", "distance", "spacing"): [
        in_group("PixelMeasuresSequence", attribute(SpacingBetweenSlices=v)) for v in ("4", "18")
    ],
    ("enhanced", "frames", "order", "number"): [
        in_group("FrameContentSequence", attribute(InStackPositionNumber=v)) for v in (1, 99)
    ],
    ("enhanced", "pt", "pixels", "signs"): [attribute(PixelRepresentation=1)],
    ("enhanced", "pt", "pixels", "bits"): [attribute(BitsStored=15, HighBit=14), attribute(BitsStored=12, HighBit=11)],
}  # fmt: skip
SCOPES = ("all", "half", "one")
PLACES = [
    (place, way, scope) for (place, ways), scope in product(TABLE.items(), SCOPES) for way in range(len(ways))
]


# Places that may be silent: an attribute that tells again what others tell.
SILENT = {
    place: ways[0].silent()
    for place, ways in TABLE.items()
    if isinstance(ways[0], Edit) and place[2] != "pixels"
}


def parts_of(study, prefix):
    """The data sets, or the frames of the enhanced one, that a place is in."""
    if prefix == "frames":
        return list(study["pt"].PerFrameFunctionalGroupsSequence)
    return [study[name] for name in sorted(study) if name.startswith(prefix)]


@dataclass(frozen=True)
class Change:
    """One place that says something else."""

    place: tuple[str, str, str, str]
    way: int
    scope: str

    def __str__(self) -> str:
        return f"{' '.join(self.place)} #{self.way} in {self.scope}"

    def apply(self, study) -> None:
        """Change the files of a study."""
        parts = parts_of(study, self.place[1])
        middle = len(parts) // 2
        chosen = {"all": parts, "half": parts[middle:], "one": parts[middle : middle + 1]}[self.scope]
        for part in chosen:
            TABLE[self.place][self.way](part)


@dataclass(frozen=True)
class Silence:
    """One place that says nothing."""

    place: tuple[str, str, str, str]

    def __str__(self) -> str:
        return f"{' '.join(self.place)} silent"

    def apply(self, study) -> None:
        """Take it out of all files of a study."""
        for part in parts_of(study, self.place[1]):
            SILENT[self.place](part)


def drawn(rng):
    """One or two changes of facts of one study."""
    place, way, scope = PLACES[int(rng.integers(len(PLACES)))]
    changes = [Change(place, way, scope)]
    if rng.random() < 0.5:
        others = [p for p in PLACES if p[0][0] == place[0] and p[0] != place]
        changes.append(Change(*others[int(rng.integers(len(others)))]))
    return changes


def drawn_silences(rng, changes):
    """Up to six other places of the study that say nothing, so that fewer bear witness."""
    others = [
        place
        for place in SILENT
        if place[0] == changes[0].place[0] and place not in {c.place for c in changes}
    ]
    chosen = rng.choice(len(others), size=int(rng.integers(1, 7)), replace=False)
    return [Silence(others[i]) for i in sorted(chosen)]
