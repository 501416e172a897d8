"""What every template does for keyboard and screen reader; the slow test looks at the pages themselves."""

import re
from pathlib import Path

import pytest

import y90voxel.report

FOLDER = Path(y90voxel.report.__file__).parent / "templates"
VIEWERS = ("viewer.html.j2", "comparison_viewer.html.j2")  # of small tables that always fit
TEMPLATES = sorted(path for path in FOLDER.glob("*.html.j2") if path.name not in VIEWERS)
BOX = r'<div class="scroll" role="group" tabindex="0" aria-label="[^>]+>\s*<table'
by_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)


@by_template
def test_every_table_lies_in_a_named_box_that_the_keyboard_scrolls(path):
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(BOX, text)) == text.count("<table")
    assert text.count('<div class="scroll"') == text.count("<table")


@by_template
def test_headings_of_tables_say_what_they_head_and_rows_have_names(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"<th(?![^>]*scope=)[^>]*>", text.replace("<thead>", "")) == []
    for body in re.findall(r"<tbody>(.*?)</tbody>", text, re.S):
        rows = re.findall(r"<tr(?:[^<>]|\{%.*?%\})*>(.*?)</tr>", body, re.S)
        assert [row for row in rows if '<th scope="row' not in row and "odd" not in row] == []


@by_template
def test_every_picture_is_described_and_scrolls_where_it_is_wide(path):
    text = path.read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", text)
    assert all(re.search(r'alt="[^"]{16,}"', picture) for picture in pictures), pictures
    assert text.count("<img ") == text.count('<figure class="scroll" tabindex="0"><img ')
