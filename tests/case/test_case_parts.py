"""Facts of a case with and without what they come from, and what outputs say of BED, registration and wrong settings."""

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from phantoms import changed, liver_case

from y90voxel.case import bed_map as bed_module
from y90voxel.case import evaluation_view as view_module
from y90voxel.case import registration_record as record_module
from y90voxel.case.bed_map import bed_map
from y90voxel.case.evaluation_view import _notes, evaluation_html
from y90voxel.case.filling_record import read_filling_record
from y90voxel.case.region_histograms import RegionHistograms
from y90voxel.case.registration_record import registration_record
from y90voxel.case.settings import StudySettings
from y90voxel.case.validation import validated
from y90voxel.clinical.patient import PatientRecord
from y90voxel.errors import InputError
from y90voxel.metrics.dvh import DoseVolumeHistogram
from y90voxel.metrics.radiobiology import RadiobiologyParameters, bed
from y90voxel.quantification.emission import EmissionImage
from y90voxel.quantification.measurement import Injection
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.volumes.deformable_registration import DeformableAlignment
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, CtImage, DensityMap, DoseMap, Mask

SMALL = Grid.from_spacing((20, 18, 20), (8.0, 6.0, 4.0), (-40, -54, -80))
GRID = Grid.from_spacing((1, 1, 4), (10.0, 10.0, 10.0))


def words(html):
    """The texts of a page, one an element."""
    return [text.strip() for text in ET.fromstring(html).itertext() if text.strip()]


@pytest.fixture(scope="module")
def case():
    return liver_case(SMALL)


def injection(case, **facts):
    image = EmissionImage(CountMap(np.ones(SMALL.shape), SMALL), "NM", "Tc-99m")
    return Injection(image, replace(case.injections[0].administration, **facts))


def test_injections_of_one_nuclide_with_an_image_each_are_taken(case):
    one, other, third = (injection(case) for _ in range(3))
    assert len(replace(case, injections=(one, other, third)).injections) == 3
    with pytest.raises(InputError, match="need one nuclide, found Ho-166, Y-90"):
        replace(case, injections=(one, injection(case, nuclide="Ho-166")))
    with pytest.raises(InputError, match="two injections share one emission image"):
        replace(case, injections=(one, other, one))
    with pytest.raises(InputError, match="needs at least one injection"):
        replace(case, injections=())


def test_a_notebook_shows_what_is_stated_and_what_is_not(case):
    bare = replace(case, injections=(injection(case, activity_bq=None),))
    shown = words(bare._repr_html_())
    assert shown.count("not stated") == 2
    assert shown[shown.index("CT") + 1] == "none"
    ct = CtImage(np.zeros(SMALL.shape), SMALL)
    shown = words(replace(case, ct=ct, injections=(injection(case, device="glass"),))._repr_html_())
    assert "not stated" not in shown
    assert "none" not in shown
    assert {"glass", "2 GBq"} <= set(shown)


def test_a_dose_constant_far_from_that_of_the_nuclide_is_refused(case):
    assert case.planning_dose_constant == pytest.approx(49.7, abs=0.2)
    assert changed(case, dose_constant_gy_kg_per_gbq=60.0).planning_dose_constant == 60.0
    with pytest.raises(InputError, match="dose constant"):
        changed(case, dose_constant_gy_kg_per_gbq=600.0)


@pytest.mark.parametrize(
    ("dose", "liver", "source"),
    [
        ({"liver_density": "ct"}, None, None), ({"liver_density": 1.1}, 1.1, None),
        ({"density_calibration": [[-1000.0, 0.01], [0.0, 1.0], [1000.0, 1.6]]}, 1.05, "calibration of this scanner, as given"),
    ],
)  # fmt: skip
def test_densities_are_stated_or_of_the_ct(dose, liver, source, case):
    settings = StudySettings.model_validate({"dose": dose})
    found = replace(case, settings=settings).density
    assert found.liver_g_per_ml == liver
    assert (found.calibration.name == "calibration of this scanner, as given") is (source is not None)


@pytest.mark.parametrize(("mode", "expected"), [(None, "relative"), ("absolute", "absolute")])
def test_counts_are_calibrated_relative_to_the_activity_unless_stated(mode, expected, case):
    assert case.changed(dose={"calibration": mode}).calibration.mode.value == expected


@pytest.mark.parametrize(
    ("stated", "modality", "mm"),
    [(7.0, "PT", 7.0), (None, "PT", 6.0), (None, "NM", 10.0), (None, "file", 10.0)],
)
def test_a_resolution_is_stated_or_that_of_the_modality(stated, modality, mm, case):
    (one,) = case.injections
    seen = replace(case, injections=(replace(one, emission=replace(one.emission, modality=modality)),))
    assert seen.changed(uncertainty={"fwhm_mm": stated}).emission_fwhm_mm == mm


