"""Radiopharmaceutical Radiation Dose SR and Encapsulated PDF written, judged by dciodvfy and a reader after OpenREM's rules."""

from datetime import UTC, datetime, timedelta, timezone

import pydicom
import pytest
from dicom_checks import dciodvfy_errors, needs_dciodvfy
from pydicom.sr._concepts_dict import concepts
from rrdsr_reader import read_rrdsr

from y90voxel.errors import InputError
from y90voxel.io.dicom import radiation_dose_sr as written
from y90voxel.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from y90voxel.io.dicom.identity import SourceSeries, StudyIdentity
from y90voxel.io.dicom.radiation_dose_sr import (
    AdministeredDose,
    Assay,
    OrganDose,
    event_uid_of,
    write_radiation_dose_sr,
)

IDENTITY = StudyIdentity("Müller^Anna", "PAT-1", "19500101", "F", "1.2.3.4", "S1", "20240102", "093000")
SOURCES = (
    SourceSeries("1.2.3.4.1", (("1.2.840.10008.5.1.4.1.1.20", "1.2.3.4.1.1"),)),
    SourceSeries("1.2.9.1", (("1.2.840.10008.5.1.4.1.1.2", "1.2.9.1.1"),), "1.2.9"),
)
FULL = AdministeredDose(
    "Y-90", 230760.0, 1.95e9, "1.2.3.5", datetime(2024, 3, 12, 8, 0, 30),
    Assay(2.4e9, datetime(2024, 3, 11, 12, tzinfo=UTC)), Assay(5e7, datetime(2024, 3, 12, 9)),
    "TheraSphere", "PT", "engine", "a comment",
    (
        OrganDose("liver", "Leber ä", 41.5, 1500.25, "volume"),
        OrganDose("tumour", "GTV1", 210.0, 30.0, "volume"),
        OrganDose("kidney", "Kidney_L", 0.02, side="left"),
        OrganDose("lungs", "lungs", 4.85, 1000.0, "MIRD", "both"),
    ),
)  # fmt: skip
BARE = AdministeredDose("Ho-166", 96480.0, 6e9, "1.2.3.6")
ODD = AdministeredDose(
    "Y-90", 230760.0, 1e-3, "1.2.3.7", datetime(2024, 1, 1, 0, 0, 0, 5, timezone(timedelta(hours=5, minutes=45))),
    comment="a\\b\n\x07 c" * 200,
    organs=(OrganDose("tumour", "GTV\\1\t\u2028 肝" * 90, -1.5e-9, 1e-9), OrganDose("liver", "", 1e9)),
)  # fmt: skip


def test_a_registry_reads_what_was_administered_and_the_organ_doses(tmp_path):
    write_radiation_dose_sr(FULL, tmp_path / "a.dcm", identity=IDENTITY, references=SOURCES)
    read = read_rrdsr(tmp_path / "a.dcm")
    organs = read.pop("organs")
    assert read == {
        "procedure": ("241443006", "PET study for localization of tumor"), "intent": ("262202000", "Therapeutic Intent"),
        "comment": "a comment", "patient": ("Müller^Anna", "PAT-1"),
        "agent": ("764678003", "Yttrium^90^ microspheres"), "nuclide": ("14691008", "^90^Yttrium"),
        "half_life_s": 230760.0, "uid": "1.2.3.5", "start": "20240312080030", "activity_mbq": 1950.0,
        "route": ("58100008", "Intra-arterial route"), "brand": "TheraSphere",
        "before": (2400.0, "20240311120000+0000"), "after": (50.0, "20240312090000"),
    }  # fmt: skip
    assert [(o["site"][1], o["side"], o["name"], o["mass_g"], o["dose_mgy"]) for o in organs] == [
        ("Liver", None, "Leber ä", 1500.25, 41500.0),
        ("Neoplasm", None, "GTV1", 30.0, 210000.0),
        ("Kidney", "Left", "Kidney_L", None, 20.0),
        ("Lung", "Bilateral", "lungs", 1000.0, 4850.0),
    ]
    assert {o["authority"] for o in organs} == {"engine"}
    assert [o["mass_method"] for o in organs] == ["volume", "volume", None, "MIRD"]


def test_without_a_code_for_its_spheres_holmium_is_told_by_its_nuclide(tmp_path):
    write_radiation_dose_sr(BARE, tmp_path / "a.dcm")
    read = read_rrdsr(tmp_path / "a.dcm")
    assert read["agent"] == ("439007", "Therapeutic radioisotope")
    assert read["nuclide"] == ("C1943", "^166^Holmium")
    assert (read["before"], read["after"], read["brand"], read["organs"]) == (None, None, None, [])
    assert read["start"] == "19000101"  # no time may be told, and the template demands one
    nuclide = pydicom.dcmread(tmp_path / "a.dcm").ContentSequence[1].ContentSequence[0].ContentSequence[0]
    assert nuclide.ConceptCodeSequence[0].CodingSchemeDesignator == "NCIt"


def test_text_without_printable_characters_is_written_as_dicom_takes_it(tmp_path):
    write_radiation_dose_sr(ODD, tmp_path / "a.dcm")
    read = read_rrdsr(tmp_path / "a.dcm")
    assert read["comment"].startswith("a\\b ca\\b c")
    assert [organ["name"][:12] for organ in read["organs"]] == ["GTV\\1 肝GTV\\1", "not stated"]
    assert {organ["authority"] for organ in read["organs"]} == {"not stated"}
    assert (read["start"], read["activity_mbq"]) == ("20240101000000+0545", 1e-9)
    assert [organ["dose_mgy"] for organ in read["organs"]] == [-1.5e-6, 1e12]


