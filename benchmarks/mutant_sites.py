"""One-line faults that can be put into a module: comparisons, constants, signs, and/or, guards that return.

Left out are docstrings and texts (f-strings, what is raised, notices), types, assertions and ``__all__``: a fault there
is none of the calculation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
WRITTEN = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
# Whole numbers below are counts and places: one more; others are doubled, as fractions are.
LEAST_DOUBLED = 10
SAYS = {
    "Notice",
    "warn",
    "accept",
    "add_notice",
    "progress",
    "report_progress",
    "message",
}  # calls whose arguments are texts


@dataclass(frozen=True, order=True)
class Mutant:
    """A fault: bytes ``start`` to ``end`` of a module replaced by ``new``."""

    path: str
    line: int
    start: int
    end: int
    kind: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """What tells it from all others of one commit."""
        return f"{self.path}:{self.line}:{self.start}:{self.new}"

    def applied(self, source: bytes) -> bytes:
        """Return the module with the fault in it."""
        assert source[self.start : self.end].decode() == self.old
        return source[: self.start] + self.new.encode() + source[self.end :]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Return all faults of one module, in the order of its lines."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def span(node: ast.AST) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def fault(kind: str, line: int, start: int, end: int, new: str) -> Mutant:
        return Mutant(path, line, start, end, kind, source[start:end].decode(), new)

    def between(left: ast.AST, right: ast.AST, written: str) -> tuple[int, int] | None:
        """Where an operator stands between its operands."""
        low, high = span(left)[1], span(right)[0]
        found = source[low:high].find(written.encode())
        return None if found < 0 else (low + found, low + found + len(written))

    found = []
    for node, bounds in _nodes(ast.parse(source), ()):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            written = ast.unparse(node).removeprefix(ast.unparse(node.left)).split()
            operator = " ".join(written[:2]) if written[0] in ("is", "not") else written[0]
            operator = operator if operator in ("is not", "not in") else written[0]
            place = between(node.left, node.comparators[0], operator)
            for new in COMPARISONS[type(node.ops[0])] if place else ():
                found.append(fault("comparison", node.lineno, *place, new))
        elif isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
            place = between(node.left, node.right, WRITTEN[type(node.op)])
            if place and not _is_text(node):
                found.append(fault("sign", node.lineno, *place, SIGNS[type(node.op)]))
        elif isinstance(node, ast.BoolOp):
            written, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            place = between(node.values[0], node.values[1], f" {written} ") or between(
                node.values[0], node.values[1], written
            )
            if place:
                was = source[place[0] : place[1]].decode()
                found.append(fault("and/or", node.lineno, *place, was.replace(written, new)))
        elif isinstance(node, ast.If) and _is_guard(node):
            found.append(fault("guard", node.lineno, *span(node.test), "False"))
        elif isinstance(node, ast.Constant) and bounds and type(node.value) in (int, float):
            counts = type(node.value) is int and abs(node.value) < LEAST_DOUBLED
            new = node.value + 1 if counts else node.value * 2 or 1.0
            found.append(fault(bounds, node.lineno, *span(node), repr(new)))
    return sorted(found)


def all_mutants(root: Path, folders: tuple[str, ...]) -> list[Mutant]:
    """Return all faults of the modules below some folders of a checkout; compiled loops are left out.

    numba keeps what it has compiled of the callers, so that a fault in a loop may not be seen.
    """
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    kept = [path for path in paths if not path.name.startswith("_")]
    return [m for path in kept for m in mutants_of(path.relative_to(root).as_posix(), path.read_bytes())]


def _nodes(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, str]]:
    """Nodes that calculate, and what a number there would be: a constant of the module, of a comparison, or neither."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr | ast.Raise | ast.Assert | ast.arg) or _says(child):
            continue
        if isinstance(node, ast.AnnAssign) and child is node.annotation:
            continue
        if isinstance(node, ast.FunctionDef) and (child is node.returns or child in node.decorator_list):
            continue
        inside = (*above, node)
        compared = "constant" if any(isinstance(one, ast.Compare) for one in inside) else ""
        yield child, "named constant" if _names_a_constant(inside) else compared
        yield from _nodes(child, inside)


def _says(node: ast.AST) -> bool:
    """Whether a node is a call that only says something, or a declaration of texts."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in SAYS or name.endswith("Error")
    if isinstance(node, ast.Assign):
        return any(getattr(target, "id", "") == "__all__" for target in node.targets)
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def _names_a_constant(above: tuple[ast.AST, ...]) -> bool:
    """Whether this is the value of a NAMED_CONSTANT of the module."""
    if len(above) < 2 or not isinstance(above[1], ast.Assign | ast.AnnAssign):
        return False
    targets = above[1].targets if isinstance(above[1], ast.Assign) else [above[1].target]
    names = [name for target in targets for name in getattr(target, "elts", [target])]  # A, B = 1.0, 2.0
    return any(isinstance(name, ast.Name) and name.id.isupper() for name in names)


def _is_guard(node: ast.If) -> bool:
    """Whether an ``if`` without ``else`` does nothing but leave."""
    leaves = (ast.Return, ast.Raise, ast.Continue, ast.Break)
    return not node.orelse and len(node.body) == 1 and isinstance(node.body[0], leaves)


def _is_text(node: ast.BinOp) -> bool:
    """Whether an operand is plainly a text."""
    sides = (node.left, node.right)
    return any(isinstance(s, ast.JoinedStr) or isinstance(getattr(s, "value", None), str) for s in sides)
