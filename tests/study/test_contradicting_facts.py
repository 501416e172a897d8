"""Facts that contradict each other: refused by name, or the right dose with a notice; each refusal with an accepted twin."""

from datetime import datetime

import dicom_factory as dicom
import numpy as np
import pytest
from mutation.studies import STUDIES, emission_values, files_of, sequence, write

from y90voxel.case.verify import verify
from y90voxel.errors import InputError
from y90voxel.study.engine_choice import build_engine
from y90voxel.study.read_study import read_study

FACTS = {"spect": {"activity_bq": 2e9, "lung_shunt_fraction": 0.05}, "pet": {}}
F18 = {
    "RadionuclideCodeSequence": [dicom.code("77004003", "SCT", "^18^Fluorine")],
    "RadionuclideHalfLife": "6586.2",
    "RadionuclidePositronFraction": "0.967",
}


def drug(**changes):
    """What was injected, with codes as sequences."""
    made = {k: sequence(*v) if isinstance(v, list) else v for k, v in changes.items()}
    return dicom.radiopharmaceutical(**made)


def dose(folder, kind, edit=None, **facts):
    """The evaluation of a small study after an edit of its data sets."""
    study = STUDIES[kind]()
    if edit is not None:
        edit(study)
    read = read_study(write(files_of(study), folder))
    case = read.case(automatic=False, **(FACTS[kind] | facts))
    return verify(case, build_engine("local", case))


def liver(evaluation):
    return next(m.mean_gy for m in evaluation.regions if m.name == "Liver")


def codes(evaluation):
    return {notice.code for notice in evaluation.notices}


def of_emission(**changes):
    """An edit of every emission file."""

    def edit(study):
        for name, ds in study.items():
            if name.startswith(("nm", "pt")):
                dicom.change(ds, **changes)

    return edit


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The liver's dose of the undamaged studies."""
    return {kind: liver(dose(tmp_path_factory.mktemp("right"), kind)) for kind in ("spect", "pet")}


# ------------------------------------------------------------------ row 7: nuclides
@pytest.mark.parametrize(
    ("value", "meaning"),
    [("447553000", "Lu-177"), ("1368003", "I-131"), ("56609000", "In-111"), ("77004003", "F-18"), ("none", "Rhenium 186"),
     ("none", "Tb-161")],
)  # fmt: skip
def test_a_spect_of_another_nuclide_is_refused_unless_it_is_a_surrogate(tmp_path, right, value, meaning):
    injected = dicom.radiopharmaceutical(
        value, meaning, Radiopharmaceutical="agent", RadionuclideHalfLife=None
    )
    edit = of_emission(RadiopharmaceuticalInformationSequence=injected)
    with pytest.raises(InputError, match=r"does not stand for Y-90 microspheres .* --surrogate"):
        dose(tmp_path / "a", "spect", edit)
    found = dose(tmp_path / "b", "spect", edit, surrogate=True)
    assert found.case.predicted
    assert "surrogate-accepted" in codes(found)
    assert liver(found) == pytest.approx(right["spect"])


def test_another_agent_of_technetium_is_no_microsphere(tmp_path):
    def agent(name):
        return of_emission(
            RadiopharmaceuticalInformationSequence=dicom.radiopharmaceutical(
                "C-163A8", "^99m^Technetium", Radiopharmaceutical=name, RadionuclideHalfLife=None
            )
        )

    with pytest.raises(InputError, match="names Tc-99m MDP"):
        dose(tmp_path / "a", "spect", agent("Tc99m MDP"))
    assert dose(tmp_path / "b", "spect", agent("Macroaggregates")).case.predicted


# ------------------------------------------------------------------ row 8: two radiopharmaceuticals
def two(*injected):
    return of_emission(RadiopharmaceuticalInformationSequence=sequence(*(d[0] for d in injected)))


Y90 = {"RadiopharmaceuticalStartDateTime": "20240312080000", "RadionuclideTotalDose": "1200000000"}
TC = {"nuclide_code": "72454006", "meaning": "^99m^Technetium", "Radiopharmaceutical": "MAA"}


