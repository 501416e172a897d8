"""Landmarks on both images: read from tables and point lists, whichever way their axes go, and what a registration leaves."""

import json

import numpy as np
import pytest
from registration_factory import applied, rigid

from y90voxel.comparison.dose_placement import Placement
from y90voxel.comparison.target_error import BESIDE_MM, USUAL_MEAN_MM, with_target_error
from y90voxel.errors import InputError
from y90voxel.io.landmark_files import LandmarkPair, read_landmark_pairs
from y90voxel.report.registration_rows import registration_rows
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.transform import AffineTransform, Deformation

MOTION = rigid((0.05, -0.04, 0.08), (20.0, -15.0, 140.0))
POINTS = {"dome": (-40.0, 10.0, 80.0), "hilum": (-10.0, 20.0, 15.0), "tip of segment 6": (-90.0, 30.0, -40.0)}
GRID = Grid.from_spacing((40, 40, 40), (5.0,) * 3, (-140.0, -60.0, -100.0), "1.1")
MOVED = Grid.from_spacing((40, 40, 40), (5.0,) * 3, (-120.0, -75.0, 40.0), "1.2")


def there(name):
    return applied(MOTION, np.array(POINTS[name]))


def fcsv(points, system="LPS", columns="id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"):
    lines = [
        "# Markups fiducial file version = 4.11",
        f"# CoordinateSystem = {system}",
        f"# columns = {columns}",
    ]
    lines = [line for line in lines if system is not None or "CoordinateSystem" not in line]
    for number, (name, point) in enumerate(points.items()):
        x, y, z = point
        lines.append(f"{number},{x},{y},{z},0,0,0,1,1,1,0,{name},,")
    return "\n".join(lines) + "\n"


def markups(points, system="LPS", **more):
    controls = [
        {"id": str(n), "label": name, "position": list(map(float, point)), "positionStatus": "defined"}
        for n, (name, point) in enumerate(points.items())
    ]
    one = {"type": "Fiducial", "coordinateUnits": "mm", "controlPoints": controls, **more}
    return json.dumps({"markups": [one if system is None else one | {"coordinateSystem": system}]})


def ras(points):
    return {name: (-p[0], -p[1], p[2]) for name, p in points.items()}


def table(header="name,predicted_l,predicted_p,predicted_s,delivered_l,delivered_p,delivered_s", mirror=1.0):
    rows = [
        ",".join(map(str, (name, mirror * p[0], mirror * p[1], p[2], *there(name))))
        for name, p in POINTS.items()
    ]
    return "\n".join([header, *rows]) + "\n"


DELIVERED = {name: tuple(there(name)) for name in POINTS}


