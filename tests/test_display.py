"""Pieces of HTML for notebooks: well-formed, escaped, and showing what they are given."""

import base64
import importlib.metadata
import io
import re
import shlex
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from y90voxel.display import Curve, block, curves_svg, image_tag, png, table
from y90voxel.errors import InputError
from y90voxel.optional import install_command, optional_module

HOSTILE = "a <script>alert('x')</script> & \"b\""


def parsed(html):
    return ET.fromstring(f"<div>{html}</div>")


def test_everything_is_escaped_and_well_formed():
    html = block(
        HOSTILE,
        table((HOSTILE, "x"), [(HOSTILE, "1")], [HOSTILE]),
        curves_svg([Curve(HOSTILE, HOSTILE, [0, 1], [1, 0])], HOSTILE, HOSTILE),
        notes=[HOSTILE],
    )
    assert "<script" not in html
    words = [text for text in parsed(html).itertext() if "alert" in text]
    assert words == [HOSTILE] * 7


def test_curves_reach_the_places_that_the_axes_name():
    svg = parsed(
        curves_svg([Curve("a", "#123456", [0, 50, 200], [100, 40, 0], (2.0, 1.0))], "dose", "volume")
    )[0]
    below = [node for node in svg if node.get("text-anchor") == "middle"]
    at = {node.text: float(node.get("x")) for node in below}
    points = [tuple(map(float, p.split(","))) for p in svg.find("{*}polyline").get("points").split()]
    assert points[0][0] == pytest.approx(at["0"], abs=0.1)
    assert points[2][0] == pytest.approx(at["200"], abs=0.1)
    assert points[1][0] == pytest.approx(at["0"] + (at["200"] - at["0"]) / 4, abs=0.1)
    assert points[0][1] < points[1][1] < points[2][1]
    assert svg.find("{*}polyline").get("stroke-dasharray") == "4 2"


def test_no_curve_is_an_empty_figure():
    assert "polyline" not in curves_svg([], "x", "y")


@pytest.mark.parametrize("warm", [True, False])
def test_an_image_decodes_to_its_values(warm):
    values = np.array([[0.0, 5.0, 10.0], [-3.0, 2.5, 99.0]])
    tag = image_tag(values, 0.0, 10.0, (20, 30), warm=warm)
    image = imread(io.BytesIO(base64.b64decode(re.search("base64,([^']+)", tag)[1])))
    assert image.shape == (2, 3, 3)
    brightness = image.mean(axis=-1)
    assert brightness[0, 0] < brightness[1, 1] < brightness[0, 1] < brightness[0, 2]
    assert np.array_equal(image[0, 0], image[1, 0])  # below the scale
    assert np.array_equal(image[0, 2], image[1, 2])  # above it
    if not warm:
        assert np.allclose(brightness, np.clip(values / 10, 0, 1), atol=1 / 255)
    assert "width='30' height='20'" in tag


def test_a_flat_image_is_drawn():
    assert image_tag(np.zeros((2, 2)), 0.0, 0.0, (2, 2), warm=True).startswith("<img")


def test_a_missing_library_is_named_with_what_to_install():
    with pytest.raises(
        InputError, match=r'needs nosuchlibrary, .* pip install "pandas>=2\.2" "xarray>=2024\.7"\.'
    ):
        optional_module("nosuchlibrary.part", "notebook")


@pytest.mark.parametrize("extra", ["cohort", "pacs", "notebook", "cluster"])
def test_what_to_install_is_what_the_extra_brings(extra):
    """The command names libraries, not this package: an index may not have it."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["optional-dependencies"][extra]
    said = install_command(extra)
    assert sorted(shlex.split(said)[2:]) == sorted(wanted)
    assert "'" not in said  # cmd.exe takes them for letters


def test_without_an_installed_package_the_folder_of_its_source_is_named(monkeypatch):
    def unknown(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("y90voxel.optional.requires", unknown)
    assert install_command("pacs") == 'pip install ".[pacs]" in the folder of the source of y90voxel'


def test_an_extra_that_there_is_not_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="no extra 'pac'"):
        install_command("pac")


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 33)])
def test_a_picture_is_read_back_by_others_pixel_by_pixel(shape):
    rgb = np.random.default_rng(4).integers(0, 256, (*shape, 3), np.uint8)
    with Image.open(io.BytesIO(png(rgb, 120))) as read:
        assert np.array_equal(np.asarray(read), rgb)
        assert read.info["dpi"] == pytest.approx((120, 120), abs=0.02)  # whole pixels per metre
    with Image.open(io.BytesIO(png(rgb))) as read:
        assert "dpi" not in read.info
