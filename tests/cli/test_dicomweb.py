"""``send`` and ``fetch`` by DICOMweb against a service in this process."""

import io
import json
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dicom_factory as factory
import numpy as np
import pydicom
import pytest

pytest.importorskip("dicomweb_client")

STORED = np.random.default_rng(0).integers(0, 2000, (5, 6, 7)).astype(np.uint16)
BOUNDARY = "y90voxel-test-boundary"


class Service(BaseHTTPRequestHandler):
    """STOW-RS, QIDO-RS and WADO-RS of whole studies, just enough of each."""

    def log_message(self, *_):
        pass

    def answer(self, code, kind="application/dicom+json", body=b"[]"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in message_from_bytes(head + body, policy=policy.default).iter_parts():
            data = part.get_payload(decode=True)
            dataset = pydicom.dcmread(io.BytesIO(data))
            if dataset.SOPClassUID == self.server.refused_class:
                self.answer(409)
                return
            self.server.objects[dataset.SOPInstanceUID] = data
        self.answer(200, body=json.dumps({}).encode())

    def do_GET(self):
        if self.server.broken:
            self.answer(500)
            return
        found = [
            d
            for d in self.server.objects.values()
            if f"/studies/{pydicom.dcmread(io.BytesIO(d)).StudyInstanceUID}" in self.path
        ]
        if "/instances" in self.path:
            self.answer(
                200 if found else 404, body=json.dumps([{"00080018": {"vr": "UI"}}] * len(found)).encode()
            )
            return
        sent = found[: len(found) - self.server.withheld]
        parts = [
            f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + d + b"\r\n" for d in sent
        ]
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        self.answer(200, kind, b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.objects, server.refused_class, server.broken, server.withheld = {}, None, False, 0
    server.url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def results(tmp_path):
    factory.save(factory.nm(STORED), tmp_path / "results", "dose")
    factory.save(factory.seg({"Liver": STORED > 1000}), tmp_path / "results", "seg")
    return tmp_path / "results"


def test_results_are_sent_and_come_back_the_same(run_cli, service, results, tmp_path):
    done = run_cli("send", results, "--dicomweb", service.url)
    assert (done.code, done.out) == (0, f"2 objects sent to {service.url}\n"), done.err
    done = run_cli("fetch", factory.STUDY, "--dicomweb", service.url, "-o", tmp_path / "back")
    assert (done.code, done.out) == (0, f"2 objects in {tmp_path / 'back'}\n"), done.err
    sent = {d.SOPInstanceUID: d.to_json_dict() for d in map(pydicom.dcmread, results.iterdir())}
    back = {
        d.SOPInstanceUID: d.to_json_dict() for d in map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))
    }
    assert sent == back


def test_objects_that_the_service_refuses_are_listed(run_cli, service, results):
    service.refused_class = factory.SEG_CLASS
    done = run_cli("send", results, "--dicomweb", service.url)
    assert (done.code, "1 of 2 objects were not stored" in done.err, "seg0000: HTTP 409" in done.err) == (
        2,
        True,
        True,
    )


def test_an_unknown_study_is_named(run_cli, service, tmp_path):
    done = run_cli("fetch", "1.2.3.404", "--dicomweb", service.url, "-o", tmp_path / "back")
    assert (done.code, "knows no study 1.2.3.404" in done.err, (tmp_path / "back").exists()) == (
        2,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("fault", "message"), [("broken", "failed (HTTP 500)"), ("withheld", "1 of 2 objects arrived")]
)
def test_a_service_that_fails_leaves_nothing(run_cli, service, results, tmp_path, fault, message):
    run_cli("send", results, "--dicomweb", service.url)
    setattr(service, fault, 1)
    done = run_cli("fetch", factory.STUDY, "--dicomweb", service.url, "-o", tmp_path / "back")
    assert (done.code, message in done.err, (tmp_path / "back").exists()) == (2, True, False), done.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/dicom-web", "not an address"])
def test_a_service_that_is_not_there_is_named(run_cli, results, tmp_path, url):
    for command in (("send", results), ("fetch", factory.STUDY, "-o", tmp_path / "back")):
        done = run_cli(*command, "--dicomweb", url)
        assert done.code == 2
        assert url in done.err


def test_a_service_that_never_answers_is_not_waited_for(run_cli, tmp_path, monkeypatch):
    import socket
    import time

    from y90voxel.io.dicom import dicomweb

    monkeypatch.setattr(dicomweb, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
        started = time.monotonic()
        done = run_cli(
            "fetch",
            "1.2.3",
            "--dicomweb",
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            "-o",
            tmp_path / "out",
        )
    assert done.code == 2
    assert "nothing came for 0.5 s" in done.err
    assert time.monotonic() - started < 20
    assert list(tmp_path.iterdir()) == []