@pytest.mark.parametrize("first", ["Tc-99m", "Y-90"])
def test_a_technetium_item_beside_the_therapy_changes_no_pet(tmp_path, right, first):
    items = [drug(**TC, RadionuclideHalfLife="21624"), drug(**Y90)]
    found = dose(tmp_path, "pet", two(*(items if first == "Tc-99m" else items[::-1])))
    assert not found.case.predicted
    assert liver(found) == pytest.approx(right["pet"], rel=1e-6)
    assert "several-radiopharmaceuticals" in codes(found)


@pytest.mark.parametrize(("low", "high", "predicted"), [(130, 150, True), (90, 200, False)])
def test_the_energy_window_tells_which_of_two_was_imaged(tmp_path, low, high, predicted):
    def edit(study):
        two(drug(**Y90), drug(**TC, RadionuclideHalfLife=None))(study)
        study["nm"].EnergyWindowInformationSequence = sequence(dicom.energy_window(low, high))

    assert dose(tmp_path, "spect", edit).case.predicted is predicted


def test_two_nuclides_without_a_window_to_tell_them_apart_are_refused(tmp_path):
    def edit(study):
        two(drug(**Y90), drug(**TC, RadionuclideHalfLife=None))(study)
        del study["nm"].EnergyWindowInformationSequence

    with pytest.raises(InputError, match="which of them was imaged is not known"):
        dose(tmp_path, "spect", edit)


@pytest.mark.parametrize("turned", [False, True])
def test_two_administrations_decay_by_their_own_times_and_activities(tmp_path, right, turned):
    late = drug(
        **Y90 | {"RadiopharmaceuticalStartDateTime": "20240312083000", "RadionuclideTotalDose": "600000000"}
    )
    items = [drug(**Y90), late]
    found = dose(tmp_path, "pet", two(*(items[::-1] if turned else items)))
    left = (1.2 * 2 ** (-2 / 64.1) + 0.6 * 2 ** (-1.5 / 64.1)) / 1.8
    assert liver(found) / right["pet"] == pytest.approx(2 ** (-2 / 64.1) / left, rel=1e-4)
    assert "several-administrations" in codes(found)


def test_two_administrations_without_activities_or_corrected_to_one_are_refused(tmp_path, right):
    late = drug(**Y90 | {"RadiopharmaceuticalStartDateTime": "20240311080000", "RadionuclideTotalDose": None})
    with pytest.raises(InputError, match="not all state time and activity"):
        dose(tmp_path / "a", "pet", two(drug(**Y90), late))
    late = drug(**Y90 | {"RadiopharmaceuticalStartDateTime": "20240312083000"})

    def admin(study):
        two(drug(**Y90), late)(study)
        of_emission(DecayCorrection="ADMIN")(study)

    with pytest.raises(InputError, match=r"corrected to the administration \(ADMIN\)"):
        dose(tmp_path / "b", "pet", admin)
    assert liver(dose(tmp_path / "c", "pet", two(drug(**Y90), drug(**Y90)))) == pytest.approx(right["pet"])


# ------------------------------------------------------------------ row 9: times
@pytest.mark.parametrize(("hours", "said"), [(0.9, False), (1.1, True), (23.9, True)])
def test_a_stated_time_off_the_headers_by_hours_is_said(tmp_path, hours, said):
    time = datetime.fromtimestamp(datetime(2024, 3, 12, 8).timestamp() - hours * 3600)
    found = dose(tmp_path, "pet", time=time)
    assert ("time-contradicts-header" in codes(found)) is said


def test_a_stated_time_off_the_headers_by_days_is_refused_unless_trusted(tmp_path, right):
    time = datetime(2024, 3, 4, 8)
    with pytest.raises(InputError, match=r"192\.0 h off.* --trust-time"):
        dose(tmp_path / "a", "pet", time=time)
    found = dose(tmp_path / "b", "pet", time=time, trust_time=True)
    assert liver(found) / right["pet"] == pytest.approx(2 ** (192 / 64.1), rel=1e-6)
    assert "time-contradicts-header" in codes(found)


