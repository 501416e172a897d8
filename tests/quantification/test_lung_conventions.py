"""The table of lung conventions is the only place that knows a mass and the names of its dose."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from y90voxel.io.cohort_tables import COLUMNS
from y90voxel.quantification.lung_conventions import LUNG_CONVENTIONS, limiting_convention
from y90voxel.quantification.lung_measures import mird_lung_doses

LIGHTER = (
    "import y90voxel.quantification.lung_conventions as table\n"
    "from dataclasses import replace\n"
    "first, *others = table.LUNG_CONVENTIONS\n"
    "lighter = replace(first, key='mird-800g', mass_kg=0.8, dose_key='mean_mird_800g_gy', mass_key='mass_800g_g',\n"
    "                  mass_text='0.8 kg', short_text='0.8 kg', label='MIRD, 0.8 kg of lung')\n"
    "table.LUNG_CONVENTIONS = (lighter, *others)\n"
)


def test_limits_refer_to_one_convention_and_no_name_stands_twice():
    assert limiting_convention().key == "mird-1kg"
    for name in ("key", "dose_key", "mass_key", "plan_row"):
        assert len({getattr(row, name) for row in LUNG_CONVENTIONS}) == len(LUNG_CONVENTIONS)


def test_each_convention_divides_by_its_own_mass():
    doses = mird_lung_doses(2.0, 0.05, 0.8, dose_constant_gy_kg_per_gbq=50.0)
    assert doses == {"mird-1kg": pytest.approx(5.0), "mird-ct": pytest.approx(6.25)}
    unknown = mird_lung_doses(2.0, None, 0.8, dose_constant_gy_kg_per_gbq=50.0)
    assert unknown == {"mird-1kg": None, "mird-ct": None}
    without = mird_lung_doses(2.0, 0.05, None, dose_constant_gy_kg_per_gbq=50.0)
    assert without["mird-ct"] is None


def test_a_cohort_has_a_column_of_each():
    assert {f"lung_{row.dose_key}" for row in LUNG_CONVENTIONS} <= set(COLUMNS)


def test_a_convention_without_a_mass_takes_that_of_the_ct():
    assert replace(limiting_convention(), mass_kg=None).mass_of(0.7) == 0.7


def test_another_mass_is_another_row_and_nothing_else():
    code = LIGHTER + (
        "from phantoms import liver_case\n"
        "from y90voxel.case.verify import verify\n"
        "from y90voxel.dose.local_deposition import LocalDeposition\n"
        "from y90voxel.clinical.limits import limits_of\n"
        "from y90voxel.report.dose_content import lung_rows\n"
        "found = verify(liver_case(), LocalDeposition('Y-90'))\n"
        "lung = found.metrics['lung']\n"
        "print(round(lung['mean_mird_800g_gy'] * 0.8, 3), 'mean_mird_1kg_gy' in lung, lung['by_method'][0]['method'])\n"
        "print([row['name'] for row in lung_rows(found) if row['used']], limits_of('glass')[0].source[:25])\n"
    )
    path = [*sys.path, str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}\n{code}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.split()[1:] == ["False", "mird-800g"]
    assert float(first.split()[0]) == pytest.approx(49.77 * 2.0 * 0.05, rel=1e-3)
    assert second == "['MIRD, 0.8 kg of lung'] MIRD lung dose to 0.8 kg,"
