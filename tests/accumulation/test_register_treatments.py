"""``accumulate --register``: treatments of two sessions that lie and breathe differently, against the motion that was put in."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import body_phantom as body
import dicom_factory as factory
import numpy as np
import pytest
from quick_registration import quick_registration
from registration_factory import applied, deformable, matrices, reg, rigid

from y90voxel.accumulation.accumulate import accumulate
from y90voxel.accumulation.effective_dose import summed_bed
from y90voxel.accumulation.time_courses import DecayingSource
from y90voxel.accumulation.treatment import LIVER_SETS, Treatment
from y90voxel.case.accumulation_settings import AccumulationSettings, read_accumulation_settings
from y90voxel.errors import GeometryError, InputError
from y90voxel.io.dicom.identity import StudyIdentity
from y90voxel.io.dicom.rtdose import write_rtdose
from y90voxel.io.nifti import write_nifti
from y90voxel.regions.regions import Region, Regions
from y90voxel.regions.roles import Role
from y90voxel.study.joined_treatments import join_frames
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Continued, Deformation
from y90voxel.volumes.volume import CtImage, DoseMap, Mask
from y90voxel.volumes.warp import all_pushed

BEFORE, AFTER = "1.2.840.1.1", "1.2.840.1.2"
MOTION = rigid((0.05, -0.04, 0.08), (20.0, -15.0, 140.0))
DOME_MM, HILUM_MM = 12.0, 2.0
TUMOUR, RADIUS_MM = np.array((-55.0, 0.0, 40.0)), 18.0
HALF_LIFE_S = 64.05 * 3600.0
IDENTITY = StudyIdentity(patient_id="P1")


def of_second(points):
    """From points of the second session to the body as the first one saw it: 12 mm at the dome, 2 mm at the hilum."""
    moved = applied(np.linalg.inv(MOTION), points)
    dome = body.LIVER_CENTRE[2] + body.LIVER_AXES[2]
    height = (moved[..., 2] - body.LIVER_CENTRE[2]) / (dome - body.LIVER_CENTRE[2])
    moved[..., 2] += HILUM_MM + (DOME_MM - HILUM_MM) * np.clip(height, 0.0, 1.0)
    return moved


def places(grid):
    return grid.index_to_lps(np.moveaxis(np.indices(grid.shape, dtype=float), 0, -1))


def soft(away, width_mm):
    return np.clip(0.5 - away / width_mm, 0.0, 1.0)


def treatment(name, grid, pull, start, course, *, nuclide="Y-90", regions=True, scale=1.0):
    points = pull(places(grid))
    away = (np.sqrt((((points - body.LIVER_CENTRE) / body.LIVER_AXES) ** 2).sum(axis=-1)) - 1) * 62.0
    from_tumour = np.linalg.norm(points - TUMOUR, axis=-1) - RADIUS_MM
    dose = scale * (5.0 + 40.0 * soft(away, 16.0) + 120.0 * soft(from_tumour, 16.0))
    drawn = (
        Region("Liver", Role.LIVER, Mask(soft(away, 4.0), grid)),
        Region("GTV1", Role.TUMOUR, Mask(soft(from_tumour, 4.0), grid)),
    )
    regions = tuple(Regions(grid, drawn)) if regions else ()
    return Treatment(name, DoseMap(dose, grid), start, course, regions, nuclide)


def around(middle, spacing, shape, frame):
    low = np.array(middle) - spacing * (np.array(shape[::-1]) - 1) / 2
    return Grid.from_spacing(shape, (spacing,) * 3, low.tolist(), frame)


MIDDLE = applied(MOTION, body.LIVER_CENTRE)
FIRST_GRID = around(body.LIVER_CENTRE, 4.5, (46, 44, 52), BEFORE)
SECOND_GRID = around(MIDDLE, 5.0, (42, 42, 46), AFTER)
DATES = (datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC))


@pytest.fixture(scope="module", autouse=True)
def coarse():
    with quick_registration():
        yield


@pytest.fixture(scope="module")
def treatments():
    """One radioembolization and, eight weeks later, another; the later one is the reference."""
    times = [date.timestamp() for date in DATES]
    courses = [DecayingSource(HALF_LIFE_S, time) for time in times]
    return (
        treatment("first", FIRST_GRID, lambda points: points, DATES[0], courses[0]),
        treatment("second", SECOND_GRID, of_second, DATES[1], courses[1], scale=0.5),
    )


@pytest.fixture(scope="module")
def cts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cts")
    aside = np.array((15.0, 0.0, 0.0))
    grids = (
        around(body.LIVER_CENTRE + aside, 3.4, (64, 66, 92), BEFORE),
        around(applied(MOTION, body.LIVER_CENTRE + aside), 3.6, (62, 66, 90), AFTER),
    )
    found = {}
    for name, grid, pull in zip(("first", "second"), grids, (lambda points: points, of_second), strict=True):
        values = body.hounsfield(pull(places(grid))) + np.random.default_rng(1).normal(0, 15.0, grid.shape)
        found[name] = folder / f"{name}.nii.gz"
        write_nifti(CtImage(values.astype(np.float32), grid), found[name])
    return found


def asked(how, **more):
    return AccumulationSettings.model_validate({"register": how, **more})


@pytest.fixture(scope="module")
def joined(treatments, cts):
    told = []
    found = join_frames(
        treatments, "second", asked("deformable"), cts=cts, progress=lambda what, done: told.append(what)
    )
    assert {"aligning the CTs rigidly", "deforming the CT", "deforming it back"} < set(told)
    return found


def test_the_dose_of_the_tissue_is_added_and_its_mean_stays(treatments, joined):
    assert joined.whole
    summed = accumulate(joined.treatments, "second")
    own = {region.name: region for region in treatments[0].regions}
    for name in ("Liver", "GTV1", "non-tumour liver"):
        region = next(r for r in summed.regions if r.name == name)
        weights = own[name].mask.array
        mean = float((weights * treatments[0].dose.array).sum() / weights.sum())
        assert region.means_gy["first"] == pytest.approx(mean, rel=0.02), name
    truth = treatment("first", SECOND_GRID, of_second, DATES[0], treatments[0].course).dose.array
    liver = treatments[1].regions[0].mask.array >= 0.5
    errors = (summed.physical.array - treatments[1].dose.array - truth)[liver]
    assert np.abs(errors).mean() < 0.03 * truth[liver].mean()
    assert "doses-carried" in [notice.code for notice in summed.notices]


def test_effective_dose_is_formed_on_the_common_grid_of_carried_absorbed_doses(joined):
    summed = accumulate(joined.treatments, "second")
    carried = summed.physical.array - joined.treatments[1].dose.array
    expected = summed_bed([carried, joined.treatments[1].dose.array], joined.treatments, LIVER_SETS[0])
    np.testing.assert_allclose(summed.bed.array, expected, rtol=1e-4, atol=1e-3)


def test_energy_over_mass_keeps_energy_and_says_so(joined):
    summed = accumulate(joined.treatments, "second", carry="energy")
    said = {notice.code: notice.message for notice in summed.notices}
    assert "carry = energy" in said["doses-carried"]
    first = joined.treatments[0]
    energy = first.dose.array * first.dose.grid.voxel_volume_ml
    even = np.full(first.dose.grid.shape, first.dose.grid.voxel_volume_ml)
    (amounts, mass), (lost, _) = all_pushed(
        [energy, even], first.dose.grid, SECOND_GRID, first.pull.inverse()
    )
    assert amounts.sum() + lost == pytest.approx(energy.sum(), rel=1e-9)
    carried = summed.physical.array - joined.treatments[1].dose.array
    assert (carried * mass).sum() == pytest.approx(amounts.sum(), rel=1e-3)


def test_what_the_deformation_is_worth_is_written(joined):
    (one,) = joined.registered
    entry = json.loads(json.dumps(one.entry))
    assert (entry["treatment"], entry["file"], entry["kind"]) == ("first", "registration_1.dcm", "deformable")
    assert entry["liver"]["dice"] >= 0.95
    assert entry["liver"]["hd95_mm"] <= 5.0
    assert entry["jacobian"]["folded_share"] == 0.0
    assert entry["inverse_consistency_mm"]["p95"] < 3.0
    (tumour,) = entry["tumours"]
    assert tumour["centroid_distance_mm"] < 3.6
    codes = [notice.code for notice in joined.notices]
    assert {"registered-deformably", "deformation-ends"} <= set(codes)


def test_beyond_the_deformation_doses_go_along_with_the_rigid_motion(joined):
    pull = joined.treatments[0].pull
    assert isinstance(pull, Continued)
    far = applied(MOTION, np.array([(0.0, 0.0, -300.0)]))
    assert np.isnan(pull.inside.points(far)).all()
    assert np.linalg.norm(pull.points(far) - pull.beyond.points(far)) == 0.0
    assert np.linalg.norm(pull.points(far) - (0.0, 0.0, -300.0)) < 20.0


def test_a_transform_goes_on_where_it_ends_and_comes_back():
    grid = Grid.from_spacing((5, 5, 5), (10.0,) * 3, (-20.0,) * 3)
    unmoved, shift = AffineTransform(np.eye(4)), AffineTransform(rigid((0, 0, 0), (100.0, 0, 0)))
    inside = Deformation(unmoved, unmoved, grid, np.full((*grid.shape, 3), 2.0, np.float32))
    both = Continued(inside, shift)
    points = np.array([(0.0, 0.0, 0.0), (300.0, 0.0, 0.0)])
    np.testing.assert_allclose(both.points(points), [(2.0, 2.0, 2.0), (400.0, 0.0, 0.0)], atol=1e-9)
    np.testing.assert_allclose(both.inverse().points(both.points(points)), points, atol=1e-2)


def test_a_beam_without_regions_is_registered_around_the_liver_of_the_reference(
    run_cli, treatments, cts, tmp_path
):
    beam = treatment("beam", FIRST_GRID, lambda points: points, DATES[0], None, nuclide=None, regions=False)
    write_rtdose(beam.dose, tmp_path / "beam.dcm", identity=IDENTITY)
    write_rtdose(treatments[1].dose, tmp_path / "second.dcm", identity=IDENTITY)
    for region in treatments[1].regions[:2]:
        write_nifti(region.mask, tmp_path / f"{region.name}.nii.gz")
    options = [
        *("--date", "beam.dcm=2026-01-05", "--fractions", "beam.dcm=5"),
        *("--date", "second.dcm=2026-03-02", "--nuclide", "second.dcm=Y-90"),
        *("--regions", tmp_path / "Liver.nii.gz", "--regions", tmp_path / "GTV1.nii.gz"),
        *("--case", tmp_path / "case.toml", "--register", "deformable"),
        *("--ct", f"beam.dcm={cts['first']}", "--ct", f"second.dcm={cts['second']}"),
    ]
    (tmp_path / "case.toml").write_text('reference = "second"\n')
    done = run_cli(
        "accumulate", tmp_path / "beam.dcm", tmp_path / "second.dcm", *options, "-o", tmp_path / "out"
    )
    assert done.code == 0, done.err
    out = tmp_path / "out"
    document = json.loads((out / "accumulate.json").read_text())
    assert document["voxels_summed"]
    assert [i["file"] for i in document["provenance"]["inputs"] if i["role"] == "ct"] == [
        "first.nii.gz",
        "second.nii.gz",
    ]
    (entry,) = document["registrations"]
    assert entry["treatment"] == "beam"
    assert entry["liver"] is None
    weights = treatments[0].regions[1].mask.array
    tumour = next(region for region in document["regions"] if region["name"] == "GTV1")
    mean = float((weights * beam.dose.array).sum() / weights.sum())
    assert tumour["mean_gy_by_treatment"]["beam"] == pytest.approx(mean, rel=0.02)
    page = (out / "accumulate.html").read_text()
    assert "Registration of beam" in page
    assert "Volume ratios in the liver" in page
    assert (out / "figures" / "registration_1.png").stat().st_size > 50_000
    assert (out / "registration_1.dcm").is_file()


# bad input


def other_liver(one, growth):
    regions = tuple(
        replace(r, mask=r.mask.with_array(np.clip(r.mask.array * growth, 0, None)))
        if r.role is Role.LIVER
        else r
        for r in one.regions
    )
    return replace(one, regions=regions)


@pytest.mark.parametrize(("growth", "added"), [(0.88, True), (0.84, False)])
def test_a_liver_of_another_volume_is_not_registered_and_voxels_are_not_added(
    treatments, cts, monkeypatch, growth, added
):
    tried = []

    def placement(*arguments):
        tried.append(arguments)
        raise GeometryError("far enough")

    monkeypatch.setattr("y90voxel.study.joined_treatments.placement_of", placement)
    base = treatments[1]
    factor = growth * base.liver_volume_ml / treatments[0].liver_volume_ml
    both = (other_liver(treatments[0], factor), base)
    if added:
        with pytest.raises(GeometryError, match="far enough"):
            join_frames(both, "second", asked("rigid"), cts=cts)
        return
    found = join_frames(both, "second", asked("rigid"), cts=cts)
    assert not tried
    summed = accumulate(found.treatments, "second", frames_joined=found.whole)
    assert summed.physical is None
    assert "liver-changed" in [notice.code for notice in summed.notices]
    assert next(r for r in summed.regions if r.name == "GTV1").mean_gy is not None


@pytest.mark.parametrize(
    ("how", "given", "trust", "message"),
    [
        ("rigid", (), False, "needs the CTs of the reference and of each treatment"),
        ("rigid", ("second",), False, "needs the CT of first, which lies in another frame"),
        ("rigid", ("first",), False, "needs the CT of the treatment second"),
        ("rigid", ("first", "second"), True, "give one of the two"),
        (None, ("first",), False, "is for --register, which is not given"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_refused(treatments, cts, how, given, trust, message):
    with pytest.raises(InputError, match=message):
        join_frames(
            treatments, "second", asked(how), cts={name: cts[name] for name in given}, trust_frames=trust
        )


def test_a_ct_that_is_not_needed_is_refused(treatments, cts, tmp_path):
    one_frame = replace(
        treatments[0],
        dose=DoseMap(treatments[0].dose.array, replace(FIRST_GRID, frame_of_reference_uid=AFTER)),
    )
    with pytest.raises(InputError, match=r"not needed to bring its frame.*they are one"):
        join_frames((one_frame, treatments[1]), "second", asked("rigid"), cts=cts)
    factory.save([reg([(BEFORE, matrices(MOTION), ())], own=AFTER)], tmp_path / "reg")
    with pytest.raises(InputError, match="a registration object joins them"):
        join_frames(treatments, "second", asked("rigid", registration=[str(tmp_path / "reg")]), cts=cts)


@pytest.mark.parametrize(("amplitude_mm", "folds"), [(5.0, False), (14.0, True)])
def test_a_registration_object_that_folds_in_the_liver_is_refused(treatments, tmp_path, amplitude_mm, folds):
    grid = around(MIDDLE, 6.0, (40, 40, 44), AFTER)
    offsets = np.zeros((*grid.shape, 3))
    offsets[..., 0] = amplitude_mm * np.sin(2 * np.pi * places(grid)[..., 0] / 60.0)
    factory.save([deformable(BEFORE, offsets, grid.affine, own=AFTER)], tmp_path / "reg")
    given = asked(None, registration=[str(tmp_path / "reg")])
    if not folds:
        assert join_frames(treatments, "second", given).whole
        return
    with pytest.raises(GeometryError, match="the deformation folds within the liver of second"):
        join_frames(treatments, "second", given)


def test_a_reference_without_a_liver_is_refused(treatments, cts):
    bare = replace(treatments[1], regions=tuple(r for r in treatments[1].regions if r.role is Role.TUMOUR))
    with pytest.raises(InputError, match="the treatment second has no liver"):
        join_frames((treatments[0], bare), "second", asked("rigid"), cts=cts)


def test_a_case_file_says_it_too_and_an_option_beats_it(tmp_path):
    (tmp_path / "case.toml").write_text(
        'register = "rigid"\ncarry = "energy"\n[[treatment]]\npath = "a"\nct = "ct.nii.gz"\n'
    )
    read = read_accumulation_settings(tmp_path / "case.toml", {"register": "deformable", "ct": ["b=x.nii"]})
    assert (read.register_, read.carry) == ("deformable", "energy")
    assert {one.path: one.ct for one in read.treatment} == {"a": str(tmp_path / "ct.nii.gz"), "b": "x.nii"}
    with pytest.raises(InputError, match="register"):
        read_accumulation_settings(None, {"register": "elastic"})
