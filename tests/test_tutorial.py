"""The tutorial runs as it stands, and prints what it says."""

import ast
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.S)


def run_as_notebook(source, names):
    """Run a cell: what it prints; a value on its last line shows itself."""
    tree = ast.parse(source)
    last = tree.body[-1]
    printed = io.StringIO()
    with redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(tree.body[:-1], []), "tutorial", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "tutorial", "eval"), names)
            if value is not None:
                assert value._repr_html_().startswith("<div")
        else:
            exec(compile(tree, "tutorial", "exec"), names)
    return printed.getvalue()


def words(text):
    return [line.split() for line in text.strip().splitlines()]


def run_tutorial():
    """Pairs of what each block that prints printed, and what the page says."""
    names, pairs = {}, []
    for kind, content in BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        if kind == "python":
            printed = run_as_notebook(content, names)
            pairs += [[printed, ""]] if printed else []
        else:
            pairs[-1][1] = content
    return pairs


def test_the_tutorial_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    pairs = run_tutorial()
    assert len(pairs) >= 11
    for printed, said in pairs:
        assert words(printed) == words(said)
    for name in ("dose.nii.gz", "dose.dcm", "gtv1.csv"):
        assert (tmp_path / name).stat().st_size > 1000
