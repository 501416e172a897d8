"""``send`` and ``fetch`` against an archive in this process: what arrives, and every way it can fail."""

import json
import socket
import sys

import dicom_factory as factory
import numpy as np
import pydicom
import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom.archive import Peer
from y90voxel.io.dicom.encapsulated_pdf import write_encapsulated_pdf
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.radiation_dose_sr import AdministeredDose, OrganDose, write_radiation_dose_sr

pynetdicom = pytest.importorskip("pynetdicom")
from pynetdicom import AE, StoragePresentationContexts, build_context, evt, sop_class  # noqa: E402

FIND = sop_class.StudyRootQueryRetrieveInformationModelFind
GET = sop_class.StudyRootQueryRetrieveInformationModelGet
STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


class Archive:
    """An archive that keeps objects in memory; its faults can be switched on."""

    def __init__(self):
        self.objects = {}
        self.refused_class = self.lost = self.foreign = self.hostile = None
        self.find_status = None

    def store(self, event):
        dataset = event.dataset
        if dataset.SOPClassUID == self.refused_class:
            return 0xA700
        dataset.file_meta = event.file_meta
        self.objects[dataset.SOPInstanceUID] = dataset
        return 0x0000

    def of(self, uid):
        return [d for d in self.objects.values() if d.StudyInstanceUID == uid]

    def find(self, event):
        if self.find_status:
            yield self.find_status, None
            return
        found = self.of(event.identifier.StudyInstanceUID)
        if found:
            event.identifier.NumberOfStudyRelatedInstances = len(found)
            yield 0xFF00, event.identifier

    def get(self, event):
        found = self.of(event.identifier.StudyInstanceUID)
        yield len(found) - (self.lost is not None)
        for number, dataset in enumerate(found):
            if number == self.lost:  # listed, never sent and never counted
                continue
            if number == self.foreign:
                dataset = factory.change(
                    pydicom.dcmread(pydicom.filebase.DicomBytesIO(bytes_of(dataset))),
                    StudyInstanceUID="1.2.9",
                )
            elif number == self.hostile:
                dataset = factory.change(
                    pydicom.dcmread(pydicom.filebase.DicomBytesIO(bytes_of(dataset))),
                    SeriesInstanceUID="../../escape",
                )
            yield 0xFF00, dataset


def bytes_of(dataset):
    stream = pydicom.filebase.DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def serve(archive, *, title="ARCHIVE", contexts=(FIND, GET), storage=True, require_title=True):
    entity = AE(ae_title=title)
    entity.require_called_aet = require_title
    for context in contexts:
        entity.add_supported_context(context, SYNTAXES)
    if storage:
        dose_report = build_context(sop_class.RadiopharmaceuticalRadiationDoseSRStorage)
        for context in (*StoragePresentationContexts, dose_report):
            entity.add_supported_context(context.abstract_syntax, SYNTAXES, scu_role=True, scp_role=True)
    handlers = [
        (evt.EVT_C_STORE, archive.store),
        (evt.EVT_C_FIND, archive.find),
        (evt.EVT_C_GET, archive.get),
    ]
    return entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)


@pytest.fixture
def archive():
    made = Archive()
    server = serve(made)
    made.address = f"ARCHIVE@127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()


@pytest.fixture
def results(tmp_path):
    """A folder like that of a run: a dose-like object, a segmentation, and files that are not DICOM."""
    folder = tmp_path / "results"
    factory.save(factory.nm(STORED), folder, "dose")
    factory.save(factory.seg({"Liver": STORED > 1000}), folder, "seg")
    (folder / "metrics.json").write_text("{}")
    return folder


def same(one, other):
    """Whether two datasets hold the same elements, pixels included."""
    return one.to_json_dict() == other.to_json_dict()


def test_results_are_sent_and_come_back_the_same(run_cli, archive, results, tmp_path):
    done = run_cli("send", results, "--to", archive.address)
    assert (done.code, done.out) == (0, f"2 objects sent to {archive.address}\n")
    assert len(archive.objects) == 2
    done = run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "back", "--json")
    assert json.loads(done.out) == {"objects": 2, "folder": str(tmp_path / "back")}
    sent = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, results.glob("*0000"))}
    back = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))}
    assert sent.keys() == back.keys()
    assert all(same(sent[uid], back[uid]) for uid in sent)


