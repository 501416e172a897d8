"""The tutorial runs as it stands and prints what it says; as a notebook it is the same cells and nothing else."""

import pytest
from document_blocks import ROOT, blocks_of, run_as_notebook, run_page, words

PAGE = "docs/tutorial.md"
# Languages whose fences become cells with a magic in a notebook (jupytext, "Notebooks as Markdown").
MAGICS = {"sh", "bash", "html", "javascript", "js", "latex", "perl", "ruby", "R", "svg", "cmd", "powershell"}


@pytest.fixture
def in_a_checkout(tmp_path, monkeypatch):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tutorial_runs_and_prints_what_it_says(in_a_checkout):
    pairs, _ = run_page(PAGE)
    assert len(pairs) >= 11
    for printed, said in pairs:
        assert words(printed) == words(said)
    for name in ("dose.nii.gz", "dose.dcm", "gtv1.csv", "regions_seg.dcm", "regions_rtstruct.dcm"):
        assert (in_a_checkout / name).stat().st_size > 1000


def test_the_tutorial_asks_a_notebook_for_nothing_but_python():
    languages = {block.language for block in blocks_of(PAGE)}
    assert languages == {"python", "text"}
    assert not languages & MAGICS


def test_the_notebook_that_jupytext_makes_runs(in_a_checkout):
    """Its cells are the Python of the page; none installs from an index."""
    jupytext = pytest.importorskip("jupytext")
    notebook = jupytext.read(ROOT / PAGE)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    blocks = [block for block in blocks_of(PAGE) if block.language == "python"]
    assert [cell.strip() for cell in cells] == [block.text.strip() for block in blocks]
    names = {"__name__": "__main__"}
    for block in blocks[:2]:  # all of them run above
        run_as_notebook(block, names)
    assert names["study"].emissions
