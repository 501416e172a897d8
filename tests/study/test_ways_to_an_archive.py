"""Which way to an archive is taken: DICOM or DICOMweb, one of them."""

from types import SimpleNamespace

import pytest

from y90voxel.errors import InputError
from y90voxel.study import pacs

UID = "1.2.3"


@pytest.fixture
def ways(monkeypatch, tmp_path):
    """Ways that send and fetch nothing."""
    taken = []
    monkeypatch.setattr(pacs, "dicom_files", lambda path: [tmp_path / "a.dcm", tmp_path / "b.dcm"])

    def way(name, found):
        return lambda *given, **more: taken.append((name, str(given[1]))) or found

    failed = [SimpleNamespace(file="b.dcm", reason="no room")]
    monkeypatch.setattr(pacs, "send_by_web", way("web", failed))
    monkeypatch.setattr(pacs, "send_objects", way("dicom", []))
    monkeypatch.setattr(pacs, "fetch_by_web", way("web", 2))
    monkeypatch.setattr(pacs, "fetch_study", way("dicom", 3))
    return taken


PEER, URL = "ARCHIVE@host:104", "http://host/dicom-web"


def test_the_way_that_is_named_is_taken(ways, tmp_path):
    assert pacs.send(tmp_path, PEER) == ["a.dcm", "b.dcm"]
    assert pacs.fetch(UID, PEER, tmp_path / "out") == 3
    assert pacs.fetch(UID, None, tmp_path / "web", dicomweb=URL) == 2
    assert ways == [("dicom", PEER), ("dicom", PEER), ("web", URL)]


def test_objects_that_were_not_stored_are_named(ways, tmp_path):
    with pytest.raises(InputError, match=rf"1 of 2 objects were not stored by {URL}: b\.dcm: no room"):
        pacs.send(tmp_path, None, dicomweb=URL)


@pytest.mark.parametrize("given", [(None, None), (PEER, URL)])
def test_one_way_is_named(ways, tmp_path, given):
    peer, url = given
    with pytest.raises(InputError, match="give either --to AET@host:port or --dicomweb URL"):
        pacs.send(tmp_path, peer, dicomweb=url)
    with pytest.raises(InputError, match="give either --from AET@host:port or --dicomweb URL"):
        pacs.fetch(UID, peer, tmp_path / "out", dicomweb=url)
    assert ways == []
