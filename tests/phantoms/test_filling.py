"""Filling records: concentrations at one instant, and what a record lacks."""

import tomllib
from datetime import datetime

import pytest

from y90voxel.case.filling_record import FillingRecord, read_filling_record
from y90voxel.errors import InputError
from y90voxel.io.toml_files import toml_text
from y90voxel.phantoms.filling import filling_of, layout_of

SPHERES = {"activity": "120 MBq", "activity_time": "2026-03-02T10:00", "volume_ml": 60}
BACKGROUND = {"activity": "1 GBq", "activity_time": "2026-03-02T10:00", "volume_ml": 9400}


def record(**more):
    return FillingRecord.model_validate(
        {"nuclide": "Y-90", "spheres": SPHERES, "background": BACKGROUND} | more
    )


def test_residuals_and_decay_are_taken_to_one_instant():
    later = SPHERES | {
        "activity_time": "2026-03-05T02:06",
        "residual": "6 MBq",
        "residual_time": "2026-03-02T10:00",
    }
    found = filling_of(record(spheres=later, uncertainty={"activity": "3 %", "volume": "1 %"}))
    # 64.1 h after ten o'clock: twice as much at ten
    assert found.reference_time == datetime(2026, 3, 2, 10)
    assert found.sphere_bq_per_ml == pytest.approx((240e6 - 6e6) / 60)
    assert found.background_bq_per_ml == pytest.approx(1e9 / 9400)
    assert found.ratio == pytest.approx(3.9e6 / (1e9 / 9400))
    assert found.relative_uncertainty == pytest.approx(0.01 * 10**0.5)
    assert found.notices == ()
    spheres = sum(s.volume_ml for s in layout_of(record()).spheres)
    assert found.total_bq == pytest.approx(1e9 + 3.9e6 * spheres)


def test_unknown_uncertainties_are_said():
    (notice,) = filling_of(record(uncertainty={"volume": "1 %"})).notices
    assert notice.code == "filling-uncertainty-unknown"
    assert "uncertainty.activity" in notice.message
    assert "uncertainty.volume" not in notice.message


@pytest.mark.parametrize("key", ["activity", "activity_time", "volume_ml"])
@pytest.mark.parametrize("part", ["spheres", "background"])
def test_what_a_record_lacks_is_named(part, key):
    whole = {"spheres": SPHERES, "background": BACKGROUND}
    stated = {k: v for k, v in whole[part].items() if k != key}
    with pytest.raises(InputError, match=f"lacks {part}.{key}"):
        filling_of(record(**{part: stated}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"spheres": SPHERES | {"residual": "1 MBq"}}, "lacks spheres.residual_time"),
        (
            {"spheres": SPHERES | {"residual": "130 MBq", "residual_time": "2026-03-02T10:00"}},
            "residual .130 MBq. is not below",
        ),
        ({"spheres": None}, "no table spheres"),
        ({"phantom": {"kind": "cylinder", "diameter_mm": 200, "length_mm": 200}}, "filled evenly"),
        ({"phantom": {"kind": "cylinder", "diameter_mm": 200}}, "phantom.length_mm"),
        ({"spheres": SPHERES | {"activity_time": "2026-03-02T10:00+01:00"}}, "cannot be compared"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(more, message):
    with pytest.raises(InputError, match=message):
        filling_of(record(**more))


def test_a_zone_makes_times_with_and_without_one_comparable():
    mixed = SPHERES | {"activity_time": "2026-03-02T10:00+01:00"}
    assert filling_of(record(spheres=mixed, time_zone="Europe/Berlin")).sphere_bq_per_ml == pytest.approx(2e6)


def test_a_record_is_read_with_its_contours_beside_it(tmp_path):
    path = tmp_path / "filling.toml"
    path.write_text(toml_text({"nuclide": "Y-90", "contours": "drawn.dcm", "spheres": SPHERES}))
    assert read_filling_record(path).contours == tmp_path / "drawn.dcm"


@pytest.mark.parametrize(
    ("text", "message"),
    [("nuclide = ", "cannot be read"), ('nuclide = "F-18"', "nuclide"), ("x = 1", "x is not a setting")],
)
def test_a_file_that_is_no_record_is_refused(tmp_path, text, message):
    path = tmp_path / "filling.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_filling_record(path)


def test_toml_that_is_written_reads_back():
    document = {
        "kind": "scanner", "none": None, "ok": True, "at": datetime(2026, 3, 2, 10), "a key": 3,
        "fit": {"b": 2.5e-7, "text": 'say "µ"', "points": [[1, 2.5], [3, 4]], "deep": {"x": -1}},
    }  # fmt: skip
    read = tomllib.loads(toml_text(document))
    assert read == {k: v for k, v in document.items() if k != "none"}
    with pytest.raises(TypeError, match="no set"):
        toml_text({"a": {1, 2}})
