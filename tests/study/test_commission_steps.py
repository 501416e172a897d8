"""Steps of a commissioning without images: what an earlier one is compared in, and whose reconstruction it is."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from y90voxel.errors import InputError, Notice, Severity
from y90voxel.quantification.emission import EmissionImage, Reconstruction
from y90voxel.study import run_commission
from y90voxel.study.run_commission import (
    _drawn,
    _earlier,
    _read_files,
    _reconstruction,
    _reconstruction_dict,
    _recovery_csv,
    _scanner,
)
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CountMap, Mask

NOW = {"method": "OSEM 5i12s", "filter": None, "camera": "Maker One", "voxel_mm": [4.0, 4.0, 4.0]}
DOCUMENT = {
    "kind": "commission",
    "nuclide": "Y-90",
    "modality": "NM",
    "calibration": {"unit": "cps/MBq", "value": 12.5},
    "gaussian_fit": None,
    "acquisitions": [
        {"start": "2026-03-02T12:00", "background": None, "spheres": [{"diameter_mm": 37.0, "recovery": 0.8}]}
    ],
    "reconstruction": NOW,
}


def earlier(tmp_path, document=DOCUMENT, *, nuclide="Y-90", modality="NM", counts=True, now=NOW):
    (tmp_path / "commission.json").write_text(json.dumps(document))
    result = SimpleNamespace(
        filling=SimpleNamespace(nuclide=nuclide),
        first=SimpleNamespace(image=SimpleNamespace(modality=modality)),
        counts=counts,
    )
    return _earlier(tmp_path, result, now)


def test_a_trend_holds_what_the_earlier_phantom_gave(tmp_path):
    entry, notices = earlier(tmp_path)
    assert (entry["calibration"], entry["recovery"], notices) == (12.5, {"37": 0.8}, [])
    assert (entry["fwhm_mm"], entry["noise_cv"]) == (None, None)
    first = DOCUMENT["acquisitions"][0] | {"background": {"noise_cv": 0.1}}
    known = DOCUMENT | {"gaussian_fit": {"fwhm_mm": 11.0}, "acquisitions": [first]}
    assert [earlier(tmp_path, known)[0][key] for key in ("fwhm_mm", "noise_cv")] == [11.0, 0.1]


@pytest.mark.parametrize("now", [{"nuclide": "Ho-166"}, {"modality": "PT"}, {"counts": False}])
def test_no_trend_leads_from_another_nuclide_or_kind_of_image(now, tmp_path):
    with pytest.raises(InputError, match="there is no trend between them"):
        earlier(tmp_path, **now)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({}, None),
        ({"filter": "Gauss 5"}, None),  # the images do not say theirs now
        ({"method": None}, None),
        ({"method": "FBP"}, "method FBP then, OSEM 5i12s now"),
        ({"camera": "Maker Two"}, "camera Maker Two then, Maker One now"),
        ({"voxel_mm": [2.0, 4.0, 4.0]}, "voxel_mm [2.0, 4.0, 4.0] then"),
    ],
)
def test_a_trend_over_another_camera_or_reconstruction_is_said(then, said, tmp_path):
    _, notices = earlier(tmp_path, DOCUMENT | {"reconstruction": NOW | then})
    assert [notice.code for notice in notices] == (
        [] if said is None else ["trend-of-another-reconstruction"]
    )
    assert said is None or said in notices[0].message


@pytest.mark.parametrize(
    "change", [{"calibration": None}, {"acquisitions": []}, {"reconstruction": None}, {"nuclide": ...}]
)
def test_a_damaged_earlier_commissioning_is_refused(change, tmp_path):
    document = {key: value for key, value in (DOCUMENT | change).items() if value is not ...}
    with pytest.raises(InputError, match=r"commission\.json is damaged: an entry is missing"):
        earlier(tmp_path, document)


def image(method="", kernel="", voxel=4.0):
    grid = SimpleNamespace(spacing_mm=(voxel, 4.0, 4.0))
    return SimpleNamespace(reconstruction=Reconstruction(method, kernel, "Maker One"), grid=grid)


@pytest.mark.parametrize(
    ("header", "recorded", "found", "unknown"),
    [
        (("OSEM", "Gauss 5"), (None, None), ("OSEM", "Gauss 5"), []),
        (("OSEM", "Gauss 5"), ("OSEM", "Gauss 5"), ("OSEM", "Gauss 5"), []),
        (("", ""), ("OSEM", "Gauss 5"), ("OSEM", "Gauss 5"), []),
        (("", ""), (None, None), ("", ""), ["method-unknown", "filter-unknown"]),
        (("OSEM", ""), ("FBP", None), "says 'FBP', the image headers 'OSEM' for the method", None),
        (
            ("OSEM", "Gauss 5"),
            (None, "none"),
            "says 'none', the image headers 'Gauss 5' for the filter",
            None,
        ),
    ],
)
def test_the_reconstruction_is_that_of_the_headers_or_of_the_record(header, recorded, found, unknown):
    record = SimpleNamespace(image=SimpleNamespace(reconstruction=recorded[0], filter=recorded[1]))
    if isinstance(found, str):
        with pytest.raises(InputError, match=found):
            _reconstruction([image(*header)], record)
        return
    own, notices = _reconstruction([image(*header), image(*header)], record)
    assert (own.method, own.filter) == found
    assert [notice.code for notice in notices] == unknown


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        (image("OSEM"), False),
        (image("FBP"), True),
        (image("OSEM", voxel=4.002), True),
        (image("OSEM", voxel=4.0002), False),
    ],
)
def test_acquisitions_are_of_one_reconstruction(other, refused):
    record = SimpleNamespace(image=SimpleNamespace(reconstruction=None, filter=None))
    if refused:
        with pytest.raises(InputError, match="the images were reconstructed differently"):
            _reconstruction([image("OSEM"), other], record)
    else:
        assert _reconstruction([image("OSEM"), other], record)[0].method == "OSEM"


GRID = Grid.from_spacing((1, 1, 8), (4.0, 4.0, 4.0), (10.0, 0.0, 0.0))


def spheres(monkeypatch, drawn, diameters=(37.0, 28.0, 22.0, 2.5)):
    """Centres by the layout of regions that are drawn: occupancies of a row of voxels by name."""
    regions = []
    for name, row in drawn:
        array = np.zeros(GRID.shape)
        array[0, 0, : len(row)] = row
        regions.append(SimpleNamespace(name=name, mask=Mask(array, GRID)))
    monkeypatch.setattr(run_commission, "read_region_files", lambda path, notices: ([], None))
    placed = SimpleNamespace(drawn=regions), [Notice("placed", "x")]
    monkeypatch.setattr(run_commission, "place_regions", lambda *_, **__: placed)
    layout = SimpleNamespace(spheres=[SimpleNamespace(diameter_mm=d) for d in diameters])
    monkeypatch.setattr(run_commission, "layout_of", lambda record: layout)
    notices = []
    record = SimpleNamespace(contours=Path("spheres.dcm"))
    found = _drawn(record, EmissionImage(CountMap(np.ones(GRID.shape), GRID), "NM"), notices)
    assert [notice.code for notice in notices] == ["placed"]
    return [None if centre is None else centre.tolist() for centre in found]


THREE = (("sphere 22", [0, 0, 0, 1]), ("2.5 mm", [0, 0, 0, 0, 1]), ("37", [0.5, 0, 1]))


def test_drawn_spheres_are_told_by_the_diameter_in_their_names(monkeypatch):
    """Centres are weighted by occupancy: (0.5 · 0 + 1 · 2) / 1.5 voxels of 4 mm from 10 mm on."""
    found = spheres(monkeypatch, (*THREE, ("22 of 37", [1]), ("body", [1])))
    assert found[1] is None
    assert found[0] == pytest.approx([10.0 + 4.0 * 4.0 / 3.0, 0.0, 0.0])
    assert (found[2], found[3]) == ([22.0, 0.0, 0.0], [26.0, 0.0, 0.0])


@pytest.mark.parametrize("swapped", [True, False])
def test_two_regions_that_are_named_as_one_sphere_are_refused(monkeypatch, swapped):
    """The first was taken, such as the background beside the sphere."""
    drawn = (("37", [1]), ("background 37", [0, 1]))
    with pytest.raises(InputError, match=r"both '(37|background 37)' and .* have the 37 mm of one sphere"):
        spheres(monkeypatch, (*(drawn[::-1] if swapped else drawn), *THREE[:2]))


def test_two_spheres_leave_a_layout_unknown(monkeypatch):
    with pytest.raises(InputError, match=r"has 2 drawn spheres .* \(37, 28, 22, 2.5 mm\); three are needed"):
        spheres(monkeypatch, THREE[:2])


@pytest.mark.parametrize(
    ("modality", "day_unknown", "said"),
    [
        ("PT", False, None),
        ("file", False, "neither unit, time nor nuclide"),
        ("PT", True, "no date"),
        ("file", True, "no date"),
    ],
)
def test_image_files_of_a_phantom_state_their_day_and_their_nuclide(monkeypatch, modality, day_unknown, said):
    image = SimpleNamespace(modality=modality, day_unknown=day_unknown)
    monkeypatch.setattr(run_commission, "read_emission_file", lambda path, notices: image)
    monkeypatch.setattr(run_commission, "file_record", lambda path, role: path.name)
    if said is None:
        assert _read_files(["a.nii"]) == (["a.nii"], [image], [])
    else:
        with pytest.raises(InputError, match=said):
            _read_files(["a.nii"])


def result_of(*, counts=True, fit=None, gaussian=None, dead=None, background=None):
    rows = [
        {"diameter_mm": d, "recovery": r, "relative_uncertainty": 0.02, "volume_ml": v}
        for d, r, v in ((37.0, 0.8, 26.5), (10.0, 0.25, 0.52))
    ]
    images = [SimpleNamespace(rate_cps=rate, start="2026-03-02", modality="NM") for rate in (1e4, None, 3e4)]
    return SimpleNamespace(
        first=SimpleNamespace(image=images[0], background=background), recovery_fit=fit, gaussian=gaussian, dead_time=dead,
        recovery_rows=lambda: rows, acquisitions=[SimpleNamespace(image=one) for one in images], counts=counts,
        filling=SimpleNamespace(nuclide="Y-90"), calibration=12.5, calibration_uncertainty=0.03,
    )  # fmt: skip


@pytest.mark.parametrize("counts", [True, False])
def test_a_scanner_file_holds_what_was_measured(monkeypatch, counts):
    monkeypatch.setattr(run_commission, "one_gaussian", lambda gaussian: True)
    fit = SimpleNamespace(form="gaussian", b1_ml=2.8, b2=0.8, covariance=np.diag([0.1, 0.2]))
    dead = SimpleNamespace(time_constant_s=5e-6, error_s=1e-6)
    whole = result_of(
        counts=counts, fit=fit, gaussian=SimpleNamespace(fwhm_mm=9.5), dead=dead,
        background=SimpleNamespace(noise_cv=0.1),
    )  # fmt: skip
    found = tomllib.loads(_scanner(whole, {"reconstruction": {"method": "OSEM"}}))
    assert found["calibration"]["factor_cps_per_mbq" if counts else "shown_over_true"] == 12.5
    assert (found["recovery"]["smallest_ml"], found["recovery"]["largest_ml"]) == (0.52, 26.5)
    assert found["resolution"] == {"fwhm_mm": 9.5, "one_gaussian_fits": True}
    assert found["dead_time"] == pytest.approx(
        {"time_constant_us": 5.0, "error_us": 1.0, "highest_rate_cps": 3e4}
    )
    assert found["noise"] == {"background_cv": 0.1}
    assert (found["schema_version"], found["kind"], found["measured"]) == (1, "scanner", "2026-03-02")
    bare = tomllib.loads(_scanner(result_of(), {"reconstruction": {"method": "OSEM"}}))
    assert not {"recovery", "resolution", "dead_time", "noise"} & set(bare)


def test_a_recovery_table_holds_every_sphere():
    assert _recovery_csv(result_of()).splitlines()[1:] == [
        "diameter_mm,recovery,relative_uncertainty",
        "37,0.800000,0.020000",
        "10,0.250000,0.020000",
    ]


@pytest.mark.parametrize(("stated", "found"), [("OSEM", "OSEM"), ("", None)])
def test_what_a_reconstruction_does_not_state_is_none(stated, found):
    grid = SimpleNamespace(spacing_mm=(4.00004, 4.0, 4.0))
    shown = _reconstruction_dict(Reconstruction(stated, stated, stated), SimpleNamespace(grid=grid))
    assert shown == {"method": found, "filter": found, "camera": found, "voxel_mm": [4.0, 4.0, 4.0]}


@pytest.mark.parametrize("nm", [True, False])
def test_every_series_of_a_folder_is_an_acquisition(monkeypatch, nm):
    """What matters is said, and what is for information is not."""
    said = [Notice("warn", "x"), Notice("accepted", "x", Severity.ACCEPT)]
    series = [SimpleNamespace(uid=uid, instances=[1, 2], sha256=lambda: "00") for uid in ("1.2", "1.3")]
    monkeypatch.setattr(
        run_commission, "index_study", lambda folder: SimpleNamespace(with_role=lambda role: series)
    )
    monkeypatch.setattr(run_commission, "raise_unreadable", lambda index: None)
    monkeypatch.setattr(run_commission, "is_nm", lambda one: nm)
    monkeypatch.setattr(run_commission, "read_nm", lambda one: (f"nm {one.uid}", said))
    monkeypatch.setattr(run_commission, "read_pet", lambda one: (f"pet {one.uid}", said))
    inputs, emissions, notices = run_commission._read(Path("phantom"))
    assert emissions == [f"{'nm' if nm else 'pet'} {uid}" for uid in ("1.2", "1.3")]
    assert [notice.code for notice in notices] == ["warn", "warn"]
    assert inputs[0] == {"role": "phantom image", "series_instance_uid": "1.2", "files": 2, "sha256": "00"}
    series.clear()
    with pytest.raises(InputError, match="holds no reconstructed SPECT or PET images"):
        run_commission._read(Path("phantom"))
