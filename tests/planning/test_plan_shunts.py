"""The lung shunt of a plan by each method: which one is used, and what is said where there is none."""

from types import SimpleNamespace

import pytest

import y90voxel.planning.plan_shunt as plan_shunt
from y90voxel.planning.plan_shunt import ShuntMethod, shunt_methods


def measured(_case, _injection, name, method, margin_mm):
    return ShuntMethod(name, method, 0.1, margin_mm, "caveat")


METHODS = [("planar", None), ("planar-left", None), ("spect", 20.0), ("spect", 0.0)]


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("given", ("given", None)),
        ("planar", ("planar", None)),
        ("planar-left", ("planar-left", None)),
        ("spect", ("spect", 20.0)),
        ("none needed", None),
    ],
)
def test_every_method_stands_once_and_the_source_of_the_shunt_is_used(monkeypatch, source, used):
    monkeypatch.setattr(plan_shunt, "_measured", measured)
    case = SimpleNamespace(injections=[None], dome_margin_mm=20.0)
    found = shunt_methods(case, ("left",), ((0.07, source),))
    assert [(one.method, one.dome_margin_mm) for one in found] == [("given", None)] * (
        source == "given"
    ) + METHODS
    assert [(one.method, one.dome_margin_mm) for one in found if one.used] == [used] * (used is not None)
    assert {one.injection for one in found} == {"left"}
    assert [one.fraction for one in found if one.method == "given"] == [0.07] * (source == "given")


@pytest.mark.parametrize("reason", ["", "no views"])
def test_the_reason_of_a_method_stands_in_its_entry_or_none(reason):
    entry = ShuntMethod("left", "planar", None, None, "caveat", reason=reason).as_dict()
    assert entry["reason"] == (reason or None)
    assert (entry["method"], entry["fraction"], entry["used"]) == ("planar", None, False)
