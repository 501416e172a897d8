"""Studies from DICOM and image files together, and the case they make."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from dicom_factory import ct, nm, pet, radiopharmaceutical, rtstruct, save
from study_factory import CT_AFFINE, ROIS, SOFT_TISSUE, SPECT_AFFINE, ball_contours, spect_counts, write_study

from y90voxel.errors import DicomError, GeometryError, InputError, RegionError
from y90voxel.io.nifti import write_nifti, write_regions_nifti
from y90voxel.quantification.calibration import CalibrationMode
from y90voxel.quantification.quantify import quantify
from y90voxel.study.read_study import _check_series, read_region_files, read_study
from y90voxel.volumes.volume import CountMap, CtImage, Mask


def codes(notices):
    return {notice.code for notice in notices}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), PatientName="NAME^TEST", PatientID="42")


@pytest.fixture(scope="module")
def study(folder):
    return read_study(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory, study):
    """The same images as files without DICOM."""
    target = tmp_path_factory.mktemp("files")
    emission, image = study.emissions[0].volume, study.ct
    write_nifti(CountMap(emission.array, emission.grid), target / "spect.nii.gz")
    write_nifti(CtImage(image.array, image.grid), target / "ct.nii.gz")
    regions = study.case(administered_activity_bq=1e9, lung_shunt_fraction=0.0).regions
    write_regions_nifti({r.name: r.mask for r in regions.drawn if not r.automatic}, target / "regions.nii.gz")
    return target


def test_a_dicom_study_has_all_its_parts(study):
    assert study.ct is not None
    assert [region.name for region in study.drawn] == ["Liver", "GTV1"]
    assert [source["files"] for source in study.inputs] == [1, 40, 1]
    assert study.identity.patient_name == "NAME^TEST"
    assert "NAME" not in study.label


def test_the_case_knows_no_patient(study):
    case = study.case(administered_activity_bq=1e9, lung_shunt_fraction=0.05)
    assert "NAME" not in repr(case)
    assert case.study_instance_uid == study.identity.study_instance_uid


def test_files_alone_give_the_same_activity(study, files):
    alone = read_study(
        emission=files / "spect.nii.gz", ct=files / "ct.nii.gz", regions=files / "regions.nii.gz"
    )
    facts = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.1}
    found = quantify(alone.case(calibration="relative", **facts))
    expected = quantify(study.case(**facts))
    assert np.allclose(found.activity.array, expected.activity.array, rtol=1e-4, atol=1.0)
    assert "frame-unknown" in codes(alone.notices)
    assert alone.label == "spect"
    assert [item["file"] for item in alone.inputs] == ["spect.nii.gz", "ct.nii.gz", "regions.nii.gz"]


def test_an_image_file_needs_its_unit_said(files):
    alone = read_study(emission=files / "spect.nii.gz")
    with pytest.raises(InputError, match="carries no units"):
        alone.case(administered_activity_bq=1e9)
    case = alone.case(calibration="absolute")
    grid = case.grid
    counts = alone.emissions[0].volume.total
    assert quantify(case).map_activity_bq == pytest.approx(counts * grid.voxel_volume_ml)  # taken as Bq/mL


def test_files_replace_what_the_dicom_holds(folder, files):
    found = read_study(folder, regions=files / "regions.nii.gz", ct=files / "ct.nii.gz")
    assert isinstance(found.drawn[0].shape, Mask)
    assert found.ct.grid.frame_of_reference_uid is None
    replaced = read_study(folder, emission=files / "spect.nii.gz")
    assert replaced.emissions[0].modality == "file"
    assert replaced.ct is not None
    for one, used in ((found, ["emission", "regions", "ct"]), (replaced, ["ct", "regions", "emission"])):
        assert sorted(item["role"] for item in one.inputs) == sorted(used)
    assert len(found.sources) == 1  # the emission alone is still the DICOM's
    assert len(replaced.sources) == 2


def test_dicom_files_complete_a_folder(folder, tmp_path):
    bare = write_study(tmp_path / "bare", with_ct=False, with_regions=False)
    save(ct(np.full((40, 40, 40), SOFT_TISSUE, np.int16), CT_AFFINE), tmp_path / "ct")
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    regions = save([rtstruct(contours)], tmp_path / "rs")[0]
    found = read_study(bare, ct=tmp_path / "ct", regions=regions)
    assert found.ct is not None
    assert [region.name for region in found.drawn] == ["Liver", "GTV1"]
    single = read_study(emission=save([nm(spect_counts(), SPECT_AFFINE)], tmp_path / "nm")[0])
    assert single.emissions[0].modality == "NM"


def test_files_of_another_frame_are_refused_unless_trusted(tmp_path):
    bare = write_study(tmp_path / "bare", with_ct=False, with_regions=False)
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    regions = save([rtstruct(contours, frame="9.9.9")], tmp_path / "rs")[0]
    other_ct = ct(np.full((40, 40, 40), SOFT_TISSUE, np.int16), CT_AFFINE, FrameOfReferenceUID="8.8.8")
    save(other_ct, tmp_path / "ct")
    facts = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.0}
    with pytest.raises(GeometryError, match="--trust-frames"):
        read_study(bare, regions=regions).case(**facts)
    trusted = read_study(bare, regions=regions, ct=tmp_path / "ct", trust_frames=True)
    assert "frames-trusted" in codes(trusted.notices)
    assert len(trusted.case(**facts, automatic=False).regions.drawn) == 2
    assert trusted.ct.grid.frame_of_reference_uid == trusted.emissions[0].grid.frame_of_reference_uid


@pytest.mark.parametrize("missing", ["ct", "regions"])
def test_a_file_without_what_it_should_hold_is_refused(folder, tmp_path, missing):
    path = save([nm(spect_counts(), SPECT_AFFINE)], tmp_path / "nm")[0]
    with pytest.raises(InputError, match="holds no"):
        read_study(folder, **{missing: path})


def test_nothing_is_refused():
    with pytest.raises(InputError, match="no study"):
        read_study()


def test_regions_of_any_kind_are_read(folder, files, tmp_path):
    notices = []
    assert len(read_region_files(files / "regions.nii.gz", notices)[0]) == 2
    contours = {name: ball_contours(*shape) for name, shape in ROIS.items()}
    assert len(read_region_files(save([rtstruct(contours)], tmp_path)[0], notices)[0]) == 2


def test_two_injections_with_their_own_images(tmp_path):
    halves = [spect_counts() * 0, spect_counts() * 0]
    halves[0][:, :, :10], halves[1][:, :, 10:] = spect_counts()[:, :, :10], spect_counts()[:, :, 10:]
    images = [
        nm(counts, SPECT_AFFINE, series=name) for counts, name in zip(halves, ("right", "left"), strict=True)
    ]
    study = read_study(
        write_study(tmp_path, nm=images), emission_series=[str(image.SeriesInstanceUID) for image in images]
    )
    injections = [{"activity_bq": 3e9, "lung_shunt_fraction": 0.1}, {"activity_bq": 1e9}]
    case = study.case(lung_shunt_fraction=0.05, injections=injections)
    found = quantify(case)
    assert found.net_activity_bq == 4e9
    assert found.lung_shunt_fraction == pytest.approx((3 * 0.1 + 0.05) / 4)
    with pytest.raises(InputError, match="1 injections are described, but 2 emission images"):
        study.case(injections=injections[:1])


def y90_pet(folder, **attributes):
    """A PET study, 20 h after the injection by its header."""
    started = "20240311120000"
    known = {
        "RadiopharmaceuticalInformationSequence": radiopharmaceutical(
            RadiopharmaceuticalStartDateTime=started
        )
    }
    return write_study(folder, nm=pet(spect_counts(), SPECT_AFFINE, **(known | attributes)))


def test_a_quantitative_pet_is_absolute_by_default(tmp_path):
    study = read_study(y90_pet(tmp_path))
    case = study.case()
    assert case.calibration.mode is CalibrationMode.ABSOLUTE
    assert not case.predicted
    assert quantify(case).map_activity_bq > study.emissions[0].volume.total


def test_a_zone_makes_times_comparable(tmp_path):
    study = read_study(y90_pet(tmp_path))
    given = study.emissions[0].acquisition_start.replace(tzinfo=UTC) - timedelta(hours=10)
    with pytest.raises(InputError, match="time zone"):
        quantify(study.case(time=given))
    by_offset = quantify(study.case(time=given, time_zone="+00:00"))
    by_name = quantify(study.case(time=given, time_zone="UTC"))
    assert by_offset.map_activity_bq == pytest.approx(by_name.map_activity_bq)
    later = quantify(study.case(time=given, time_zone="-02:30"))
    assert later.map_activity_bq / by_name.map_activity_bq == pytest.approx(2 ** (2.5 / 64.1), rel=1e-6)


def test_vial_activity_and_residual_become_net(study):
    noon = datetime(2026, 3, 2, 12)
    case = study.case(
        activity_bq=2e9,
        activity_time=noon - timedelta(hours=64.1),
        residual_bq=1e8,
        time=noon,
        lung_shunt_fraction=0.0,
        device="glass",
    )
    given = case.injections[0].administration
    assert given.activity_bq == pytest.approx(0.9e9)
    assert (given.device, given.shunt_source) == ("glass", "given")


def test_grids(study):
    facts = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.0}
    assert study.case(**facts, grid="ct").grid.is_same_as(study.ct.grid)
    assert study.case(**facts, grid=5.0).grid.spacing_mm == pytest.approx((5.0, 5.0, 5.0))
    with pytest.raises(InputError, match="--grid ct needs a CT"):
        replace(study, ct=None).case(**facts, grid="ct")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"activity_bq": 1e9, "administered_activity_bq": 1e9}, "not both"),
        ({"residual_bq": 1e6}, "without the vial activity"),
        ({"activity_bq": 1e9, "activity_time": datetime(2026, 3, 2)}, "time of administration is not known"),
        ({"time_zone": "Mars/Olympus"}, "unknown time zone"),
        ({"time_zone": "+xx"}, "unknown time zone"),
        ({"nuclide": "Tc-99m"}, "not a therapy nuclide"),
        ({"administered_activity_bq": 0.0}, "must be positive"),
        ({"administered_activity_bq": -1.0}, "is negative"),
        ({"lung_shunt_fraction": 1.5}, "outside 0 to 1"),
    ],
)
def test_contradictory_facts_are_refused(study, facts, message):
    with pytest.raises(InputError, match=message):
        study.case(**facts)


def test_an_anonymous_study_tells_nothing(study):
    anonymous = study.anonymous()
    assert anonymous.label == "anonymous study"
    assert anonymous.identity.patient_name == ""
    assert anonymous.sources == ()
    assert all(set(item) <= {"role", "files", "sha256"} for item in anonymous.inputs)
    assert anonymous.case(administered_activity_bq=1e9, lung_shunt_fraction=0.0).study_instance_uid is None


def test_a_broken_zip_is_an_input_error(tmp_path):
    path = tmp_path / "study.zip"
    path.write_bytes(b"PK not a zip")
    with pytest.raises((InputError, DicomError)):
        read_study(path)


def test_what_the_camera_cuts_is_cut_on_any_dose_grid(tmp_path):
    study = read_study(write_study(tmp_path, rois=dict(ROIS) | {"Lungs": ((0, 0, 70), 40.0)}, with_ct=False))
    for grid in ("emission", 6.0):
        case = study.case(administered_activity_bq=1e9, lung_shunt_fraction=0.1, grid=grid)
        assert not case.both_lungs_in_view


def test_a_liver_that_the_camera_cuts_is_refused_on_the_cts_grid_too(tmp_path):
    low = spect_counts()[:12]
    study = read_study(write_study(tmp_path, nm=[nm(low, SPECT_AFFINE)]))
    for grid in ("emission", "ct"):
        with pytest.raises(RegionError, match="not wholly inside"):
            study.case(administered_activity_bq=1e9, lung_shunt_fraction=0.1, grid=grid)


def test_lungs_cut_by_the_ct_they_were_drawn_on_are_truncated(tmp_path):
    lungs = dict(ROIS) | {"Lungs": ((0, 0, 30), 30.0)}
    facts = {"administered_activity_bq": 1e9, "lung_shunt_fraction": 0.1}
    folder = write_study(tmp_path, rois=lungs, with_ct=False)
    assert read_study(folder).case(**facts).both_lungs_in_view
    save(
        ct(np.full((34, 40, 40), SOFT_TISSUE, np.int16), CT_AFFINE), folder / "ct"
    )  # its last slice: z = 54 mm
    assert not read_study(folder).case(**facts).both_lungs_in_view


def test_a_shared_activity_or_image_of_several_injections_is_refused(tmp_path):
    images = [nm(spect_counts(), SPECT_AFFINE, series=name) for name in ("first", "second")]
    folder = write_study(tmp_path, nm=images)
    uids = [str(image.SeriesInstanceUID) for image in images]
    study = read_study(folder, emission_series=uids)
    two = [{"territory": "Liver"}, {"territory": "GTV1"}]
    with pytest.raises(InputError, match="given once for 2 injections"):
        study.case(activity_bq=2e9, lung_shunt_fraction=0.0, injections=two)
    with pytest.raises(InputError, match="same emission series"):
        read_study(folder, emission_series=[uids[0], uids[0]])


def test_a_dose_grid_of_absurd_size_is_refused(study):
    with pytest.raises(InputError, match="million voxels"):
        study.case(administered_activity_bq=1e9, lung_shunt_fraction=0.0, grid=0.1)


@pytest.mark.parametrize(("patient", "refused"), [("F1", False), ("F2", True), ("", False)])
def test_a_dicom_file_of_another_patient_beside_a_study_is_refused(tmp_path, patient, refused):
    from dicom_factory import nm

    stored = np.full((8, 10, 12), 100, np.uint16)
    save(nm(stored), tmp_path / "study")
    square = [
        np.array([(-15, -25, z), (-5, -25, z), (-5, -10, z), (-15, -10, z)], float) for z in (108, 112, 116)
    ]
    regions = rtstruct({"Liver": square}, PatientID=patient, PatientName=patient)
    (path,) = save([regions], tmp_path / "regions")
    if refused:
        with pytest.raises(InputError, match="are of two patients") as caught:
            read_study(tmp_path / "study", regions=path, trust_frames=True)
        assert caught.value.tag == "PatientID"
    else:
        assert [r.name for r in read_study(tmp_path / "study", regions=path).drawn] == ["Liver"]


def test_regions_of_the_study_that_files_replace_are_said(folder, files, tmp_path):
    """Both names and how to use both; nothing where the study has none, or its own file is among those given."""
    save(
        rtstruct(
            {"Cyst": ball_contours((0.0, 0.0, 0.0), 20.0)},
            series="other",
            PatientName="NAME^TEST",
            PatientID="42",
        ),
        tmp_path / "cyst.dcm",
    )

    def said(study_folder, regions):
        found = read_study(study_folder, regions=regions)
        return found, [n.message for n in found.notices if n.code == "regions-replaced"]

    found, (message,) = said(folder, files / "regions.nii.gz")
    (own,) = [series for series in read_study(folder).inputs if series["role"] == "regions"]
    assert "RTSTRUCT" in message
    assert "'regions.nii.gz'" in message
    assert "To use both" in message
    case = found.case(administered_activity_bq=1e9, lung_shunt_fraction=0.0)
    assert message in [notice.message for notice in case.notices]
    bare = write_study(tmp_path / "bare", with_regions=False)
    assert said(bare, files / "regions.nii.gz")[1] == []
    (file,) = [p for p in folder.rglob("*") if p.is_file() and p.name in message]
    both, none = said(folder, [file, tmp_path / "cyst.dcm"])
    assert none == []
    assert {region.name for region in both.drawn} == {"Liver", "GTV1", "Cyst"}
    assert len(said(folder, tmp_path / "cyst.dcm")[1]) == 1
    assert own not in found.inputs
    assert own in both.inputs


@pytest.mark.parametrize("role", ["emission", "ct", "regions"])
def test_a_series_of_what_a_file_stands_for_is_refused(role, tmp_path):
    """It was believed to be used, and was not."""
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("emission", "ct", "regions")}
    _check_series(tmp_path, {**files, role: None}, {name: "1.2" if name == role else None for name in files})
    _check_series(None, files, dict.fromkeys(files))
    with pytest.raises(
        InputError, match=rf"series\.{role} .* names 1.2, but the {role} of the STUDY is replaced by a file"
    ):
        _check_series(tmp_path, files, {role: "1.2"})
    with pytest.raises(InputError, match=r"names 1.2, 1.3, but there is no STUDY"):
        _check_series(None, {**files, role: None}, {role: ["1.2", "1.3"]})