def test_lungs_weigh_what_the_ct_shows_of_each(case):
    assert case.lung_masses_g == {"Lung_R": None, "Lung_L": None}
    shown = SimpleNamespace(
        regions={"Lung_R": SimpleNamespace(ct_mass_g=450.0), "Liver": SimpleNamespace(ct_mass_g=1.0)}
    )
    assert replace(case, ct_tissue=shown).lung_masses_g == {"Lung_R": 450.0, "Lung_L": None}


def test_repair_is_stated_in_hours_and_a_source_may_be_missing(case):
    given = {"tumour": {"alpha_beta_gy": 10.0, "repair_half_time_h": 2.5}}
    given["liver"] = given["tumour"] | {"source": "a paper"}
    found = replace(case, settings=StudySettings.model_validate({"radiobiology": given})).radiobiology
    assert (found[Role.TUMOUR].repair_half_time_s, found[Role.TUMOUR].source) == (9000.0, "")
    assert found[Role.LIVER].source == "a paper"


def test_what_outputs_show_of_the_settings_and_the_patient(case):
    assert case.settings_for_provenance == case.settings.as_dict()
    assert replace(case, shown_settings={"a": 1}).settings_for_provenance == {"a": 1}
    assert case.clinical_context.bilirubin_umol_per_l is None
    ill = replace(case, patient=PatientRecord(bilirubin_umol_per_l=22.0, treatment_date=date(2026, 3, 2)))
    assert ill.clinical_context.bilirubin_umol_per_l == 22.0


def test_the_camera_of_each_injection_has_its_own_view(case):
    own = Regions(SMALL)
    first, second = injection(case), replace(injection(case), regions=own)
    seen = replace(case, injections=(first, second)).views
    assert (seen[0] is case.regions, seen[1] is own) == (True, True)


def region(name, role, *shares):
    return Region(name, role, Mask(np.array([[shares]]), GRID))


def test_bed_is_that_of_the_region_that_fills_half_of_a_voxel():
    """Tumour in voxel 0 and to a half in 1, liver in 0 to 2: the tumour's parameters win; voxel 3 has none, nor has the lung."""
    tumour, liver = RadiobiologyParameters(10.0, 5400.0), RadiobiologyParameters(2.5, 9000.0)
    drawn = region("GTV1", Role.TUMOUR, 1.0, 0.5, 0.49, 0.0), region("Liver", Role.LIVER, 1.0, 1.0, 1.0, 0.0)
    case = SimpleNamespace(
        radiobiology={Role.TUMOUR: tumour, Role.LIVER: liver, Role.LUNGS: liver},
        regions=Regions(GRID, drawn),
        nuclide="Y-90",
    )
    dose = DoseMap(np.array([[[40.0, 30.0, 20.0, 10.0]]]), GRID)
    evaluation = SimpleNamespace(case=case, dose=dose)
    half_life_s = 64.05 * 3600.0
    found = bed_map(evaluation)
    expected = [
        *bed(np.array([40.0, 30.0]), 10.0, 5400.0, half_life_s),
        *bed(np.array([20.0]), 2.5, 9000.0, half_life_s),
        0.0,
    ]
    assert found.dose.array.ravel() == pytest.approx(np.array(expected), rel=1e-3)
    assert found.comment == "BED, a/b [Gy]: tumour 10, liver 2.5; 0 elsewhere"
    assert bed_module.HALF == 0.5
    case.radiobiology = {Role.LUNGS: liver}
    assert bed_map(evaluation) is None
    case.radiobiology = {}
    assert bed_map(evaluation) is None


def test_histograms_are_of_their_dose_density_and_mask():
    drawn = region("A", Role.TUMOUR, 1.0, 0.0, 0.0, 0.0), region("B", Role.TUMOUR, 0.0, 1.0, 0.0, 0.0)
    dose, density = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    kept = RegionHistograms(dose, density, Regions(GRID, drawn), {"A": "kept"})
    assert kept.of(dose, density, drawn[0]) == "kept"
    other = DoseMap(np.ones(GRID.shape), GRID), DensityMap(np.ones(GRID.shape), GRID)
    assert kept.of(other[0], density, drawn[0]) is None
    assert kept.of(dose, other[1], drawn[0]) is None
    assert kept.of(dose, density, drawn[1]) is None
    assert kept.of(dose, density, replace(drawn[0], mask=drawn[1].mask)) is None