@pytest.mark.parametrize(
    "files",
    [
        {"pairs.csv": table()},
        {
            "pairs.csv": table(
                "NAME,predicted_R,predicted_A,predicted_S,delivered_l,delivered_p,delivered_s", -1.0
            )
        },
        {"one.fcsv": fcsv(POINTS), "other.fcsv": fcsv(DELIVERED)},
        {"one.fcsv": fcsv(ras(POINTS), "RAS"), "other.fcsv": fcsv(DELIVERED, "1")},
        {"one.fcsv": fcsv(ras(POINTS), "0"), "other.mrk.json": markups(DELIVERED)},
        {
            "one.mrk.json": markups(ras(POINTS), "RAS"),
            "other.mrk.json": markups(dict(reversed(DELIVERED.items()))),
        },
    ],
    ids=["table", "table in RAS", "fcsv", "fcsv in RAS", "fcsv of Slicer 4", "markups"],
)
def test_points_are_read_as_they_lie(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    pairs = {pair.name: pair for pair in read_landmark_pairs([tmp_path / name for name in files])}
    assert set(pairs) == set(POINTS)
    for name, pair in pairs.items():
        np.testing.assert_allclose(pair.predicted, POINTS[name])
        np.testing.assert_allclose(pair.delivered, there(name))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"one.fcsv": fcsv(POINTS)}, "is not understood; give a CSV"),
        ({"one.fcsv": fcsv(POINTS), "pairs.csv": table()}, "is not understood"),
        ({"one.fcsv": fcsv(POINTS, None), "b.fcsv": fcsv(DELIVERED)}, "whether its coordinates are LPS or RAS.*missing"),
        ({"one.fcsv": fcsv(POINTS, "IJK"), "b.fcsv": fcsv(DELIVERED)}, "is 'IJK'"),
        ({"a.json": markups(POINTS, None), "b.json": markups(DELIVERED)}, "LPS or RAS"),
        ({"a.json": markups(POINTS, coordinateUnits="cm"), "b.json": markups(DELIVERED)}, "counts in cm, not in mm"),
        ({"a.json": "{", "b.json": markups(DELIVERED)}, "cannot be read as JSON"),
        ({"a.json": "[]", "b.json": markups(DELIVERED)}, "does not hold one list of markups"),
        ({"a.json": markups({}), "b.json": markups(DELIVERED)}, "holds no landmark"),
        ({"a.json": markups({"": (0, 0, 0)}), "b.json": markups(DELIVERED)}, "a point without a label"),
        ({"a.json": markups({"dome": (0, 0)}), "b.json": markups(DELIVERED)}, "no point of three numbers"),
        ({"a.fcsv": fcsv({"dome": (0, 0, "nan")}), "b.json": markups(DELIVERED)}, "no point of three numbers"),
        ({"a.fcsv": fcsv(POINTS), "b.fcsv": fcsv({"dome": (0, 0, 0)})}, "landmarks hilum, tip of segment 6 are in one"),
        ({"a.fcsv": fcsv(POINTS) + "9,1,1,1,0,0,0,1,1,1,0,dome,,\n", "b.fcsv": fcsv(DELIVERED)}, "two points 'dome'"),
        ({"pairs.csv": table("name,predicted_x,y,z,delivered_l,delivered_p,delivered_s")}, "has the columns name, predicted_x"),
        ({"pairs.csv": table() + "dome,1,1,1,1,1,1\n"}, "holds 'dome' twice"),
        ({"pairs.csv": table() + "rib,1,1,1,1,1\n"}, "no point of three numbers"),
        ({"pairs.csv": ""}, "has the columns none"),
        ({"gone.csv": None}, "cannot be read"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_landmarks_are_refused(tmp_path, files, message):
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_landmark_pairs([tmp_path / name for name in files])


def pairs(shift=(0.0, 0.0, 0.0)):
    return [LandmarkPair(n, np.array(p) + shift, there(n)) for n, p in POINTS.items()]


PLACED = Placement(
    AffineTransform(np.linalg.inv(MOTION)), "CTs aligned rigidly", rigid=AffineTransform(MOTION)
)


def test_the_target_error_is_the_distance_that_a_registration_leaves():
    found = with_target_error(PLACED, pairs((3.0, 4.0, 0.0)), GRID, MOVED)
    entry = found.record["landmarks"]
    assert entry["count"] == 3
    assert entry["mm"] == pytest.approx({"mean": 5.0, "p95": 5.0, "max": 5.0})
    assert entry["rigid_mm"] is None
    assert [one["name"] for one in entry["points"]] == list(POINTS)
    rows = dict(registration_rows(dict(found.record), "", "")["rows"])
    assert rows["Target error at 3 landmarks, mm"] == "mean 5.00, 95 % 5.00, most 5.00"


@pytest.mark.parametrize(("error_mm", "said"), [(USUAL_MEAN_MM - 0.01, False), (USUAL_MEAN_MM + 0.01, True)])
def test_more_than_was_ever_published_is_said(error_mm, said):
    found = with_target_error(PLACED, pairs((error_mm, 0.0, 0.0)), GRID, MOVED)
    assert ("target-error" in [notice.code for notice in found.notices]) is said


def test_a_deformation_is_shown_beside_the_rigid_motion_it_adds_to_and_not_beyond_where_it_ends():
    unmoved = AffineTransform(np.eye(4))
    base = AffineTransform(MOTION)
    offsets = np.zeros((*MOVED.shape, 3), np.float32)
    offsets[..., 2] = 2.0
    placement = Placement(Deformation(unmoved, base.inverse(), MOVED, offsets), "deformed", base=base)
    entry = with_target_error(placement, pairs(), GRID, MOVED).record["landmarks"]
    assert (entry["mm"]["mean"], entry["rigid_mm"]["mean"]) == (
        pytest.approx(2.0),
        pytest.approx(0.0, abs=1e-6),
    )
    far = [
        *pairs(),
        LandmarkPair("pelvis", np.array((0.0, 0.0, -150.0)), applied(MOTION, np.array((0.0, 0.0, -150.0)))),
    ]
    with pytest.raises(InputError, match="landmarks pelvis lie where the registration is not defined"):
        with_target_error(placement, far, GRID, MOVED)


@pytest.mark.parametrize(("beside_mm", "refused"), [(BESIDE_MM - 1.0, False), (BESIDE_MM + 1.0, True)])
def test_points_nowhere_near_the_dose_are_refused(beside_mm, refused):
    lowest = np.array(GRID.origin_mm)
    far = LandmarkPair("far", lowest - (0.0, 0.0, beside_mm), applied(MOTION, lowest))
    if not refused:
        assert with_target_error(PLACED, [far], GRID, MOVED).record["landmarks"]["count"] == 1
        return
    with pytest.raises(
        InputError, match=r"far of the predicted study lies 151 mm outside its dose.*Give those of this image"
    ):
        with_target_error(PLACED, [far], GRID, MOVED)


def test_points_that_were_counted_the_other_way_are_told():
    aside = Grid.from_spacing((20, 20, 20), (5.0,) * 3, (-400.0, -60.0, -100.0))
    points = [LandmarkPair("a", np.array((350.0, 20.0, -50.0)), there("dome"))]
    with pytest.raises(InputError, match="the file says LPS where it is RAS, or the reverse"):
        with_target_error(PLACED, points, aside, MOVED)


def test_landmarks_without_register_are_refused(run_cli, tmp_path):
    done = run_cli(
        "compare", tmp_path, tmp_path, "-o", tmp_path / "out", "--landmarks", tmp_path / "pairs.csv"
    )
    assert done.code == 2
    assert "pairs.csv is for --register, which is not given" in done.err