def test_dose_report_and_enclosed_pdf_are_sent_and_come_back_the_same(run_cli, archive, tmp_path):
    folder, identity = tmp_path / "results", StudyIdentity(study_instance_uid=factory.STUDY)
    folder.mkdir()
    (folder / "report.pdf").write_bytes(b"%PDF-1.4 report")
    write_encapsulated_pdf(folder / "report.pdf", folder / "report.pdf.dcm", title="Dose", identity=identity)
    given = AdministeredDose("Y-90", 230760.0, 2e9, "1.2.3.5", organs=(OrganDose("liver", "Leber ä", 41.5),))
    write_radiation_dose_sr(given, folder / "dose.sr.dcm", identity=identity)
    done = run_cli("send", folder, "--to", archive.address, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["sent"] == ["dose.sr.dcm", "report.pdf.dcm"]
    assert run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "back").code == 0
    sent = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, folder.glob("*.dcm"))}
    back = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))}
    assert sent.keys() == back.keys()
    assert all(same(sent[uid], back[uid]) for uid in sent)


def test_a_fetched_study_can_be_read(run_cli, archive, tmp_path):
    from y90voxel.io.dicom.dicom_study import DicomStudy

    for dataset in (factory.nm(STORED), *factory.ct(STORED)):
        archive.objects[dataset.SOPInstanceUID] = factory.change(dataset)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    assert run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "in").code == 0
    study = DicomStudy.open(tmp_path / "in")
    np.testing.assert_array_equal(study.emission().volume.array, STORED)
    assert study.ct().grid.shape == STORED.shape


def test_one_file_can_be_sent(run_cli, archive, results):
    done = run_cli("send", results / "seg0000", "--to", archive.address, "--json")
    assert json.loads(done.out) == {"sent": ["seg0000"], "to": archive.address}


def test_objects_that_the_archive_does_not_store_are_listed(run_cli, archive, results):
    archive.refused_class = factory.SEG_CLASS
    done = run_cli("send", results, "--to", archive.address)
    assert done.code == 2
    assert f"1 of 2 objects were not stored by {archive.address}: seg0000: status 0xA700" in done.err
    assert len(archive.objects) == 1


def test_kinds_of_object_that_the_archive_does_not_know_are_listed(run_cli, results):
    server = serve(Archive(), storage=False, contexts=(factory.NM_CLASS,))
    done = run_cli("send", results, "--to", f"ARCHIVE@127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    assert done.code == 2
    assert "seg0000: the archive does not accept this kind of object" in done.err


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def both(run_cli, results, tmp_path, address):
    """The messages of sending and fetching, which both fail and leave nothing."""
    sent = run_cli("send", results, "--to", address)
    fetched = run_cli("fetch", factory.STUDY, "--from", address, "-o", tmp_path / "back")
    assert (sent.code, fetched.code) == (2, 2)
    assert not (tmp_path / "back").exists()
    return sent.err, fetched.err


def test_an_archive_that_cannot_be_reached_is_named(run_cli, results, tmp_path):
    port = free_port()
    for message in both(run_cli, results, tmp_path, f"ARCHIVE@127.0.0.1:{port}"):
        assert f"127.0.0.1:{port} cannot be reached" in message


def test_a_wrong_title_is_named(run_cli, archive, results, tmp_path):
    for message in both(run_cli, results, tmp_path, archive.address.replace("ARCHIVE", "OTHER")):
        # an archive that hangs up right after its answer may be gone before the answer is read
        answers = ("rejected the association: Called AE title not recognised", "it does not know the titles")
        assert any(answer in message for answer in answers)
        assert "'OTHER' and we are 'Y90VOXEL'" in message


def test_something_that_is_no_archive_is_told(run_cli, results, tmp_path, monkeypatch):
    monkeypatch.setattr("y90voxel.io.dicom.network.TIMEOUT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        import threading

        def hang_up():
            for _ in range(4):
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        address = f"ARCHIVE@127.0.0.1:{server.getsockname()[1]}"
        for message in both(run_cli, results, tmp_path, address):
            assert "it is no DICOM archive (check the port)" in message


@pytest.mark.parametrize(
    "text",
    [
        "ARCHIVE",
        "ARCHIVE@host",
        "@host:104",
        "ARCHIVE@host:0",
        "ARCHIVE@host:99999",
        "A TITLE TOO LONG BY FAR@h:1",
    ],
)
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="is not AET@host:port"):
        Peer.parse(text)


def test_an_address_may_be_of_version_six():
    assert Peer.parse("PACS@[::1]:104") == Peer("PACS", "::1", 104)


@pytest.mark.parametrize("command", [("send", "."), ("fetch", "1.2", "-o", "nowhere")])
@pytest.mark.parametrize("options", [(), ("--dicomweb", "http://localhost:1", "--to")])
def test_one_way_to_the_archive_must_be_given(run_cli, command, options):
    if options:
        options = (*options[:2], "--from" if command[0] == "fetch" else "--to", "A@b:1")
    done = run_cli(*command, *options)
    assert done.code == 2
    assert "AET@host:port or --dicomweb URL" in done.err


def test_a_study_that_the_archive_does_not_know_is_named(run_cli, archive, tmp_path):
    done = run_cli("fetch", "1.2.3.404", "--from", archive.address, "-o", tmp_path / "back")
    assert (done.code, (tmp_path / "back").exists()) == (2, False)
    assert "knows no study 1.2.3.404" in done.err


def test_text_that_is_no_uid_is_not_sent(run_cli, tmp_path):
    done = run_cli("fetch", "../*", "--from", "A@127.0.0.1:1", "-o", tmp_path / "back")
    assert (done.code, "is not a study instance UID" in done.err) == (2, True)


@pytest.mark.parametrize("fault", ["lost", "foreign", "hostile"])
def test_a_study_that_arrives_in_part_or_wrong_is_not_kept(run_cli, archive, results, tmp_path, fault):
    run_cli("send", results, "--to", archive.address)
    setattr(archive, fault, 1)
    done = run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "back")
    assert done.code == 2
    assert "not fetched whole" in done.err
    assert "1 of 2 objects arrived" in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results"]