def test_every_code_is_one_of_pydicoms_dictionary():
    known = {
        (scheme, value)
        for scheme, names in concepts.items()
        for meanings in names.values()
        for value in meanings
    }
    ours = [*written.SITES.values(), *written.SIDES.values(), *written.AGENTS.values(), written.OTHER_AGENT]
    ours += [*written.PROCEDURES.values(), written.OTHER_PROCEDURE, written.INTENT, written.ROUTE]
    assert {("SCT", value) for value, _ in ours} <= known
    assert {(scheme, value) for value, _, scheme in written.NUCLIDES.values()} <= known


def test_the_images_are_evidence_by_study_and_none_where_identity_was_removed(tmp_path):
    for name, identity in (("a", IDENTITY), ("b", IDENTITY.anonymous())):
        write_radiation_dose_sr(FULL, tmp_path / name, identity=identity, references=SOURCES)
    whole, removed = (pydicom.dcmread(tmp_path / name) for name in "ab")
    evidence = [
        (study.StudyInstanceUID, study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for study in whole.CurrentRequestedProcedureEvidenceSequence
    ]  # fmt: skip
    assert evidence == [("1.2.3.4", "1.2.3.4.1.1"), ("1.2.9", "1.2.9.1.1")]
    assert "CurrentRequestedProcedureEvidenceSequence" not in removed
    assert (removed.PatientID, removed.PatientIdentityRemoved) == ("", "YES")


def test_an_administration_keeps_its_uid_and_others_have_their_own():
    assert event_uid_of("1.2.3", 1, "Y-90") == event_uid_of("1.2.3", 1, "Y-90")
    assert len({event_uid_of(study, n, "Y-90") for study in ("1.2.3", "1.2.4") for n in (1, 2)}) == 4


@needs_dciodvfy
@pytest.mark.parametrize("given", [FULL, BARE, ODD], ids=["full", "bare", "odd"])
@pytest.mark.parametrize(
    "identity", [IDENTITY, IDENTITY.anonymous(), None], ids=["named", "removed", "nobody"]
)
def test_dciodvfy_finds_no_error_in_the_sr(given, identity, tmp_path):
    write_radiation_dose_sr(given, tmp_path / "a.dcm", identity=identity, references=SOURCES)
    assert dciodvfy_errors(tmp_path / "a.dcm", "RadiopharmaceuticalRadiationDoseSR") == []


@pytest.fixture
def pdf(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 odd")
    assert len(b"%PDF-1.4 odd") % 2 == 0
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 even")
    return tmp_path / "a.pdf", tmp_path / "b.pdf"


def test_an_enclosed_pdf_comes_out_as_it_was(pdf, tmp_path):
    for file in pdf:
        write_encapsulated_pdf(file, tmp_path / "a.dcm", title="Dose", identity=IDENTITY, references=SOURCES)
        read = pydicom.dcmread(tmp_path / "a.dcm")
        assert read.EncapsulatedDocument[: read.EncapsulatedDocumentLength] == file.read_bytes()
        assert len(read.EncapsulatedDocument) % 2 == 0
    assert (read.Modality, read.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert (read.DocumentTitle, read.BurnedInAnnotation, read.PatientID) == ("Dose", "YES", "PAT-1")
    assert [i.ReferencedSOPInstanceUID for i in read.SourceInstanceSequence] == ["1.2.3.4.1.1", "1.2.9.1.1"]


def test_where_identity_was_removed_a_pdf_refers_to_our_own_objects_alone(pdf, tmp_path):
    write_radiation_dose_sr(BARE, tmp_path / "own.dcm")
    own = pydicom.dcmread(tmp_path / "own.dcm").SOPInstanceUID
    for identity in (IDENTITY.anonymous(), StudyIdentity()):
        write_encapsulated_pdf(
            pdf[0],
            tmp_path / "a.dcm",
            title="Dose",
            identity=identity,
            references=SOURCES,
            objects=[tmp_path / "own.dcm"],
        )
        read = pydicom.dcmread(tmp_path / "a.dcm")
        sources = [i.ReferencedSOPInstanceUID for i in read.SourceInstanceSequence]
        assert sources == ([own] if identity.anonymised else ["1.2.3.4.1.1", "1.2.9.1.1", own])
        assert read.BurnedInAnnotation == ("NO" if identity.anonymised else "YES")


@needs_dciodvfy
@pytest.mark.parametrize(
    "identity", [IDENTITY, IDENTITY.anonymous(), None], ids=["named", "removed", "nobody"]
)
def test_dciodvfy_finds_no_error_in_the_pdf(pdf, identity, tmp_path):
    write_encapsulated_pdf(pdf[1], tmp_path / "a.dcm", title="Dose", identity=identity, references=SOURCES)
    assert dciodvfy_errors(tmp_path / "a.dcm", "EncapsulatedPDF") == []


def test_what_is_no_pdf_is_refused(tmp_path):
    (tmp_path / "a.pdf").write_text("<html>")
    with pytest.raises(InputError, match=r"a\.pdf is no PDF"):
        write_encapsulated_pdf(tmp_path / "a.pdf", tmp_path / "a.dcm", title="Dose")
