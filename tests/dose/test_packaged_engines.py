"""Engines of other packages, by entry points: what is no engine is refused, and the message says whose it is."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import liver_case

from y90voxel.case.settings import load_settings
from y90voxel.case.verify import verify
from y90voxel.dose import engines
from y90voxel.dose.convolution.kernel_convolution import KernelConvolution
from y90voxel.dose.engines import EngineRequest, EngineRow, engine_choices, engine_row
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import GridMismatchError, InputError, PhysicsError
from y90voxel.reference.voxel_kernel import DoseKernel, voxel_kernel
from y90voxel.study.engine_choice import build_engine, decide_engine
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import DoseMap

REQUEST = EngineRequest("Y-90", (4.0, 4.0, 4.0))


class Foreign:
    """An engine that knows nothing of ours."""

    name = "foreign"

    def __init__(self, request):
        self.local = LocalDeposition(request.nuclide)

    def dose(self, tia, density=None):
        return self.local.dose(tia, density)


class Misnamed(Foreign):
    name = "something else"


class Dumb:
    name = "foreign"

    def __init__(self, request):
        pass


class Short(Dumb):
    def dose(self, tia):
        return None


not_callable = 3


@pytest.fixture
def packaged(monkeypatch):
    """Make entry points of a package named 'other' 1.0 known."""

    def make(*points):
        dist = SimpleNamespace(name="other", version="1.0")
        rows = []
        for name, value in points:
            point = EntryPoint(name, value, engines.ENTRY_POINTS)
            vars(point)["dist"] = dist
            rows.append(engines._packaged_row(point))
        monkeypatch.setattr(engines, "_packaged_rows", lambda: tuple(rows))

    return make


def of(name):
    return ("foreign", f"{__name__}:{name}")


def test_an_engine_of_a_package_is_chosen_by_its_name_and_runs(packaged, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, __name__, SimpleNamespace(Foreign=Foreign))
    packaged(of("Foreign"))
    assert engine_choices()[-1] == "foreign"
    assert load_settings(options={"dose": {"engine": "foreign"}}).dose.engine == "foreign"
    case = liver_case()
    assert decide_engine("foreign", case).reason == "asked for; of the package other 1.0"
    evaluation = verify(case, build_engine("foreign", case))
    local = verify(case, LocalDeposition("Y-90"))
    assert evaluation.metrics["engine"] == "foreign"
    assert evaluation.region("GTV1").mean_gy == local.region("GTV1").mean_gy
    assert engines.engine_label("foreign") == "foreign (other 1.0)"
    assert decide_engine("local", case).reason == "asked for"


def test_a_package_that_ends_the_program_when_it_is_loaded_is_an_error(packaged, tmp_path, monkeypatch):
    (tmp_path / "ending_package.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    packaged(("foreign", "ending_package:make"))
    with pytest.raises(InputError, match="cannot be loaded from ending_package:make: SystemExit: 3"):
        engine_row("foreign").make(REQUEST)


def test_the_automatic_choice_is_nobodys_engine(monkeypatch):
    points = [EntryPoint(name, "a:b", engines.ENTRY_POINTS) for name in ("auto", "mine")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    engines._packaged_rows.cache_clear()
    try:
        assert engine_choices().count("auto") == 1
        assert engine_choices()[-1] == "mine"
        assert engine_row("mine").package == "an unknown package"
    finally:
        monkeypatch.undo()
        engines._packaged_rows.cache_clear()


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("no.such.module:make", r"cannot be loaded from no\.such\.module:make: ModuleNotFoundError"),
        ("math:no_such_name", "cannot be loaded from math:no_such_name: AttributeError"),
        ("math:pi", "is no function of an EngineRequest"),
        ("json:dumps", None),
    ],
)
def test_what_cannot_be_loaded_is_said_with_its_package(packaged, value, match):
    packaged(("foreign", value))
    if match is None:
        with pytest.raises(TypeError):  # a fault of the package's own code keeps its traceback
            engine_row("foreign").make(REQUEST)
        return
    with pytest.raises(InputError, match=match) as caught:
        engine_row("foreign").make(REQUEST)
    assert "'foreign' of other 1.0" in caught.value.message
    assert caught.value.tag == "dose.engine"


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (Misnamed, "calls itself 'something else'; outputs must say 'foreign'"),
        (Dumb, r"has no method dose\(tia, density\)"),
        (Short, r"has no method dose\(tia, density\)"),
        (lambda request: None, "calls itself None"),
    ],
)
def test_what_is_no_engine_is_refused(packaged, monkeypatch, made, match):
    monkeypatch.setitem(__import__("sys").modules, "faulty_package", SimpleNamespace(make=made))
    packaged(("foreign", "faulty_package:make"))
    with pytest.raises(InputError, match=match) as caught:
        engine_row("foreign").make(REQUEST)
    assert "of other 1.0 (faulty_package:make)" in caught.value.message


def test_a_name_that_is_claimed_twice_is_refused_when_it_is_chosen(packaged):
    packaged(("local", "a:b"), ("twice", "a:b"), ("twice", "a:c"))
    with pytest.raises(InputError, match=r"2 engines 'local', of y90voxel itself and other 1\.0"):
        engine_row("local")
    with pytest.raises(InputError, match=r"2 engines 'twice', of other 1\.0 and other 1\.0"):
        engine_row("twice")
    assert engine_row("density").package == ""
    assert engine_choices() == ("auto", *(row.name for row in engines._ROWS), "twice")
    with pytest.raises(InputError, match="already"):
        engines.register_engine(EngineRow("twice", "", "", (), lambda request: LocalDeposition("Y-90")))


class Wrong:
    name = "wrong"

    def __init__(self, result):
        self.result = result

    def dose(self, tia, density=None):
        return self.result(tia)


def test_what_an_engine_gives_must_be_a_dose_on_the_dose_grid():
    case = liver_case()
    with pytest.raises(PhysicsError, match="'wrong' gave ndarray, not a DoseMap"):
        verify(case, Wrong(lambda tia: np.zeros(tia.grid.shape)))
    other = Grid.from_spacing((2, 2, 2), (4, 4, 4))
    with pytest.raises(GridMismatchError, match="the dose of the engine 'wrong'"):
        verify(case, Wrong(lambda tia: DoseMap(np.zeros(other.shape), other)))


class MyKernel:
    """A kernel of another class."""

    def __init__(self, kernel, **changes):
        names = ("s_values", "spacing_mm", "medium", "density_g_per_ml", "nuclide", "provenance")
        vars(self).update({name: getattr(kernel, name) for name in names} | changes)


def test_a_kernel_of_another_class_is_checked_and_used():
    case = liver_case()
    kernel = voxel_kernel("Y-90", case.grid.spacing_mm, "liver")
    engine = KernelConvolution(MyKernel(kernel))
    assert isinstance(engine.kernel, DoseKernel)
    ours, theirs = (verify(case, one).dose.array for one in (KernelConvolution(kernel), engine))
    np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(InputError, match="three odd lengths"):
        KernelConvolution(MyKernel(kernel, s_values=np.ones((2, 3, 3))))
    with pytest.raises(InputError, match="ndarray is no voxel kernel: it lacks s_values, spacing_mm"):
        KernelConvolution(np.ones((3, 3, 3)))
