"""Which files a run writes for what is asked: by writers that only say their names."""

from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import Notice
from y90voxel.regions.roles import Role
from y90voxel.report import dose_page, dose_report, slicer_scene, viewer_page
from y90voxel.study import dose_results as module
from y90voxel.study.dose_results import Output, write_results
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

GRID = Grid.from_spacing((2, 2, 2), (4.0, 4.0, 4.0))
REGION = SimpleNamespace(name="Liver", role=Role.LIVER, automatic=False, mask="mask")


class Run:
    """What writing needs of an evaluation."""

    def __init__(self, *, spread=False, regions=(REGION,), alignment=None, bands=False, predicted=False):
        values = np.full(GRID.shape, 0.05) if spread else None
        self.dose = DoseMap(np.ones(GRID.shape), GRID, values)
        output = SimpleNamespace(anonymise=False)
        settings = SimpleNamespace(output=output)
        self.case = SimpleNamespace(
            alignment=alignment, settings=settings, predicted=predicted, nuclide="Y-90", regions=regions
        )
        self.engine, self.activity, self.metrics, self.shrink = "local", "activity", "metrics", "shrink"
        self.regions, self.bands = [SimpleNamespace(name="Liver")], "bands"
        self.uncertainty = "known" if bands else None
        self.notices = ()

    def dvh(self, name):
        return f"dvh of {name}"

    def with_notices(self, *notices):
        self.notices = tuple(dict.fromkeys((*self.notices, *notices)))
        return self


@pytest.fixture
def written(monkeypatch):
    """Names of the files, by writers that write nothing else."""
    files = []

    def writer(name, said=()):
        def write(what, path, **more):
            assert path.parent.is_dir()
            files.append(path.name)
            path.write_text(name)
            return said

        return write

    for name in (
        "rtdose",
        "nifti",
        "activity_concentration",
        "regions_nifti",
        "registration",
        "radiation_dose_sr",
    ):
        said = (Notice("rounded", "dose"),) if name == "rtdose" else ()
        monkeypatch.setattr(module, f"write_{name}", writer(name, said))
    for name in ("seg", "rtstruct"):
        monkeypatch.setattr(module, f"write_{name}", writer(name, (Notice("cut", "regions"),)))
    monkeypatch.setattr(module, "write_encapsulated_pdf", lambda pdf, path, **more: files.append(path.name))
    monkeypatch.setattr(module, "bed_map", lambda evaluation: None)
    monkeypatch.setattr(
        module,
        "write_result_tables",
        lambda metrics, dvhs, folder, bands, shrink: files.append(("tables", dvhs, bands)),
    )
    monkeypatch.setattr(slicer_scene, "write_slicer_scene", lambda *given, **more: files.append("scene.mrml"))
    monkeypatch.setattr(dose_report, "dose_report", lambda evaluation: "report")

    def page(report, folder, *, viewer, page, pdf):
        files.extend(["report.html"] * page + ["report.pdf"] * pdf)
        (folder / "report.pdf").write_text("pdf")
        assert (viewer is not None) is page

    monkeypatch.setattr(dose_page, "write_report", page)
    monkeypatch.setattr(viewer_page, "write_viewer", lambda report, path: path)
    return files


MAPS = [
    "dose.dcm",
    "dose.nii.gz",
    "activity.nii.gz",
    "regions.nii.gz",
    "regions.seg.dcm",
    "regions.rtstruct.dcm",
]
TABLES = ("tables", {"Liver": "dvh of Liver"}, None)


@pytest.mark.parametrize(
    ("output", "more"),
    [
        (None, ["scene.mrml", "report.html"]),
        (Output(), ["scene.mrml", "report.html"]),
        (Output(report=False), []),
        (Output(report=False, pdf=True), ["report.pdf"]),
        (Output(report=False, pdf_dicom=True), ["report.pdf", "report.pdf.dcm"]),
        (Output(pdf=True), ["scene.mrml", "report.html", "report.pdf"]),
    ],
)
def test_reports_are_those_that_are_asked_for(written, tmp_path, output, more):
    steps = []
    write_results(
        Run(), tmp_path / "out", None, output=output, progress=lambda what, done: steps.append(what)
    )
    assert written == [*MAPS, *more, TABLES]
    assert steps == ["writing maps", *(["drawing the report"] if more else [])]


def test_what_formats_cannot_hold_is_said_once(written, tmp_path):
    found = write_results(Run(), tmp_path / "out", None, output=Output(report=False))
    assert [notice.code for notice in found.notices] == ["rounded", "cut"]


@pytest.mark.parametrize(
    ("run", "more", "fewer", "bands"),
    [
        (Run(spread=True), ["dose_uncertainty.nii.gz"], [], None),
        (Run(alignment="found"), ["registration.dcm"], [], None),
        (Run(regions=()), [], MAPS[3:], None),
        (Run(bands=True), [], [], "bands"),
    ],
)
def test_further_maps_are_written_where_there_is_something(written, tmp_path, run, more, fewer, bands):
    write_results(run, tmp_path / "out", None, output=Output(report=False))
    *names, tables = written
    assert sorted(names) == sorted([*more, *(name for name in MAPS if name not in fewer)])
    assert tables[2] == bands


def test_a_map_of_effective_dose_is_written_as_one(written, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "bed_map", lambda evaluation: SimpleNamespace(dose="bed", comment="a/b"))
    write_results(Run(), tmp_path / "out", None, output=Output(report=False))
    assert written[3:5] == ["bed.dcm", "bed.nii.gz"]


@pytest.mark.parametrize(
    ("number", "names"),
    [(1, ["dose.sr.dcm"]), (2, ["dose_injection_1.sr.dcm", "dose_injection_2.sr.dcm"])],
)
def test_each_administration_has_its_object(written, tmp_path, monkeypatch, number, names):
    stated = (["one"] * number, (Notice("sr-organ-doses-left-out", "of all"),))
    monkeypatch.setattr(module, "administered_doses", lambda evaluation, identity: stated)
    found = write_results(Run(), tmp_path / "out", None, output=Output(report=False, sr=True))
    assert [name for name in written if ".sr." in name] == names
    assert found.notices[-1].code == "sr-organ-doses-left-out"
