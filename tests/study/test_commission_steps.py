"""Steps of a commissioning without images: what an earlier one is compared in, and whose reconstruction it is."""

import json
from types import SimpleNamespace

import pytest

from y90voxel.errors import InputError
from y90voxel.quantification.emission import Reconstruction
from y90voxel.study.run_commission import _earlier, _reconstruction

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
