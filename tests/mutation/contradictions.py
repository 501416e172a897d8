"""Pairs of contradicting facts: every fact that is read, against every other place that states it.

The studies state each fact in all of its places, alike; one place is then changed, in all files, in half of them or in one.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    return study


def injected(**changes):
    """A change of the first radiopharmaceutical."""
    return lambda ds: dicom.change(ds.RadiopharmaceuticalInformationSequence[0], **changes)


def nuclide(value, meaning):
    return injected(RadionuclideCodeSequence=sequence(dicom.code(value, "SCT", meaning)))


def attribute(**changes):
    return lambda ds: dicom.change(ds, **changes)


def scaled(keyword, factor):
    """A change of a number by a factor."""
    return lambda ds: dicom.change(ds, **{keyword: f"{float(getattr(ds, keyword)) * factor:.9g}"})


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
}  # fmt: skip
SCOPES = ("all", "half", "one")
PLACES = [
    (place, way, scope) for (place, ways), scope in product(TABLE.items(), SCOPES) for way in range(len(ways))
]


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
        _, prefix, _, _ = self.place
        names = [name for name in sorted(study) if name.startswith(prefix)]
        chosen = {"all": names, "half": names[len(names) // 2 :], "one": names[len(names) // 2 :][:1]}[
            self.scope
        ]
        for name in chosen:
            TABLE[self.place][self.way](study[name])


def drawn(rng):
    """One or two changes of facts of one study."""
    place, way, scope = PLACES[int(rng.integers(len(PLACES)))]
    changes = [Change(place, way, scope)]
    if rng.random() < 0.5:
        others = [p for p in PLACES if p[0][0] == place[0] and p[0] != place]
        changes.append(Change(*others[int(rng.integers(len(others)))]))
    return changes