def test_an_image_without_its_acquisition_time_takes_a_stated_one(tmp_path, right):
    edit = of_emission(AcquisitionDate=None, AcquisitionTime=None, SeriesDate=None, SeriesTime=None)
    time = datetime(2024, 3, 12, 8)
    with pytest.raises(InputError, match="--acquisition-time"):
        dose(tmp_path / "a", "pet", edit, time=time)
    found = dose(tmp_path / "b", "pet", edit, time=time, acquisition_time=datetime(2024, 3, 12, 10))
    assert liver(found) == pytest.approx(right["pet"], rel=1e-6)
    assert "acquisition-time-stated" in codes(found)


def test_an_acquisition_time_against_the_headers_is_refused_unless_trusted(tmp_path):
    other = datetime(2024, 3, 12, 12)
    with pytest.raises(InputError, match="--acquisition-time is 2024-03-12T12:00:00, but the header says"):
        dose(tmp_path / "a", "pet", acquisition_time=other)
    assert "acquisition-time-stated" in codes(
        dose(tmp_path / "b", "pet", acquisition_time=other, trust_time=True)
    )
    assert dose(tmp_path / "c", "pet", acquisition_time=datetime(2024, 3, 12, 10))


def test_a_zone_on_one_side_only_asks_for_the_zone(tmp_path):
    injected = drug(RadiopharmaceuticalStartDateTime="20240312080000+0100")
    edit = of_emission(RadiopharmaceuticalInformationSequence=injected)
    with pytest.raises(InputError, match="--time-zone"):
        dose(tmp_path / "a", "pet", edit)
    assert dose(tmp_path / "b", "pet", edit, time_zone="+01:00")


def becquerel_spect(study):
    """A SPECT in Bq/mL, as a quantitative reconstruction writes it."""
    nm = study["nm"]
    nm.Units, nm.RescaleSlope = "BQML", "1000"
    nm.RadiopharmaceuticalInformationSequence = dicom.radiopharmaceutical(RadionuclidePositronFraction=None)


def test_a_spect_in_becquerel_needs_its_decay_reference_and_can_be_told_it(tmp_path):
    facts = {"calibration": "absolute", "activity_bq": None}
    with pytest.raises(InputError, match=r"--decay-reference ADMIN, START or NONE"):
        dose(tmp_path / "a", "spect", becquerel_spect, **facts)
    found = dose(tmp_path / "b", "spect", becquerel_spect, decay_reference="START", **facts)
    held = emission_values().sum() * 1000.0 * 0.72  # Bq at the series' start
    assert found.map_activity_bq == pytest.approx(held * 2 ** (2 / 64.1), rel=2e-3)
    assert "decay-reference-stated" in codes(found)


def test_no_positron_fraction_is_asked_of_a_spect(tmp_path):
    def edit(study):
        becquerel_spect(study)
        study["nm"].RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife = "96566"

    facts = {"calibration": "absolute", "activity_bq": None, "decay_reference": "START"}
    found = dose(tmp_path, "spect", edit, **facts)
    assert "nuclide-contradicts-half-life" in codes(found)


# ------------------------------------------------------------------ row 11: beyond reason
def test_an_image_beyond_reason_is_refused_until_accepted(tmp_path, right):
    def edit(study):
        for name, ds in study.items():
            if name.startswith("pt"):
                ds.RescaleSlope = f"{float(ds.RescaleSlope) * 1000:.10g}"

    with pytest.raises(InputError, match=r"GBq that anybody is given.*--accept activity-beyond-reason"):
        dose(tmp_path / "a", "pet", edit)
    found = dose(tmp_path / "b", "pet", edit, accept=["activity-beyond-reason"])
    assert liver(found) == pytest.approx(1000 * right["pet"])
    assert {"activity-beyond-reason", "dose-unusual"} <= codes(found)


def test_a_typed_terabecquerel_is_refused(tmp_path):
    with pytest.raises(InputError, match="TBq for GBq"):
        dose(tmp_path, "spect", activity_bq=2.4e12)


def test_an_image_in_other_units_than_the_stated_activity_is_refused(tmp_path):
    held = dose(tmp_path / "a", "pet").map_activity_bq
    assert dose(tmp_path / "b", "pet", activity_bq=held)
    with pytest.raises(InputError, match="slip of units"):
        dose(tmp_path / "c", "pet", activity_bq=held * 1000)
    found = dose(tmp_path / "d", "pet", activity_bq=held / 10, accept=["units-swapped"])
    assert "units-swapped" in codes(found)