@pytest.mark.parametrize(
    ("moved", "expected"), [([1.0, 3.0], 2.0), ([1.0, np.nan], None), ([], None), ([0.0], 0.0)]
)
def test_a_deformable_registration_tells_how_far_tumours_moved(moved, expected):
    class Deformable(DeformableAlignment):
        def __init__(self):
            pass

        def as_dict(self):
            return {"kind": "deformable"}

        def beyond_rigid_mm(self, points):
            assert points.tolist() == [GRID.index_to_lps((0, 0, 1)).tolist()]
            return np.array(moved)

    regions = Regions(
        GRID,
        (region("GTV1", Role.TUMOUR, 0.0, 1.0, 0.0, 0.0), region("Liver", Role.LIVER, 1.0, 1.0, 1.0, 0.0)),
    )
    found = registration_record(SimpleNamespace(alignment=Deformable(), regions=regions))
    assert found == {"kind": "deformable", "tumours": [{"name": "GTV1", "displacement_mm": expected}]}
    rigid = SimpleNamespace(as_dict=lambda: {"kind": "rigid"})
    assert record_module.registration_record(SimpleNamespace(alignment=rigid, regions=regions)) == {
        "kind": "rigid"
    }
    assert registration_record(SimpleNamespace(alignment=None)) is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"dose": {"grit": 4}}, "dose.grit is not a setting."),
        ({"dose": {"grid": "wide"}}, "dose.grid = 'wide': "),
        ({"dose": {"grid": math.nan}}, "dose.grid = nan: Input should be a finite number; dose.grid = nan: "),
        ({"dose": {"liver_density": {}}}, "dose.liver_density = {}: "),
        (
            {"administration": {"lung_shunt_fraction": "much"}},
            "administration.lung_shunt_fraction = 'much': ",
        ),
        (
            {"radiobiology": {"tumour": {"alpha_beta_gy": 10}}},
            "radiobiology.tumour.repair_half_time_h is missing.",
        ),
        ({"injection": [{"acitvity": 1}]}, "injection.0.acitvity is not a setting."),
    ],
)
def test_a_setting_that_cannot_be_is_named_by_its_key(raw, message):
    with pytest.raises(InputError) as caught:
        validated(StudySettings, raw, None)
    assert f"the settings cannot be used: {message}" in str(caught.value)


@pytest.mark.parametrize(("named", "expected"), [(None, None), ("spheres.dcm", "spheres.dcm")])
def test_contours_of_a_filling_record_lie_beside_it(named, expected, tmp_path):
    file = tmp_path / "filling.toml"
    file.write_text(
        'nuclide = "Y-90"\n' + ("" if named is None else f'contours = "{named}"\n'), encoding="utf-8"
    )
    found = read_filling_record(file).contours
    assert found == (None if expected is None else tmp_path / expected)
    assert found is None or isinstance(found, Path)


def viewed(by_mass_gy=12.0, gy=10.0):
    metrics = SimpleNamespace(
        mean_gy=11.0,
        mass_weighted_mean_gy=by_mass_gy,
        d_gy={98: 1.0, 70: 2.0, 50: 3.0},
        max_gy=9.0,
        volume_ml=5.0,
    )
    regions = Regions(GRID, (region("GTV1", Role.TUMOUR, 1.0, 1.0, 0.0, 0.0),))
    dose = DoseMap(np.full(GRID.shape, gy), GRID)
    histogram = DoseVolumeHistogram.from_dose(dose, regions["GTV1"].mask)
    limits = [SimpleNamespace(status=status, limit=SimpleNamespace(name=status), region="GTV1", value_gy=7.0)
              for status in ("met", "not met", "unconfirmed")]  # fmt: skip
    case = SimpleNamespace(regions=regions, predicted=False, nuclide="Y-90")
    return SimpleNamespace(
        case=case, main_histograms=lambda: {"GTV1": histogram}, region=lambda name: metrics, limits=limits, warnings=(),
        net_activity_bq=2e9, engine="local",
    )  # fmt: skip


@pytest.mark.parametrize(("gy", "end"), [(10.0, 10.4), (0.0, 1.04)])
def test_histograms_end_4_percent_beyond_the_hottest_dose_and_at_one_without(gy, end, monkeypatch):
    ends, percents = [], []
    monkeypatch.setattr(view_module, "dvh_curve", lambda histogram, name, colour, end, dash: ends.append(end))
    monkeypatch.setattr(view_module, "curves_svg", lambda *of: "<svg></svg>")
    histogram = SimpleNamespace(dose_at_volume=lambda percent: percents.append(percent) or gy)
    shown = viewed()
    shown.main_histograms = lambda: {"GTV1": histogram}
    evaluation_html(shown)
    assert (ends, percents) == ([pytest.approx(end)], [0.5])


def test_a_result_shows_the_mean_by_mass_where_it_is_known_and_limits_that_are_not_met():
    assert words(evaluation_html(viewed()))[8:11] == ["GTV1", "5.0", "12"]
    assert words(evaluation_html(viewed(by_mass_gy=None)))[8:11] == ["GTV1", "5.0", "11"]
    assert [note for note in _notes(viewed()) if "met" in note] == ["not met: not met (GTV1), 7 Gy"]
    assert "nan" not in evaluation_html(viewed(gy=0.0))
