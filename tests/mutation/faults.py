"""Named faults: what is done to a valid study, and what has to become of it.

``refused`` is a pattern of the message that names the fault; ``warned`` the code of the notice that stands in the
outputs of an accepted study. Where there is neither, the dose has to be the undamaged one without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dicom_factory as dicom
import numpy as np
from mutation.studies import Study, as_bytes, emission_values, files_of, sequence
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless

Files = dict[str, bytes]


@dataclass(frozen=True)
class Fault:
    """What is done to a study, and what has to become of it."""

    study: str
    do: Callable[[Study], Files | None]
    refused: str | None = None
    warned: str | None = None
    besides: tuple[str, ...] = ()  # regions that cannot be the same: the notice says why
    tolerance: float = 2e-3


FAULTS: dict[str, Fault] = {}


def fault(study: str, **expected):
    """Register a function that damages a study as a fault of its name."""

    def register(do):
        FAULTS[do.__name__.replace("_", " ")] = Fault(study, do, **expected)
        return do

    return register


def tag(name: str, study: str, files: str, *, refused=None, warned=None, **changes):
    """Register a change of attributes in every file whose name begins so."""

    def do(made: Study) -> None:
        for file, dataset in made.items():
            if file.startswith(files):
                dicom.change(dataset, **changes)

    FAULTS[name] = Fault(study, do, refused, warned)


def drug(made: Study, **changes):
    for name, dataset in made.items():
        if name.startswith("pt"):
            dicom.change(dataset.RadiopharmaceuticalInformationSequence[0], **changes)


# ---------------------------------------------------------------- drop: files
@fault("spect", refused="no emission image")
def drop_the_emission_image(made):
    del made["nm"]


# Without CT, lungs and what lies around the liver take the density of their role: the dose beside and at the edge of
# the liver is another one, and the notice says that the CT is missing.
@fault("spect", warned="reference-missing", besides=("Lung_L", "lungs", "Stomach"), tolerance=0.1)
def drop_the_ct_that_regions_were_drawn_on(made):
    for name in [n for n in made if n.startswith("ct")]:
        del made[name]


@fault("spect", refused="liver")
def drop_the_structure_set(made):
    del made["rs"]


@fault("spect", refused=r"1 slice\(s\) missing between ct04 and ct06: .* 16.00 mm apart")
def drop_a_ct_slice(made):
    del made["ct05"]


@fault("pet", refused=r"2 slice\(s\) missing between pt04 and pt07")
def drop_two_pet_slices(made):
    del made["pt05"], made["pt06"]


@fault("pet", warned="slices-missing")
def drop_the_last_pet_slice(made):
    del made["pt12"]


@fault("pet", refused="'Liver' is not wholly inside|contradicts|missing")
def drop_the_lower_half_of_the_pet(made):
    for index in range(6):
        del made[f"pt{index:02d}"]


@fault("pet", refused="is a single slice")
def drop_all_pet_slices_but_one(made):
    for index in range(1, 13):
        del made[f"pt{index:02d}"]


# ---------------------------------------------------------------- drop: attributes
for keyword, files, study, message in (
    ("PixelData", "nm", "spect", "has no pixel data"),
    ("Rows", "nm", "spect", "Rows is None"),
    ("PixelSpacing", "nm", "spect", "has no PixelSpacing"),
    ("DetectorInformationSequence", "nm", "spect", "has no ImagePositionPatient"),
    ("SeriesInstanceUID", "nm", "spect", "no SOPClassUID or SeriesInstanceUID"),
    ("ImagePositionPatient", "ct", "spect", "has no ImagePositionPatient"),
    ("ImageOrientationPatient", "ct", "spect", "has no ImageOrientationPatient"),
    ("PixelSpacing", "ct", "spect", "has no PixelSpacing"),
    ("RescaleIntercept", "ct", "spect", "lacks RescaleSlope or RescaleIntercept"),
    ("FrameOfReferenceUID", "ct", "spect", "no CT shares the emission image's frame of reference"),
    ("FrameOfReferenceUID", "nm", "spect", "no CT shares the emission image's frame of reference"),
    ("RescaleSlope", "pt", "pet", "lacks RescaleSlope or RescaleIntercept"),
    ("Units", "pt", "pet", "is in unstated units"),
    ("DecayCorrection", "pt", "pet", "DecayCorrection is missing"),
    ("PerFrameFunctionalGroupsSequence", "pt", "enhanced", "holds 13 frames but no position"),
    (
        "SharedFunctionalGroupsSequence",
        "pt",
        "enhanced",
        "unstated units|has no ImageOrientationPatient|lacks",
    ),
    ("SegmentSequence", "sg", "pet", "has no entry in SegmentSequence"),
    ("SegmentationType", "sg", "pet", "SegmentationType of sg is missing"),
    ("StructureSetROISequence", "rs", "spect", "has no entry in StructureSetROISequence"),
):
    tag(f"drop {keyword} of {files}", study, files, refused=message, **{keyword: None})

tag(
    "drop ROIContourSequence",
    "spect",
    "rs",
    refused="'Liver' lies wholly outside .* or is empty",
    ROIContourSequence=None,
)
tag("drop SliceThickness of the CT", "spect", "ct", SliceThickness=None)
tag(
    "drop SpacingBetweenSlices of NM",
    "spect",
    "nm",
    warned="spacing-from-thickness",
    SpacingBetweenSlices=None,
)
tag("drop both slice distances of NM", "spect", "nm", refused="neither SpacingBetweenSlices nor SliceThickness",
    SpacingBetweenSlices=None, SliceThickness=None)  # fmt: skip
tag("drop InstanceNumber of all slices", "pet", "pt", InstanceNumber=None)
tag("drop the patient", "spect", "", PatientName="", PatientID="", PatientBirthDate="")


@fault("pet", refused="administration time|time of administration|--time")
def drop_the_administration_time(made):
    drug(made, RadiopharmaceuticalStartDateTime=None)


@fault("pet", warned="nuclide-unknown")
def drop_nuclide_and_half_life(made):
    drug(made, RadionuclideCodeSequence=None, RadionuclideHalfLife=None, Radiopharmaceutical=None)


@fault("spect", refused="no SOPClassUID")
def drop_the_sop_class(made):
    files = files_of(made)
    place = files["nm"].index(b"\x08\x00\x16\x00UI")
    length = files["nm"][place + 6]
    files["nm"] = files["nm"][:place] + files["nm"][place + 8 + length :]
    return files


@fault("spect", refused="'GTV1' lies wholly outside .* or is empty")
def drop_all_contours_of_the_tumour(made):
    made["rs"].ROIContourSequence[1].ContourSequence = sequence()


# Half of the gap is filled from either side, and the notice says so; the contours of a ball are not quite that.
@fault("spect", warned="contour-plane-missing", tolerance=0.02)
def drop_one_contour_within_the_liver(made):
    group = made["rs"].ROIContourSequence[0].ContourSequence
    del group[len(group) // 2]


# ---------------------------------------------------------------- corrupt
ABSURD = {
    "nan": ["nan", "9"], "infinite": ["inf", "9"], "negative": ["-10", "9"], "zero": ["0", "9"], "one value": ["10"],
    "words": ["ten", "nine"], "huge": ["1e300", "1e300"], "tiny": ["1e-30", "9"],
}  # fmt: skip
for label, value in ABSURD.items():

    def _corrupt_spacing(made, value=value):
        for name, dataset in made.items():
            if name in ("nm", "ct03"):
                dataset.pop("PixelSpacing")
                dataset.add_new("PixelSpacing", "LO", value)

    FAULTS[f"corrupt PixelSpacing: {label}"] = Fault("spect", _corrupt_spacing, refused="PixelSpacing")

tag("corrupt orientation: not perpendicular", "spect", "nm", refused="ImageOrientationPatient .* is not a pair of perpendicular",
    DetectorInformationSequence=sequence(dicom.item(ImagePositionPatient=["-60", "-55", "-48"],
                                                    ImageOrientationPatient=["1", "0", "0", "0.5", "1", "0"])))  # fmt: skip
tag("corrupt orientation: NaN", "spect", "nm", refused="ImageOrientationPatient is",
    DetectorInformationSequence=sequence(Dataset()), ImagePositionPatient=["0", "0", "0"],
    ImageOrientationPatient=["nan", "0", "0", "0", "1", "0"])  # fmt: skip
tag(
    "corrupt slice spacing: NaN",
    "spect",
    "nm",
    refused="SpacingBetweenSlices is 'nan'",
    SpacingBetweenSlices="nan",
)
tag("corrupt Rows: 65535", "spect", "nm", refused="should hold .* bytes of pixels", Rows=65535)
tag("corrupt Rows: one less", "spect", "nm", refused="should hold .* bytes of pixels", Rows=11)
tag(
    "corrupt Columns of the CT: one less",
    "spect",
    "ct07",
    refused="should hold .* bytes of pixels",
    Columns=13,
)
tag(
    "corrupt frames: 2 000 000 000",
    "spect",
    "nm",
    refused="more than any image",
    NumberOfFrames=2_000_000_000,
)
tag("corrupt BitsAllocated", "spect", "nm", refused="should hold .* bytes|BitsStored", BitsAllocated=8)
tag("corrupt BitsStored", "spect", "nm", refused="use bits beyond BitsStored 8", BitsStored=8, HighBit=7)
tag("corrupt SliceVector", "spect", "nm", refused="SliceVector of nm should hold each of 1 to 13 once",
    SliceVector=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12])  # fmt: skip
tag("corrupt AcquisitionTime", "pet", "pt03", refused="AcquisitionTime", AcquisitionTime="99zz00")
tag("corrupt SOPClassUID", "spect", "nm", refused="SOPClassUID", SOPClassUID="1.2.840.10008.5.1.4.1.1.20.99")


@fault("spect", refused="damaged|cannot be read|unknown|cut short|no SOPClassUID")
def corrupt_the_transfer_syntax(made):
    files = files_of(made)
    files["rs"] = files["rs"].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0", 1)
    return files


@fault("pet", warned="nuclide-contradicts-half-life")
def corrupt_the_half_life_of_a_surrogate_label(made):
    # scanned as F-18: decay is undone with the header's half-life, which the scanner used
    drug(
        made,
        RadionuclideCodeSequence=sequence(dicom.code("14691008", "SCT", "Y-90")),
        RadionuclideHalfLife="225000",
    )


@fault("pet", refused="RadionuclideHalfLife")
def corrupt_the_half_life_text(made):
    for name, dataset in made.items():
        if name.startswith("pt"):
            inner = dataset.RadiopharmaceuticalInformationSequence[0]
            del inner.RadionuclideHalfLife
            inner.add_new("RadionuclideHalfLife", "LO", "long")


@fault("spect", refused="ContourData of 'Liver' .* are not points in space")
def corrupt_a_contour_number(made):
    contour = made["rs"].ROIContourSequence[0].ContourSequence[2]
    del contour.ContourData
    contour.add_new("ContourData", "LO", ["1", "2", "x"] * 4)


@fault("spect", refused="contours must be flat and parallel")
def corrupt_a_contour_height(made):
    contour = made["rs"].ROIContourSequence[0].ContourSequence[2]
    points = list(contour.ContourData)
    points[2] = str(float(points[2]) + 3)
    contour.ContourData = points


# ---------------------------------------------------------------- contradict
@fault("spect", refused="different patients|2 patients")
def contradict_the_patient_of_one_slice(made):
    made["ct04"].PatientID = "somebody else"


@fault("spect", refused="2 patients")
def contradict_the_patient_of_the_regions(made):
    made["rs"].PatientID = "somebody else"


@fault("spect", refused="2 studies")
def contradict_the_study_of_one_slice(made):
    made["ct04"].StudyInstanceUID = "1.2.3"


@fault("spect", refused="FrameOfReferenceUID is .* in ct00, 1.2.3 in ct04")
def contradict_the_frame_of_one_slice(made):
    made["ct04"].FrameOfReferenceUID = "1.2.3"


@fault("spect", refused="frame of reference")
def contradict_the_frame_of_the_regions(made):
    made["rs"] = dicom.rtstruct(
        {"Liver": [dicom.square(10, (0, 0), z) for z in (-12.0, -4.0)]}, frame="1.2.3"
    )


@fault("spect", refused="SpacingBetweenSlices of nm is 4 mm, SliceThickness 8 mm")
def contradict_the_slice_spacing_of_nm(made):
    made["nm"].SpacingBetweenSlices = "4"


@fault("spect", refused="SpacingBetweenSlices of nm is 8 mm, SliceThickness 16 mm")
def contradict_the_slice_thickness_of_nm(made):
    made["nm"].SliceThickness = "16"


@fault("spect", refused="NumberOfSlices 12")
def contradict_the_number_of_slices_of_nm(made):
    made["nm"].NumberOfSlices = 12


@fault("spect", refused="different pixel spacing")
def contradict_the_pixel_spacing_of_one_slice(made):
    made["ct04"].PixelSpacing = ["10", "8"]


@fault("spect", refused="oriented differently")
def contradict_the_orientation_of_one_slice(made):
    made["ct04"].ImageOrientationPatient = ["1", "0", "0", "0", "0", "1"]


@fault("spect", refused="different sizes")
def contradict_the_matrix_of_one_slice(made):
    dicom.set_pixels(made["ct04"], np.zeros((11, 14), np.int16))


@fault("spect", refused="beside the line of the other slices")
def contradict_the_place_of_one_slice(made):
    made["ct04"].ImagePositionPatient = ["-42", "-56", str(made["ct04"].ImagePositionPatient[2])]


@fault("pet", refused="Units is BQML in pt00, CNTS in pt04")
def contradict_the_units_of_one_slice(made):
    made["pt04"].Units = "CNTS"


tag("contradict the units: SUV", "pet", "pt", refused="GML .a standardised uptake value", Units="GML")
tag("contradict the units: counts", "pet", "pt", refused="counts without a calibration", Units="CNTS")
tag(
    "contradict the rescale intercept of PET",
    "pet",
    "pt",
    refused="in PET images it is always 0",
    RescaleIntercept="100",
)


@fault("pet", refused="DecayCorrection is START in pt00, ADMIN in pt04")
def contradict_the_decay_of_one_slice(made):
    made["pt04"].DecayCorrection = "ADMIN"


tag(
    "contradict the decay: NONE but corrected",
    "pet",
    "pt",
    warned="contradictory-decay",
    DecayCorrection="NONE",
    DecayFactor="1",
)
tag(
    "contradict the decay: unknown word",
    "pet",
    "pt",
    refused="DecayCorrection is LATER",
    DecayCorrection="LATER",
)


@fault("pet", refused="RadionuclideHalfLife is 230760 in pt00, 6586 in pt04")
def contradict_the_half_life_of_one_slice(made):
    other = dicom.radiopharmaceutical(RadionuclideHalfLife="6586")
    made["pt04"].RadiopharmaceuticalInformationSequence = other


@fault("pet", warned="series-later-than-acquisition")
def contradict_series_and_acquisition_time(made):
    for name, dataset in made.items():
        if name.startswith("pt"):
            dataset.SeriesTime = "180000"


@fault("pet", refused="before|after|plausible|1 to 96|1–96|h ")
def contradict_administration_and_acquisition(made):
    drug(made, RadiopharmaceuticalStartDateTime="20240320080000")


@fault("pet", refused="Lu-177|Ho-166|nuclide")
def contradict_the_therapy_nuclide(made):
    drug(made, RadionuclideCodeSequence=sequence(dicom.code("C1943", "99SDM", "Ho-166")), RadionuclideHalfLife="96566",
         RadionuclidePositronFraction=None)  # fmt: skip


@fault("spect", refused="points, NumberOfContourPoints says")
def contradict_the_number_of_points(made):
    contour = made["rs"].ROIContourSequence[0].ContourSequence[2]
    contour.ContourData = list(contour.ContourData)[:-3]


@fault("spect", refused="is SOP class .* by its data set")
def contradict_the_class_in_the_meta_header(made):
    files = files_of(made)
    place = files["rs"].index(b"\x08\x00\x16\x00UI")
    files["rs"] = files["rs"][:place] + files["rs"][place:].replace(b"481.3", b"481.2", 1)
    return files


@fault("enhanced", refused="NM|number|bytes|frames but positions")
def contradict_frames_and_positions(made):
    del made["pt"].PerFrameFunctionalGroupsSequence[4]


# ---------------------------------------------------------------- swap
@fault("pet", refused="InstanceNumber .* contradicts its ImagePositionPatient")
def swap_the_places_of_two_slices(made):
    one, other = made["pt03"], made["pt08"]
    one.ImagePositionPatient, other.ImagePositionPatient = (
        other.ImagePositionPatient,
        one.ImagePositionPatient,
    )


@fault("pet", refused="different objects under one SOPInstanceUID")
def swap_a_uid(made):
    made["pt03"].SOPInstanceUID = made["pt04"].SOPInstanceUID
    made["pt03"].file_meta.MediaStorageSOPInstanceUID = made["pt04"].SOPInstanceUID


@fault("pet")
def swap_file_names(made):
    made["pt03"], made["pt08"] = made["pt08"], made["pt03"]


@fault("pet", refused="slices of one series|at one position|contradicts|missing")
def swap_a_slice_for_a_copy_of_its_neighbour(made):
    copy = dicom.change(made["pt03"].copy(), SOPInstanceUID="1.2.3.4")
    copy.file_meta = made["pt03"].file_meta
    made["pt04"] = copy


@fault("spect", refused="two ROIs of rs share one ROINumber")
def swap_an_roi_number(made):
    made["rs"].StructureSetROISequence[0].ROINumber = 2


@fault("spect", warned="contours-left-out", refused="'GTV1' lies wholly outside .* or is empty")
def swap_closed_contours_for_points(made):
    for contour in made["rs"].ROIContourSequence[1].ContourSequence:
        contour.ContourGeometricType = "POINT"


@fault("pet", refused="two frames of segment|belongs to segment|has no entry")
def swap_the_segment_of_a_frame(made):
    frames = made["sg"].PerFrameFunctionalGroupsSequence
    number = frames[3].SegmentIdentificationSequence[0]
    number.ReferencedSegmentNumber = 2
    frames[3].PlanePositionSequence = frames[-6].PlanePositionSequence


@fault("pet", refused="SegmentationType of sg is FRACTIONAL with 1 bits")
def swap_the_segmentation_type(made):
    made["sg"].SegmentationType = "FRACTIONAL"


@fault("spect", warned="other-regions", besides=("non-tumour liver",))
def swap_the_tumour_for_an_unknown_name(made):
    made["rs"].StructureSetROISequence[1].ROIName = "thing"


@fault("pet", refused="emission images fit|is a single slice|missing|contradict")
def swap_the_series_of_one_slice(made):
    made["pt05"].SeriesInstanceUID = "1.2.3.4"


@fault("spect", refused="holds 2 volumes|emission images fit")
def add_a_second_volume_to_the_series(made):
    made["nm2"] = dicom.change(dicom.nm(emission_values() // 2, SOPInstanceUID="1.2.3.4"))


@fault("spect", refused="emission images fit")
def add_a_second_emission_series(made):
    made["nm2"] = dicom.nm(emission_values() // 2, series="other")


# ---------------------------------------------------------------- truncate
def cut(study: str, file: str, part: float, message: str):
    def do(made: Study) -> Files:
        files = files_of(made)
        files[file] = files[file][: int(len(files[file]) * part)]
        return files

    FAULTS[f"truncate {file} of {study} to {100 * part:.0f} %"] = Fault(study, do, refused=message)


for part in (0.3, 0.6, 0.97):
    cut("spect", "rs", part, "cut short|cannot be read|damaged")
for part in (0.1, 0.5, 0.99):
    cut("spect", "nm", part, "cut short|no SOPClassUID|cannot be read|should hold")
cut("pet", "pt04", 0.7, "cut short|should hold")
cut("pet", "sg", 0.5, "cut short|cannot be read")
cut("enhanced", "pt", 0.8, "should hold")


@fault("spect", refused="no SOPClassUID|cannot be read|cut short")
def truncate_a_slice_to_its_first_bytes(made):
    files = files_of(made)
    files["ct03"] = files["ct03"][:200]
    return files


@fault("spect", refused="no DICM at byte 128")
def truncate_the_preamble(made):
    files = files_of(made)
    files["rs"] = files["rs"][10:]
    return files


@fault("spect")
def truncate_preamble_and_meta_header(made):
    # an old export: implicit by nature, recognised by its content
    files = files_of(made)
    start = files["rs"].index(b"\x08\x00\x05\x00")
    files["rs"] = files["rs"][start:]
    return files


@fault("spect", refused="cannot be decoded|decodes to|damaged")
def truncate_compressed_pixels(made):
    made["nm"].compress(RLELossless)
    made["nm"].PixelData = made["nm"].PixelData[: len(made["nm"].PixelData) // 2]
    return files_of(made)


# ---------------------------------------------------------------- what is no fault
@fault("spect")
def rename_and_mix_in_other_files(made):
    files = {f"{index * 7919 % 97:02d}.bin": content for index, content in enumerate(files_of(made).values())}
    return {**files, "notes.txt": b"nothing", "empty": b"", "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(300)}


@fault("spect")
def store_every_file_twice(made):
    files = files_of(made)
    return {**files, **{f"copy of {name}": content for name, content in files.items()}}


@fault("pet")
def write_big_endian(made):
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import dcmwrite

    files = files_of(made)
    dataset = made["sg"]
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    buffer = DicomBytesIO()
    dcmwrite(buffer, dataset, little_endian=False, implicit_vr=False, enforce_file_format=True)
    return {**files, "sg": buffer.getvalue()}


@fault("spect")
def compress_the_emission_image(made):
    made["nm"].compress(RLELossless)
    return {name: as_bytes(dataset) for name, dataset in made.items()}