def test_contours_in_centimetres_are_no_liver(tmp_path):
    def edit(study):
        for group in study["rs"].ROIContourSequence:
            for contour in group.ContourSequence:
                points = np.array(contour.ContourData, float).reshape(-1, 3)
                points[:, :2] /= 10
                contour.ContourData = dicom.decimal(points.ravel(), 9)

    with pytest.raises(InputError, match="livers have 20 to 10,000 mL"):
        dose(tmp_path, "spect", edit)


# ------------------------------------------------------------------ row 6: CT
def of_ct(**changes):
    def edit(study):
        for name, ds in study.items():
            if name.startswith("ct"):
                dicom.change(ds, **changes)

    return edit


@pytest.mark.parametrize(
    "changes",
    [
        {"RescaleType": "MGML"},
        {"RescaleType": "Z_EFF"},
        {"RescaleType": "US", "ImageType": ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]},
        {"RescaleType": None, "ImageType": ["DERIVED", "SECONDARY", "AXIAL", "VNC"]},
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "IODINE MAP"]},
        {
            "RealWorldValueMappingSequence": sequence(
                dicom.item(MeasurementUnitsCodeSequence=sequence(dicom.code("mg/cm3", "UCUM")))
            )
        },
    ],
    ids=str,
)
def test_a_ct_of_another_quantity_is_refused(tmp_path, changes):
    with pytest.raises(InputError, match="is not in Hounsfield units"):
        dose(tmp_path, "spect", of_ct(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RescaleType": "US"}, True),
        ({"RescaleType": None}, False),
        ({"RescaleType": None, "ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, True),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, False),
        (
            {
                "RealWorldValueMappingSequence": sequence(
                    dicom.item(MeasurementUnitsCodeSequence=sequence(dicom.code("[hnsf'U]", "UCUM")))
                )
            },
            False,
        ),
    ],
    ids=str,
)
def test_a_ct_that_does_not_state_its_quantity_is_said(tmp_path, right, changes, said):
    found = dose(tmp_path, "spect", of_ct(**changes))
    assert liver(found) == pytest.approx(right["spect"])
    assert ("ct-quantity-unstated" in codes(found)) is said


def test_a_ct_whose_slices_are_scaled_differently_is_said(tmp_path):
    def edit(study):
        study["ct05"].RescaleSlope = "2"

    (said,) = (n for n in dose(tmp_path, "spect", edit).notices if n.code == "ct-slopes-differ")
    assert "RescaleSlope is 1 in " in said.message
    assert "2 in ct05" in said.message


def test_an_iodine_map_beside_the_ct_is_left_out(tmp_path, right):
    def edit(study):
        maps = dicom.ct(np.full((14, 12, 14), 1424, np.int16), series="iodine", RescaleType="MGML")
        study.update({f"io{index:02d}": ds for index, ds in enumerate(maps)})

    assert liver(dose(tmp_path, "spect", edit)) == pytest.approx(right["spect"])


# ------------------------------------------------------------------ row 12: missing slices
def every_second(renumbered=False, thickness=None):
    def edit(study):
        for name in [n for n in study if n.startswith("pt")]:
            index = int(name[2:])
            if index % 2:
                del study[name]
                continue
            study[name].NumberOfSlices = 7
            if renumbered:
                study[name].InstanceNumber = str(index // 2 + 1)
            if thickness:
                study[name].SliceThickness = thickness

    return edit


def test_every_second_pet_slice_missing_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"16\.00 mm apart and are 8\.00 mm thick, and InstanceNumber advances by 2"
    ):
        dose(tmp_path, "pet", every_second())


@pytest.mark.parametrize(
    ("edit", "said"), [(every_second(renumbered=True), True), (every_second(thickness="16"), False)]
)
def test_slices_apart_by_design_are_said_unless_they_are_as_thick(tmp_path, edit, said):
    assert ("slice-gaps" in codes(dose(tmp_path, "pet", edit))) is said
