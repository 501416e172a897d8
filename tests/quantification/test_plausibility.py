"""Both sides of every threshold of what no treatment is, and what accepting by name leaves behind."""

import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.plausibility import (
    ACCEPTABLE,
    check_activity,
    check_dose,
    check_liver_volume,
    check_units,
)


def codes(notices):
    return [notice.code for notice in notices]


def test_an_activity_beyond_thirty_gigabecquerel_is_refused_until_accepted():
    assert check_activity(30e9, "the image", (), tag="PixelData") == []
    with pytest.raises(InputError, match=r"GBq, more than the 30 GBq .* --accept activity-beyond-reason"):
        check_activity(np.nextafter(30e9, 1e12) + 1e5, "the image", (), tag="PixelData")
    kept = check_activity(31e9, "the image", ["activity-beyond-reason"], tag="PixelData")
    assert codes(kept) == ["activity-beyond-reason"]
    assert "Accepted as asked" in kept[0].message


def test_the_likely_cause_of_an_absurd_activity_is_named():
    with pytest.raises(InputError, match="kBq stand for Bq, or TBq for GBq"):
        check_activity(2.4e12, "the treatment", (), tag="administration.activity")
    with pytest.raises(InputError, match="slope of its values"):
        check_activity(1e30, "the image", (), tag="PixelData")
    with pytest.raises(InputError):  # another code accepts nothing
        check_activity(2.4e12, "the treatment", ["liver-beyond-reason"], tag="x")


@pytest.mark.parametrize(
    ("volume", "code"),
    [(20.0, "liver-unusual"), (299.9, "liver-unusual"), (300.0, None), (6000.0, None), (6001.0, "liver-unusual"),
     (10000.0, "liver-unusual")],
)  # fmt: skip
def test_livers_outside_the_usual_are_said(volume, code):
    assert codes(check_liver_volume(volume, ())) == ([] if code is None else [code])


@pytest.mark.parametrize("volume", [19.9, 10000.5])
def test_livers_that_no_patient_has_are_refused_until_accepted(volume):
    with pytest.raises(InputError, match="liver-beyond-reason"):
        check_liver_volume(volume, ())
    assert codes(check_liver_volume(volume, ["liver-beyond-reason"])) == ["liver-beyond-reason"]


def test_contours_in_other_units_are_named():
    with pytest.raises(InputError, match="cm where mm"):
        check_liver_volume(1.5, ())
    with pytest.raises(InputError, match="mm where cm"):
        check_liver_volume(1.5e6, ())


@pytest.mark.parametrize("ratio", [0.7, 0.81, 1.0, 1.3, 2.0, 7.9, 12.6, 790.0, 1300.0, 0.13, 0.079])
def test_ratios_that_are_no_power_of_ten_are_no_slip_of_units(ratio):
    assert check_units(2e9 * ratio, 2e9, ()) == []


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 0.1, 8.1, 10.0, 12.4, 1000.0, 1e6])
def test_a_power_of_ten_between_image_and_stated_activity_is_refused_until_accepted(ratio):
    with pytest.raises(InputError, match="slip of units"):
        check_units(2e9 * ratio, 2e9, ())
    assert codes(check_units(2e9 * ratio, 2e9, ["units-swapped"])) == ["units-swapped"]


@pytest.mark.parametrize(("off", "slip"), [(0.79, False), (0.81, True), (1.24, True), (1.26, False)])
@pytest.mark.parametrize("power", [1e-6, 1e-3, 0.1, 10.0, 1e3, 1e6])
def test_a_power_of_ten_is_one_within_a_quarter(power, off, slip):
    assert codes(check_units(2e9 * power * off, 2e9, ["units-swapped"])) == ["units-swapped"] * slip


def test_doses_beyond_five_thousand_gray_are_said():
    assert check_dose(5000.0) == []
    assert codes(check_dose(5000.1)) == ["dose-unusual"]


def test_every_code_can_be_typed():
    assert set(ACCEPTABLE) == {"activity-beyond-reason", "liver-beyond-reason", "units-swapped"}


@pytest.mark.parametrize(("ratio", "factor"), [(1e3, "1000"), (1e-3, "0.001"), (8.5, "10"), (0.12, "0.1")])
def test_a_slip_is_told_the_way_it_went(ratio, factor):
    with pytest.raises(InputError, match=f" a factor of {factor} is a slip of units"):
        check_units(ratio * 2e9, 2e9, ())