def test_a_failing_search_is_told(run_cli, archive, tmp_path):
    archive.find_status = 0xA900
    done = run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "back")
    assert (done.code, "failed while looking for the study (status 0xA900)" in done.err) == (2, True)


def test_an_archive_without_get_is_told(run_cli, tmp_path):
    server = serve(Archive(), contexts=(FIND,))
    address = f"ARCHIVE@127.0.0.1:{server.server_address[1]}"
    done = run_cli("fetch", factory.STUDY, "--from", address, "-o", tmp_path / "back")
    server.shutdown()
    assert (done.code, "does not offer C-GET" in done.err, "--dicomweb" in done.err) == (2, True, True)


def test_nothing_to_send_is_told(run_cli, tmp_path):
    (tmp_path / "note.txt").write_text("nothing")
    for path, message in ((tmp_path, "holds no DICOM file"), (tmp_path / "none", "does not exist")):
        done = run_cli("send", path, "--to", "A@127.0.0.1:1")
        assert (done.code, message in done.err) == (2, True)


def test_a_damaged_file_is_named(run_cli, tmp_path):
    (tmp_path / "bad.dcm").write_bytes(bytes(128) + b"DICM")
    done = run_cli("send", tmp_path, "--to", "A@127.0.0.1:1")
    assert (done.code, "bad.dcm cannot be read as DICOM" in done.err) == (2, True)


def test_a_folder_with_something_in_it_is_left_alone(run_cli, archive, results, tmp_path):
    run_cli("send", results, "--to", archive.address)
    done = run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", results)
    assert (done.code, len(list(results.iterdir()))) == (2, 3)


def test_no_patient_is_named_in_what_is_printed(run_cli, archive, results, tmp_path):
    archive.refused_class = factory.SEG_CLASS
    said = run_cli("send", results, "--to", archive.address)
    got = run_cli("fetch", factory.STUDY, "--from", archive.address, "-o", tmp_path / "back")
    assert "Factory" not in said.out + said.err + got.out + got.err


@pytest.mark.parametrize(
    ("library", "options"),
    [("pynetdicom", ("--to", "A@127.0.0.1:1")), ("dicomweb_client", ("--dicomweb", "http://127.0.0.1:1"))],
)
def test_without_the_extra_the_message_says_what_to_install(run_cli, results, monkeypatch, library, options):
    monkeypatch.setitem(sys.modules, library, None)
    done = run_cli("send", results, *options)
    assert (done.code, 'pip install "dicomweb-client>=0.60" "pynetdicom>=2.1"' in done.err) == (2, True)
