import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from y90voxel.errors import InputError
from y90voxel.planning import ActivityConstraint, feasible_activity, legacy_shunt_rule, lung_constraint
from y90voxel.planning.feasible import LUNG_LIMIT_CUMULATIVE_GY

K = {"dose_constant_gy_kg_per_gbq": 49.67}
constraints = st.builds(
    ActivityConstraint, st.text(min_size=1), st.floats(0.01, 100), st.floats(1, 300), st.floats(0, 400)
)


def test_the_lung_binds_for_the_third_patient():
    liver = ActivityConstraint("perfused non-tumour liver", 10.0, 90.0)
    found = feasible_activity([liver, lung_constraint(0.12, **K)])
    assert found.binding_constraint == "lungs, one treatment"
    assert found.activity_gbq == pytest.approx(5.033, rel=1e-3)
    assert [c.name for c in found.constraints] == ["lungs, one treatment", "perfused non-tumour liver"]


@given(st.lists(constraints, min_size=1, max_size=6))
def test_no_constraint_is_exceeded_and_the_binding_one_is_reached(asked):
    found = feasible_activity(asked)
    for constraint in asked:
        assert constraint.dose_gy(found.activity_gbq) <= max(constraint.limit_gy, constraint.previous_gy) * (
            1 + 1e-12
        )
    binding = found.constraints[0]
    assert binding.name == found.binding_constraint
    assert found.activity_gbq == 0.0 or binding.dose_gy(found.activity_gbq) == pytest.approx(binding.limit_gy)


def test_earlier_treatments_use_up_the_cumulative_limit():
    """(50 - 27.91) / (K L) with 13.91 + 14 Gy before."""
    over_all = lung_constraint(
        0.08, limit_gy=LUNG_LIMIT_CUMULATIVE_GY, previous_gy=27.91, name="lungs, all treatments", **K
    )
    found = feasible_activity([over_all, lung_constraint(0.08, **K)])
    assert found.binding_constraint == "lungs, all treatments"
    assert found.activity_gbq == pytest.approx(22.09 / (49.67 * 0.08))
    spent = lung_constraint(0.08, limit_gy=50.0, previous_gy=51.0, **K)
    assert feasible_activity([spent]).activity_gbq == 0.0


def test_the_limit_belongs_to_its_lung_mass():
    assert lung_constraint(0.12, lung_mass_kg=0.934, **K).greatest_activity_gbq == pytest.approx(
        4.70, rel=1e-3
    )


def test_without_shunt_the_lung_never_binds():
    assert math.isinf(lung_constraint(0.0, **K).greatest_activity_gbq)
    with pytest.raises(InputError, match=r"no constraint limits the activity \(lungs, one treatment\)"):
        feasible_activity([lung_constraint(0.0, **K)])


def test_no_constraint_at_all_is_refused():
    with pytest.raises(InputError, match="none given"):
        feasible_activity([])


def test_the_legacy_rule_is_the_thirty_gray_rule():
    found = legacy_shunt_rule(5.0, 0.12, **K)
    assert (found.shunted_gbq, found.met) == (pytest.approx(0.6), True)
    assert found.equivalent_lung_dose_gy == pytest.approx(30.3, rel=1e-3)
    assert not legacy_shunt_rule(5.2, 0.12, **K).met
    assert legacy_shunt_rule(5.2, 0.12, 0.05, **K).met
    assert legacy_shunt_rule(6.1, 0.10, **K).met  # 0.61 GBq, up to rounding
    assert legacy_shunt_rule(6.1 * (1.0 + 0.95e-9), 0.10, **K).met
    assert not legacy_shunt_rule(6.1 * (1.0 + 1.05e-9), 0.10, **K).met


@pytest.mark.parametrize(
    "values", [(-1.0, 30.0, 0.0), (1.0, -30.0, 0.0), (1.0, 30.0, -1.0), (math.inf, 30.0, 0.0)]
)
def test_bad_constraints_are_refused(values):
    with pytest.raises(InputError, match="lungs:"):
        ActivityConstraint("lungs", *values)


@pytest.mark.parametrize(("activity", "shunt", "residual"), [(-1, 0.1, 0), (1, 1.1, 0), (1, 0.1, -0.1)])
def test_bad_inputs_of_the_legacy_rule_are_refused(activity, shunt, residual):
    with pytest.raises(InputError):
        legacy_shunt_rule(activity, shunt, residual, **K)
    with pytest.raises(InputError, match="constant"):
        legacy_shunt_rule(1.0, 0.1, dose_constant_gy_kg_per_gbq=0.0)
