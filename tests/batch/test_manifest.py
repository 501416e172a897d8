"""Cohorts as tables."""

import pyarrow
import pytest
from pyarrow import parquet

from y90voxel.batch.discovery import find_cohort
from y90voxel.batch.manifest import read_manifest
from y90voxel.batch.study_units import study_ids
from y90voxel.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    return tmp_path


def manifest(folder, text, name="cohort.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_columns_are_settings_files_or_carried_through(folder):
    (folder / "ct.nii").write_bytes(b"")
    units = read_manifest(
        manifest(
            folder,
            "\ufeffstudy;activity;lung_shunt;dose.engine;regions.roles.Segment 1;ct;response;survival_days\n"
            "a;2.4 GBq;0.06;local;tumour;ct.nii;PR;210\n"
            "\n"
            "b;;;;;;;\n",
        )
    )
    assert [unit.name for unit in units] == ["a", "b"]
    assert units[0].settings == {
        "administration": {"activity": "2.4 GBq", "lung_shunt_fraction": "0.06"},
        "dose": {"engine": "local"},
        "regions": {"roles": {"Segment 1": "tumour"}},
    }
    assert units[0].files == {"ct": folder / "ct.nii"}
    assert units[0].columns == {"response": "PR", "survival_days": "210"}
    assert units[1].settings == {}
    assert units[1].columns == {"response": None, "survival_days": None}
    assert units[0].problem is units[1].problem is None


def test_a_parquet_manifest_says_the_same(folder):
    table = {"study": ["a", "b"], "activity": ["2 GBq", None], "age": [71, 65], "score": [float("nan"), 1.5]}
    parquet.write_table(pyarrow.table(table), folder / "cohort.parquet")
    first, second = find_cohort(folder / "cohort.parquet").units
    assert first.settings == {"administration": {"activity": "2 GBq"}}
    assert first.columns == {"age": 71, "score": None}
    assert second.columns == {"age": 65, "score": 1.5}
    assert second.settings == {}


def test_a_case_file_per_row_is_beaten_by_the_row(folder):
    (folder / "base.toml").write_text('[dose]\nengine = "local"\ngrid = 4.0\n')
    (unit,) = read_manifest(manifest(folder, "study,case,engine\na,base.toml,convolution\n"))
    assert unit.settings == {"dose": {"engine": "convolution", "grid": 4.0}}
    (unit,) = read_manifest(manifest(folder, "study,case\na,none.toml\n"))
    assert unit.problem.startswith("row 2 of cohort.csv: the case file")


def test_rows_that_cannot_be_used_say_why_and_the_others_stay(folder):
    units = read_manifest(
        manifest(folder, "study,activity\na,2 GBq\n,2 GBq\nnowhere,1 GBq\nb,1 GBq\nc,1 GBq\nb,3 GBq\n")
    )
    problems = {unit.name: unit.problem for unit in units}
    assert problems["a"] is problems["c"] is None
    assert problems["row 3"] == "row 3 of cohort.csv names no study: column 'study' is empty."
    assert problems["nowhere"].startswith("row 4 of cohort.csv: there is no file or folder")
    assert problems["b"].startswith(
        "rows 5, 7 of the manifest name the same study (b): none of them was computed."
    )
    assert len(units) == 5


def test_rows_may_share_a_folder_when_each_chooses_its_image(folder):
    units = read_manifest(manifest(folder, "study,emission_series\na,1.2.3\na,1.2.4\n"))
    assert [unit.problem for unit in units] == [None, None]
    assert len({unit.key for unit in units}) == 2


def test_a_row_may_have_files_only_or_lie_elsewhere(folder):
    (folder / "a" / "pet.nii.gz").write_bytes(b"")
    units = read_manifest(manifest(folder / "b", "study,emission\n,../a/pet.nii.gz\n../c,\n"))
    assert [(unit.name, unit.path) for unit in units] == [
        ("a/pet", None),
        (f"{folder.name}/c", folder / "b" / "../c"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("study\n", "has no rows"),
        ("path,activity\na,2 GBq\n", "no column 'study' \\(found 'path', 'activity'\\)"),
        ("study,study\na,b\n", "the column 'study' 2 times"),
        ("study,\na,b\n", "a column without a name"),
        ("study,x\na,1,2\n", "row 2 .* has 3 cells, its header 2"),
        ('study,x\na,"open\n', "cannot be read: unexpected end of data.*UTF-8"),
    ],
)
def test_a_table_that_is_no_manifest_is_refused(folder, text, message):
    with pytest.raises(InputError, match=message):
        read_manifest(manifest(folder, text))


def test_other_files_are_no_cohorts(folder):
    (folder / "m.csv").write_bytes(b"study\n\xff\xfe\n")
    (folder / "m.parquet").write_bytes(b"PAR1 and nothing")
    (folder / "m.txt").write_text("x")
    for name, message in [
        ("m.csv", "cannot be read"),
        ("m.parquet", "cannot be read"),
        ("m.txt", "neither a folder nor a manifest"),
        ("gone", "there is no cohort"),
        ("a", "holds no study"),
    ]:
        with pytest.raises(InputError, match=message):
            find_cohort(folder / name)


def test_studies_elsewhere_are_called_by_as_many_folders_as_tell_them_apart(tmp_path):
    there = ("a/P1/study/maa", "a/P2/study/maa", "b/P2/study/maa", "c/other/y90")
    for place in there:
        (tmp_path / "elsewhere" / place).mkdir(parents=True)
    (tmp_path / "lists").mkdir()
    rows = "".join(f"../elsewhere/{place},\n" for place in there) + "../elsewhere/c/other/y90,reader B\n"
    (tmp_path / "lists" / "cohort.csv").write_text("study,variant\n" + rows)
    units = read_manifest(tmp_path / "lists" / "cohort.csv")
    names = ["P1/study/maa", "a/P2/study/maa", "b/P2/study/maa", "other/y90", "other/y90"]
    assert [unit.name for unit in units] == names
    ids = study_ids(units, {}, anonymous=False)
    assert list(ids.values()) == [
        "P1-study-maa", "a-P2-study-maa", "b-P2-study-maa", "other-y90", "other-y90-reader-B",
    ]  # fmt: skip


def test_a_study_elsewhere_gives_way_to_the_name_of_one_below_the_manifest(tmp_path):
    for place in ("lists/p1/maa", "old/p1/maa"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "lists" / "cohort.csv").write_text("study\np1/maa\n../old/p1/maa\n")
    assert [unit.name for unit in read_manifest(tmp_path / "lists" / "cohort.csv")] == [
        "p1/maa",
        "old/p1/maa",
    ]
