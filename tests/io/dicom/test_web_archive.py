"""What the answers of a DICOMweb service mean, one by one, without a network."""

from contextlib import contextmanager
from types import SimpleNamespace

import dicom_factory as factory
import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.dicom import dicomweb


class HTTPError(Exception):
    """An answer that says that something failed."""

    def __init__(self, status=None):
        self.response = None if status is None else SimpleNamespace(status_code=status)


def slices(count):
    made = factory.ct(np.zeros((count, 2, 2), np.int16))
    for dataset in made:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    return made


class Service:
    """A service that lists so many objects and sends others, or fails."""

    def __init__(self, *, listed=2, sent=2, fails=None, stores=()):
        self.listed, self.sent, self.fails, self.stores = listed, sent, fails, list(stores)

    def search_for_instances(self, uid):
        if self.fails is not None:
            raise self.fails
        return [{}] * self.listed

    def iter_study(self, uid):
        return iter(slices(self.sent))

    def store_instances(self, datasets):
        answer = self.stores.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def service(monkeypatch):
    """Put a service in the place of the one that is asked."""

    def put(**how):
        @contextmanager
        def reached(url):
            yield Service(**how)

        monkeypatch.setattr(dicomweb, "_reached", reached)
        monkeypatch.setattr(dicomweb, "_requests", lambda: SimpleNamespace(HTTPError=HTTPError))

    return put


@pytest.mark.parametrize("watched", [True, False])
def test_a_study_arrives_whole(tmp_path, service, watched):
    service(listed=2, sent=2)
    told = []
    progress = (lambda what, done: told.append((what, done))) if watched else None
    assert dicomweb.fetch_by_web(factory.STUDY, "https://h", tmp_path, progress=progress) == 2
    assert len(list(tmp_path.rglob("*.dcm"))) == 2
    assert told == ([("looking for the study", 0.0), ("fetching", 0.5), ("fetching", 1.0)] if watched else [])


def test_more_than_was_listed_is_no_more_than_all(tmp_path, service):
    service(listed=1, sent=2)
    told = []
    dicomweb.fetch_by_web(factory.STUDY, "https://h", tmp_path, progress=lambda what, done: told.append(done))
    assert told == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"listed": 3, "sent": 2}, "2 of 3 objects arrived"),
        ({"listed": 0}, "knows no study"),
        ({"fails": HTTPError(404)}, "knows no study"),
        ({"fails": HTTPError(500)}, r"failed \(HTTP 500\)"),
        ({"fails": HTTPError()}, r"failed \(no answer\)"),
    ],
)
def test_a_study_that_does_not_arrive_whole_is_refused(tmp_path, service, how, message):
    service(**how)
    with pytest.raises(InputError, match=message):
        dicomweb.fetch_by_web(factory.STUDY, "https://h", tmp_path)


@pytest.mark.parametrize("watched", [True, False])
def test_what_a_service_does_not_store_is_told(tmp_path, service, watched):
    files = [tmp_path / name for name in "abcd"]
    for file, dataset in zip(files, slices(4), strict=True):
        dataset.save_as(file, enforce_file_format=True)
    service(
        stores=[factory.item(), HTTPError(409), factory.item(FailedSOPSequence=[factory.item()]), HTTPError()]
    )
    told = []
    progress = (lambda what, done: told.append((what, done))) if watched else None
    failures = dicomweb.send_by_web(files, "https://h", progress=progress)
    assert [(failure.file, failure.reason) for failure in failures] == [
        ("b", "HTTP 409"),
        ("c", "the service did not store it"),
        ("d", "no answer"),
    ]
    sent = [("sending", part / 4) for part in range(4)]
    assert told == ([*sent, ("sent", 1.0)] if watched else [])


@pytest.mark.parametrize(
    ("error", "text", "told"),
    [
        ("Timeout", "", "does not answer: no connection within 10 s, or nothing came for 60 s"),
        ("ConnectionError", "read timed out", "does not answer: no connection within 10 s"),
        ("ConnectionError", "refused", "cannot be reached"),
        ("InvalidSchema", "", "does not answer as a DICOMweb service"),
    ],
)
def test_why_a_service_is_not_reached_is_told(error, text, told):
    requests = pytest.importorskip("requests")
    pytest.importorskip("dicomweb_client")
    kind = getattr(requests.exceptions, error)
    with (
        pytest.raises(InputError, match=f"http://h/dicom-web {told}") as caught,
        dicomweb._reached("http://h/dicom-web"),
    ):
        raise kind(text)
    assert caught.value.tag == "--dicomweb"
