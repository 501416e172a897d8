"""What the answers of an archive mean, one by one, without a network."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pydicom
import pytest

from y90voxel.errors import DicomError, InputError
from y90voxel.io.dicom import network
from y90voxel.io.dicom.archive import Peer, StudyWriter, check_study_uid, dicom_files
from y90voxel.io.dicom.network import _count_objects, _kind, _run_c_get, _run_c_store

PIXELS = np.zeros((1, 2, 2), np.int16)
PEER = Peer("PACS", "192.0.2.5", 104)


def association(answers=(), *, established=True):
    """An association whose services give these answers."""
    return SimpleNamespace(
        is_established=established,
        send_c_store=lambda _: answers[0],
        send_c_find=lambda *_: iter(answers),
        send_c_get=lambda *_: iter(answers),
    )


def status(code=None, **counts):
    """A status of a DIMSE service; empty without a code, as when nobody answered."""
    answer = pydicom.Dataset()
    if code is not None:
        answer.Status = code
    for keyword, value in counts.items():
        setattr(answer, f"NumberOf{keyword}Suboperations", value)
    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(0x0000), ""),
        (status(0xB000), ""),  # stored, with a remark
        (status(0xB006), ""),
        (status(0xB007), ""),
        (status(0xA700), "status 0xA700"),
        (status(0x0001), "status 0x0001"),
        (status(), "no answer"),
        (None, "no answer"),
    ],
)
def test_an_object_is_stored_where_the_archive_says_so(answer, reason):
    assert _run_c_store(association([answer]), Path("a.dcm")) == reason
    lost = association([answer], established=False)
    assert _run_c_store(lost, Path("a.dcm")) == "the connection was lost before"


def match(count=None):
    return factory.item(**({} if count is None else {"NumberOfStudyRelatedInstances": count}))


PENDING, PENDING_IN_PART, DONE = status(0xFF00), status(0xFF01), status(0x0000)


@pytest.mark.parametrize(
    ("answers", "listed"),
    [
        ([(PENDING, match(12)), (DONE, None)], 12),
        ([(PENDING_IN_PART, match(12)), (DONE, None)], 12),
        ([(PENDING, match()), (DONE, None)], 0),  # it does not say how many
        ([(PENDING, match(3)), (PENDING, match(5)), (PENDING, match(4)), (DONE, None)], 5),
        ([(PENDING, None), (PENDING, match(5)), (DONE, None)], 5),
    ],
)
def test_the_objects_of_a_study_are_as_many_as_the_archive_lists(answers, listed):
    assert _count_objects(association(answers), "model", "1.2", PEER) == listed


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(DONE, None)], "knows no study 1.2"),
        ([(PENDING, None), (DONE, None)], "knows no study 1.2"),
        ([(status(0xA700), None)], r"failed while looking for the study \(status 0xA700\)"),
        ([(status(), None)], r"failed while looking for the study \(no answer\)"),
        ([(None, None)], r"failed while looking for the study \(no answer\)"),
    ],
)
def test_a_study_that_is_not_found_is_told(answers, message):
    with pytest.raises(InputError, match=message):
        _count_objects(association(answers), "model", "1.2", PEER)


@pytest.mark.parametrize(
    ("answers", "counts", "fractions"),
    [
        ([status(0xFF00, Completed=1, Remaining=3), status(0x0000, Completed=4, Failed=0)], (4, 0), [0.25, 1.0]),
        ([status(0xFF00, Completed=2, Failed=1, Remaining=1), status(0xB000, Completed=3, Failed=1)], (3, 1), [2 / 3, 1.0]),
        ([status(0xFF00, Completed=4, Failed=1), status(0x0000)], (4, 1), [1.0, 1.0]),  # the last does not repeat them
        ([status(0x0000)], (0, 0), [0.0]),
    ],
)  # fmt: skip
def test_a_c_get_tells_how_many_objects_were_sent_and_failed(answers, counts, fractions):
    told = []
    answered = association([(answer, None) for answer in answers])
    assert _run_c_get(answered, None, "model", PEER, told.append) == counts
    assert told == pytest.approx(fractions)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(), "stopped answering"),
        (None, "stopped answering"),
        (status(0xA702), "status 0xA702"),
        (status(0x0001), "status 0x0001"),
    ],
)
def test_a_c_get_that_ends_badly_is_refused(answer, message):
    with pytest.raises(InputError, match=message):
        _run_c_get(association([(answer, None)]), None, "model", PEER, lambda _: None)


def test_the_kind_of_a_file_stands_in_its_meta_header(tmp_path):
    (slice_,) = factory.ct(PIXELS)
    path = tmp_path / "a.dcm"
    slice_.save_as(path, enforce_file_format=True)
    assert _kind(path) == (factory.CT_CLASS, "1.2.840.10008.1.2.1")
    path.write_bytes(b"no DICOM")
    with pytest.raises(DicomError, match="cannot be read as DICOM"):
        _kind(path)


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("PACS@192.0.2.5:104", PEER),
        (" PACS@192.0.2.5:104\n", PEER),
        ("A@h:1", Peer("A", "h", 1)),
        ("A@h:65535", Peer("A", "h", 65535)),
        ("A@[2001:db8::1]:104", Peer("A", "2001:db8::1", 104)),
        ("SIXTEEN_LETTERS_@h:104", Peer("SIXTEEN_LETTERS_", "h", 104)),
        ("A@h:0", None),
        ("A@h:65536", None),
        ("SEVENTEEN_LETTERS@h:104", None),
        ("A@h", None),
        ("h:104", None),
    ],
)
def test_a_peer_is_its_title_host_and_port(text, peer):
    if peer is not None:
        assert Peer.parse(text) == peer
    else:
        with pytest.raises(InputError, match="is not AET@host:port"):
            Peer.parse(text)


def received(study="1.2.3", series="1.2.3.4", instance="1.2.3.4.5"):
    made = factory.ct(PIXELS)[0]
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    return factory.change(made, StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=instance)


LONGEST = "1." + "2" * 62  # a UID has 64 characters at most


@pytest.mark.parametrize(
    ("uids", "message"),
    [
        ({}, None),
        ({"instance": LONGEST}, None),
        ({"instance": LONGEST + "2"}, "SOPInstanceUID is not a UID"),
        ({"series": LONGEST + "2"}, "SeriesInstanceUID is not a UID"),
        ({"study": "1.2.9"}, "another study"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.filterwarnings("ignore:The value length")
def test_what_arrives_is_kept_under_its_uids_if_it_is_of_the_study(tmp_path, uids, message):
    writer = StudyWriter(tmp_path, "1.2.3")
    if message is None:
        writer.add(received(**uids))
        writer.add(received(instance="1.2.3.4.6"))
        names = {f"{uids.get('instance', '1.2.3.4.5')}.dcm", "1.2.3.4.6.dcm"}
        assert (writer.count, {p.name for p in (tmp_path / "1.2.3.4").iterdir()}) == (2, names)
    else:
        with pytest.raises(DicomError, match=message):
            writer.add(received(**uids))
        assert (writer.count, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize(
    ("uid", "taken"), [("1.2.3", True), (LONGEST, True), (LONGEST + "2", False), ("1.2.x", False)]
)
def test_a_study_is_asked_for_by_a_uid(uid, taken):
    if taken:
        assert check_study_uid(uid) == uid
    else:
        with pytest.raises(InputError, match="is not a study instance UID"):
            check_study_uid(uid)


def test_files_to_send_are_those_with_a_mark_of_dicom(tmp_path):
    (tmp_path / "b").mkdir()
    marked = bytes(128) + b"DICM"
    for name, content in (
        ("b/1", marked),
        ("a.dcm", marked + b"more"),
        ("c.txt", b"text"),
        ("d", bytes(129) + b"DICM"),
    ):
        (tmp_path / name).write_bytes(content)
    assert dicom_files(tmp_path) == [tmp_path / "a.dcm", tmp_path / "b" / "1"]
    assert dicom_files(tmp_path / "b" / "1") == [tmp_path / "b" / "1"]
    with pytest.raises(InputError, match="holds no DICOM file"):
        dicom_files(tmp_path / "c.txt")
    with pytest.raises(InputError, match="does not exist"):
        dicom_files(tmp_path / "e")


@contextmanager
def connected(peer, title, contexts, **_):
    yield association([status(0xA700)])


@pytest.mark.parametrize("watched", [True, False])
def test_sending_tells_how_far_it_is_and_what_failed(tmp_path, monkeypatch, watched):
    monkeypatch.setattr(network, "_association", connected)
    for name in ("a", "b"):
        factory.ct(PIXELS)[0].save_as(tmp_path / name, enforce_file_format=True)
    told = []
    progress = (lambda what, done: told.append((what, done))) if watched else None
    failures = network.send_objects([tmp_path / "a", tmp_path / "b"], PEER, progress=progress)
    assert [(f.file, f.reason) for f in failures] == [("a", "status 0xA700"), ("b", "status 0xA700")]
    assert told == ([("sending", 0.0), ("sending", 0.5), ("sent", 1.0)] if watched else [])


FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"


def fetched(monkeypatch, folder, *, sent=2, listed=2, completed=2, failed=0, offered=(FIND, GET), **options):
    """A study of which so many objects arrive, are listed, are said to be sent, and to have failed."""

    @contextmanager
    def answering(peer, title, contexts, *, handlers, **_):
        ((_, receive),) = handlers
        objects = [received(instance=f"1.2.3.4.{number}") for number in range(sent)]

        def get(*_):
            for dataset in objects:
                assert receive(SimpleNamespace(dataset=dataset, file_meta=dataset.file_meta)) == 0x0000
            yield status(0x0000, Completed=completed, Failed=failed), None

        yield SimpleNamespace(
            accepted_contexts=[SimpleNamespace(abstract_syntax=uid) for uid in offered],
            send_c_find=lambda *_: iter([(PENDING, match(listed)), (DONE, None)]),
            send_c_get=get,
        )

    monkeypatch.setattr(network, "_association", answering)
    return network.fetch_study("1.2.3", PEER, folder, **options)


@pytest.mark.parametrize("watched", [True, False])
def test_fetching_tells_how_far_it_is(tmp_path, monkeypatch, watched):
    pytest.importorskip("pynetdicom")
    told = []
    progress = (lambda what, done: told.append((what, done))) if watched else None
    assert fetched(monkeypatch, tmp_path, progress=progress) == 2
    assert told == ([("looking for the study", 0.0), ("fetching", 1.0)] if watched else [])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, None),
        ({"listed": 0, "completed": 0, "sent": 1}, None),  # an archive that counts nothing
        ({"listed": 0, "completed": 0, "sent": 0}, "0 of 0 objects"),
        ({"listed": 3}, "2 of 3 objects"),
        ({"completed": 3}, "2 of 3 objects"),
        ({"failed": 1}, "2 of 2 objects"),
        ({"offered": (GET,)}, "does not offer C-FIND"),
        ({"offered": (FIND,)}, "does not offer C-GET"),
    ],
)
def test_a_study_is_fetched_whole_or_not_at_all(tmp_path, monkeypatch, counts, message):
    pytest.importorskip("pynetdicom")
    if message is None:
        assert fetched(monkeypatch, tmp_path, **counts) == counts.get("sent", 2)
    else:
        with pytest.raises(InputError, match=message):
            fetched(monkeypatch, tmp_path, **counts)


@pytest.mark.parametrize("established", [True, False])
def test_an_association_asks_for_what_is_sent_as_it_is_stored(monkeypatch, established):
    pynetdicom = pytest.importorskip("pynetdicom")
    asked, called, released = [], [], []

    class Entity:
        def __init__(self, ae_title):
            called.append(ae_title)

        def add_requested_context(self, *context):
            asked.append(context)

        def associate(self, host, port, *, ae_title, **_):
            called.append((host, port, ae_title))
            return SimpleNamespace(
                is_established=established, is_rejected=False, release=lambda: released.append(True)
            )

    monkeypatch.setattr(pynetdicom, "AE", Entity)
    monkeypatch.setattr(network, "_check_reachable", lambda _: None)
    contexts = [(factory.CT_CLASS, "1.2.840.10008.1.2.4.70"), (FIND, None)]
    if established:
        with network._association(PEER, "US", contexts):
            assert not released
    else:
        with pytest.raises(InputError, match="without an answer"), network._association(PEER, "US", contexts):
            pass
    assert called == ["US", ("192.0.2.5", 104, "PACS")]
    assert released == [True] * established
    assert asked == [
        (factory.CT_CLASS, "1.2.840.10008.1.2.4.70"),
        (FIND, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]),
    ]


@pytest.mark.parametrize("reason", ["called AE title not recognised", "", None])
def test_a_rejection_is_told_with_its_reason(reason):
    answer = SimpleNamespace(
        is_rejected=True, acceptor=SimpleNamespace(primitive=SimpleNamespace(reason_str=reason))
    )
    told = network._association_error(answer, PEER, "US").message
    assert f"rejected the association: {reason or 'no reason given'}." in told
