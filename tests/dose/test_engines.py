"""The table of engines is the only place that knows them: names, help, settings, page and factories follow it."""

import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import liver_case

from y90voxel.case.settings import load_settings
from y90voxel.case.verify import verify
from y90voxel.dose import engines
from y90voxel.dose.engine import BaseEngine, answering
from y90voxel.dose.engines import EngineRow, engine_names, engine_rows, register_engine
from y90voxel.dose.local_deposition import LocalDeposition
from y90voxel.errors import InputError
from y90voxel.reference.nuclide import nuclide
from y90voxel.study.engine_choice import build_engine

PAGE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


class Twice(BaseEngine):
    """Local deposition, as another package may bring it."""

    name = "twice"

    def dose(self, tia, density=None):
        return LocalDeposition("Y-90", dose_constant_gy_kg_per_gbq=49.0).dose(tia, density)


@pytest.fixture
def twice(monkeypatch):
    monkeypatch.setattr(engines, "_ROWS", list(engines._ROWS))
    register_engine(EngineRow("twice", "two of it", "a test", (), lambda request: Twice()))


def test_a_registered_engine_can_be_set_and_runs(twice):
    assert load_settings(options={"dose": {"engine": "twice"}}).dose.engine == "twice"
    case = liver_case()
    evaluation = verify(case, build_engine("twice", case))
    assert evaluation.metrics["engine"] == "twice"
    assert [row.method for row in evaluation.lung.by_method] == ["mird-1kg", "local", "twice"]
    assert engines.engine_label("twice") == "two of it"


def test_a_registered_engine_stands_in_the_help():
    code = (
        "from y90voxel.dose.engines import EngineRow, register_engine\n"
        "register_engine(EngineRow('twice', 'two of it', 'a test', (), None))\n"
        "from y90voxel.case.setting_names import options_of\n"
        "print(next(one.help for one in options_of('dose') if one.name == 'engine'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "exact or twice;" in done.stdout


def test_a_name_is_given_once(twice):
    with pytest.raises(InputError, match="already"):
        register_engine(engine_rows()[0])


def test_an_unknown_engine_in_the_settings_is_refused_with_the_names():
    with pytest.raises(InputError) as caught:
        load_settings(options={"dose": {"engine": "magic"}})
    assert (
        "dose.engine = 'magic': Input should be 'auto', 'local', 'convolution', 'density', 'monte-carlo' or 'exact'"
        in str(caught.value)
    )
    assert caught.value.tag == "dose.engine"


def test_the_page_shows_the_table():
    rows = [f"| `{row.name}` | {row.label} | {row.help} | {', '.join(row.needs)} |" for row in engine_rows()]
    table = PAGE.partition("| use | when |")[0]
    assert [line for line in table.splitlines() if line.startswith("| `")] == rows


def test_the_table_imports_no_engine():
    code = "import sys, y90voxel.dose.engines; print('numpy' in sys.modules, 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_an_engine_with_name_and_dose_only_gets_the_plainest_answers():
    class Foreign:
        name = "foreign"
        dose_constant_gy_kg_per_gbq = 49.0

        def dose(self, tia, density=None):
            raise NotImplementedError

    answers, record = answering(Foreign()), nuclide("Y-90")
    assert answers.energy_per_activity_j_per_gbq(record) == 49.0
    assert answers.emitted_j_per_gbq(record) == pytest.approx(49.0, rel=1e-5)
    assert (answers.provenance, answers.caveats(True), answers.electrons_only()) == (None, (), None)
    assert answers.wants_comparison is False


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_of_the_table_answers_for_itself(name):
    engine = build_engine(name, liver_case())
    assert answering(engine) is engine
