"""Code blocks of a page, and what its Python prints beside what it says."""

import ast
import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page below the root, the line of its fence, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    """The fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], found[3])
        for found in FENCE.finditer(text)
    ]


def run_as_notebook(block, names):
    """Run a cell: what it prints; a value on its last line shows itself."""
    tree = ast.parse(block.text)
    last = tree.body[-1]
    printed = io.StringIO()
    with redirect_stdout(printed):
        if not isinstance(last, ast.Expr):
            exec(compile(tree, str(block), "exec"), names)
            return printed.getvalue()
        exec(compile(ast.Module(tree.body[:-1], []), str(block), "exec"), names)
        value = eval(compile(ast.Expression(last.value), str(block), "eval"), names)
    if hasattr(value, "_repr_html_"):
        assert value._repr_html_().startswith("<div")
    return printed.getvalue()


def run_page(page):
    """Pairs of what each block that prints printed, and what the page says; and the names that the page made."""
    names, pairs = {"__name__": "page"}, []
    for block in blocks_of(page):
        if block.language == "python" and not block.text.startswith(">>>"):
            printed = run_as_notebook(block, names)
            pairs += [[printed, ""]] if printed else []
        elif block.language == "text":
            pairs[-1][1] = block.text
    return pairs, names


def words(text):
    """Lines as words: the space between them is the page's own."""
    return [line.split() for line in text.strip().splitlines()]
