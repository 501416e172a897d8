"""Regions as TotalSegmentator, nnU-Net, MONAI Label, BIDS and ITK-SNAP write them."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from y90voxel.errors import InputError
from y90voxel.io.segmentations import read_regions_file
from y90voxel.regions.roles import Role, role_of_name
from y90voxel.study.read_study import read_region_files

AFFINE = np.diag([-4.0, -4.0, 4.0, 1.0])
VOXEL_ML = 0.064
LABELS = np.zeros((12, 12, 12), np.uint8)
LABELS[2:8, 2:8, 2:8] = 1
LABELS[4:6, 4:6, 4:6] = 2


def save(path, array=LABELS, extension=None):
    image = nibabel.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm")
    if extension is not None:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, extension.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def volumes(regions):
    return {region.name: round(region.shape.volume_ml / VOXEL_ML) for region in regions}


EXPECTED = {"liver": 208, "tumor": 8}
BIDS = "index\tname\tcolor\n0\tbackground\t#000000\n1\tliver\t#ff0000\n2\ttumor\t#00ff00\n"
SNAP = """################
# ITK-SnAP Label Description File
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "liver"
    2     0  255    0      0.5  1  1    "tumor"
"""
MONAI = {"label_names": {"background": 0, "liver": 1, "tumor": 2}, "latencies": {"total": 3.2}}
STORE = {
    "objects": {
        "case": {
            "image": {},
            "labels": {"final": {"info": {"params": {"label_names": {"liver": 1, "tumor": 2}}}}},
        }
    }
}
INFO = {
    "objects": {
        "case": {
            "labels": {
                "final": {"info": {"label_info": [{"name": "liver", "idx": 1}, {"name": "tumor", "idx": 2}]}}
            }
        }
    }
}
TABLES = {
    "BIDS": ("case_dseg.nii.gz", "case_dseg.tsv", BIDS),
    "BIDS of the folder": ("sub-01/anat/case_dseg.nii.gz", "dseg.tsv", BIDS),
    "ITK-SNAP": ("case.nii.gz", "case.label", SNAP),
    "ITK-SNAP as text": ("case.nii.gz", "case.txt", SNAP),
    "MONAI Label": ("case.nii.gz", "case.json", json.dumps(MONAI)),
    "MONAI Label datastore": ("labels/final/case.nii.gz", "datastore_v2.json", json.dumps(STORE)),
    "MONAI Label datastore, list": ("labels/final/case.nii.gz", "datastore_v2.json", json.dumps(INFO)),
    "nnU-Net": (
        "labelsTr/case.nii.gz",
        "dataset.json",
        json.dumps({"labels": {"background": 0, "liver": 1, "tumor": 2}}),
    ),
    "nnU-Net v1": (
        "labelsTr/case.nii.gz",
        "dataset.json",
        json.dumps({"labels": {"0": "background", "1": "liver", "2": "tumor"}}),
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_names_of_labels_are_read_from_the_tables_of_programs(kind, tmp_path):
    image, table, content = TABLES[kind]
    (tmp_path / table).write_text(content)
    assert volumes(read_regions_file(save(tmp_path / image), notices=[])) == EXPECTED


def test_regions_of_several_labels_of_nnunet_may_overlap(tmp_path):
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"background": 0, "liver": [1, 2], "tumor": [2]}})
    )
    assert volumes(read_regions_file(save(tmp_path / "case.nii.gz"), notices=[])) == {
        "liver": 216,
        "tumor": 8,
    }
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": [1]}}))
    with pytest.raises(InputError, match="names no region of the labels 2"):
        read_regions_file(tmp_path / "case.nii.gz", notices=[])


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("dataset.json", json.dumps({"labels": {"liver": "1_0"}}), "are not understood|nothing names"),
        ("dataset.json", json.dumps({"Name": "BIDS dataset"}), "nothing names the labels"),
        ("case.tsv", BIDS.replace("\n2\t", "\n2_0\t"), "whole numbers in the column index"),
        ("case.tsv", "a\tb\n1\t2\n", "nothing names the labels"),
        ("datastore_v2.json", json.dumps({"objects": {"other": {}}}), "nothing names the labels"),
    ],
)
def test_tables_that_name_nothing_are_refused_or_passed_over(table, content, message, tmp_path):
    (tmp_path / table).write_text(content)
    with pytest.raises(InputError, match=message):
        read_regions_file(save(tmp_path / "case.nii.gz"), notices=[])


def table_of(names):
    labels = "".join(f'<Label Key="{key}" Red="0"><![CDATA[{name}]]></Label>' for key, name in names.items())
    return f'<?xml version="1.0"?><CaretExtension><LabelTable>{labels}</LabelTable></CaretExtension>'


def test_names_in_the_header_of_a_multi_label_image(tmp_path):
    path = save(tmp_path / "ml.nii.gz", extension=table_of({1: "liver", 2: "tumor", 7: "stomach"}))
    assert volumes(read_regions_file(path, notices=[])) == EXPECTED
    (tmp_path / "ml.json").write_text(json.dumps({"1": "Leber", "2": "GTV"}))  # a file beside it wins
    assert set(volumes(read_regions_file(path, notices=[]))) == {"Leber", "GTV"}


def test_an_extension_without_a_table_names_nothing(tmp_path):
    with pytest.raises(InputError, match="nothing names the labels 1, 2"):
        read_regions_file(save(tmp_path / "ml.nii.gz", extension="<x/>"), notices=[])


def test_a_folder_of_one_mask_an_organ_is_a_set_of_regions(tmp_path):
    for name, array in {"liver": LABELS == 1, "stomach": LABELS == 2, "spleen": LABELS == 9}.items():
        save(tmp_path / "seg" / f"{name}.nii.gz", array.astype(np.uint8))
    (tmp_path / "seg" / "statistics.json").write_text("{}")
    notices = []
    regions, _ = read_region_files(tmp_path / "seg", notices)
    assert volumes(regions) == {"liver": 208, "stomach": 8}
    assert [(notice.code, "spleen" in notice.message) for notice in notices] == [("empty-mask", True)]
    save(tmp_path / "seg" / "liver_tumor.nii.gz", np.zeros_like(LABELS))
    regions, _ = read_region_files(tmp_path / "seg", [])
    assert not next(r for r in regions if r.name == "liver_tumor").shape.polygons  # decided with its role


@pytest.mark.parametrize(("name", "left_out"), [("spleen", True), ("liver_tumor", False)])
def test_an_empty_mask_by_itself_is_what_it_is_in_a_folder(tmp_path, name, left_out):
    save(tmp_path / "seg" / "liver.nii.gz", (LABELS == 1).astype(np.uint8))
    save(tmp_path / "seg" / f"{name}.nii.gz", np.zeros_like(LABELS))
    files = [tmp_path / "seg" / "liver.nii.gz", tmp_path / "seg" / f"{name}.nii.gz"]
    found = []
    for given in (tmp_path / "seg", files):
        notices = []
        regions, _ = read_region_files(given, notices)
        assert [notice.code for notice in notices] == (["empty-mask"] if left_out else [])
        found.append([region.name for region in regions])
    assert found[0] == found[1] == (["liver"] if left_out else ["liver", "liver_tumor"])


@pytest.mark.parametrize("segments", [range(1, 9), range(1, 8)])
@pytest.mark.parametrize("with_liver", [False, True])
def test_eight_segments_are_the_liver_where_none_is_drawn(segments, with_liver, tmp_path):
    for number in segments:
        part = np.zeros_like(LABELS)
        part[number, 2:6, 2:6] = 1
        save(tmp_path / "seg" / f"liver_segment_{number}.nii.gz", part)
    if with_liver:
        save(tmp_path / "seg" / "liver.nii.gz", (LABELS > 0).astype(np.uint8))
    notices = []
    regions, _ = read_region_files(tmp_path / "seg", notices)
    livers = [r for r in regions if (r.role or role_of_name(r.name)) is Role.LIVER]
    codes = [notice.code for notice in notices]
    if with_liver:
        assert ([r.name for r in livers], codes) == (["liver"], [])
    elif len(segments) == 8:
        assert (volumes(livers), codes) == ({"Liver (segments 1-8)": 128}, ["liver-of-segments"])
    else:
        assert (livers, codes) == ([], ["liver-segments-missing"])
