"""Tables of the site that are read from the package, so that they cannot say another thing than it does."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the package of this checkout, and not of another one that is installed

from y90voxel.case.setting_names import NamedSetting, named_settings  # noqa: E402
from y90voxel.cli.main import COMMANDS  # noqa: E402
from y90voxel.clinical.limits_table import FRACTION_TABLE, LIMITS_VERSION, TABLE, Limit  # noqa: E402
from y90voxel.version import __version__  # noqa: E402

__all__ = ["TABLES", "cell", "filled", "version"]

MARK = re.compile(r"^<!-- table of (\w+)(?: ([\w./-]+))? -->$", re.M)
NOTICED = {
    "Notice",
    "warn",
    "accept",
    "add_notice",
    "refusal",
    "refuse_unless",
}  # what makes a notice of code and message
CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
WORDS = 150  # [characters] of a message on the page
COLUMNS = 104  # [characters] of a printed help: what a page of the site shows without a scroll bar


def filled(markdown: str) -> str:
    """Put the tables into a page where it asks for them."""
    return MARK.sub(lambda mark: TABLES[mark[1]](*([mark[2]] if mark[2] else [])), markdown)


def cell(text: object) -> str:
    """Text of a cell: nothing in it ends the cell, opens a tag or is taken as emphasis."""
    escaped = re.sub(r"([\\*_|\[\]])", r"\\\1", str(text))
    return escaped.replace("<", "&lt;").replace("\n", " ").strip() or "–"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are escaped already."""
    lines = [list(header), *([list(row) for row in rows])]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings() -> str:
    """Every setting by its table of a case file."""
    groups: dict[str, list[NamedSetting]] = {}
    for one in named_settings():
        groups.setdefault(one.path[0] if len(one.path) > 1 else "", []).append(one)
    parts = []
    for group, members in groups.items():
        heading = f"`[{group}]`" if group else "At the top of the file"
        rows = (
            (
                f"`{'.'.join(one.path[1:] or one.path)}`",
                cell(re.split(r"  +\[default", one.help)[0])
                + (f" Default: `{one.default}`." if one.default not in (None, "", [], {}) else ""),
                f"`{one.setting.flag}`" if one.setting.flag else "–",
            )
            for one in members
        )
        parts.append(f"## {heading}\n\n" + table(("key", "what it means", "option"), rows))
    return "\n\n".join(parts)


def helps() -> str:
    """What every command prints when it is asked for its help."""
    parts = []
    for name in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "y90voxel", name, "--help"],
            capture_output=True, text=True, check=True, encoding="utf-8", cwd=ROOT,
            env={**os.environ, "COLUMNS": str(COLUMNS), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
        )  # fmt: skip
        text = done.stdout.replace("python -m y90voxel", "y90voxel").strip()
        parts.append(f"## {name}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def keys(kind: str) -> str:
    """Every key of a kind of result that its schema declares, with its meaning and unit."""
    schema = json.loads((ROOT / "docs" / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return table(("key", "type", "what it means, unit"), _keys(schema, ""))


def _keys(schema: dict[str, Any], above: str) -> Iterable[tuple[str, str, str]]:
    for name, one in schema.get("properties", {}).items():
        inner = one.get("items", {}) if "items" in one else one
        array = "[]" if "items" in one else ""
        type_ = one.get("type", type(one.get("const", "")).__name__)
        types = type_ if isinstance(type_, str) else " or ".join(type_)
        meaning = one.get("description") or (f"always {one['const']}" if "const" in one else "")
        yield f"`{above}{name}{array}`", types, cell(meaning)
        yield from _keys(inner, f"{above}{name}{array}.")


def limits() -> str:
    """The versioned table of limits and goals, by device."""
    parts = [f"Version of the table: `{LIMITS_VERSION}`."]
    for device in dict.fromkeys(limit.device for limit in TABLE):
        doses = [
            (cell(one.name), f"{one.sense.value} {one.value_gy:g} Gy", cell(_when(one)), cell(one.source))
            for one in TABLE
            if one.device == device
        ]
        shares = [
            (
                cell(one.name),
                f"{one.sense.value} {100 * one.value:g} %",
                cell(", ".join(scenario.value for scenario in one.scenarios)),
                cell(one.source),
            )
            for one in FRACTION_TABLE
            if one.device == device
        ]
        parts += [
            f"## Device `{device}`",
            table(("limit or goal", "value", "holds for", "source"), [*doses, *shares]),
        ]
    return "\n\n".join(parts)


def _when(limit: Limit) -> str:
    """What a row asks for beside its device."""
    conditions = [
        ", ".join(scenario.value for scenario in limit.scenarios),
        ", ".join(disease.value for disease in limit.diseases),
        f"bilirubin {limit.bilirubin}" if limit.bilirubin else "",
        f"hepatic reserve below {100 * limit.reserve_below:g} %" if limit.reserve_below else "",
        f"liver function {limit.function}" if limit.function else "",
        "or pretreated" if limit.or_pretreated else "",
        f"{limit.approach}" if limit.approach else "",
        f"if {limit.condition}" if limit.condition else "",
    ]
    return "; ".join(condition for condition in conditions if condition) or "any treatment"


def warning_codes() -> str:
    """Every code of a notice that stands in the source, with the beginning of its message; `…` is what it says of the case."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "y90voxel").rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for scope in ast.walk(module):
            if isinstance(scope, ast.FunctionDef | ast.Module):
                for code, message in _notices(scope, module):
                    found.setdefault(code, set()).add(message)
    for code in found:  # a message that is put together elsewhere says nothing here
        found[code] = {text for text in found[code] if re.search(r"[a-z]{3}", text)}
    return table(("code", "begins"), ((f"`{code}`", _beginnings(found[code])) for code in sorted(found)))


def _notices(scope: ast.FunctionDef | ast.Module, module: ast.Module) -> Iterable[tuple[str, str]]:
    """Codes and messages of the calls in a function, or outside of all."""
    inner = list(_own(scope))
    values = _assigned(ast.iter_child_nodes(module)) | _assigned(inner)
    for call in inner:
        if isinstance(call, ast.Call) and _name(call.func) in NOTICED:
            codes = call.args[1:2] if _name(call.func) == "refuse_unless" else call.args[:1]
            texts = call.args[2:3] if _name(call.func) == "refuse_unless" else call.args[1:2]
            texts = texts or [word.value for word in call.keywords if word.arg == "message"]
            for code in (one for node in codes for one in _strings(node, values)):
                if CODE.fullmatch(code):
                    yield (
                        code,
                        next(
                            (one for node in texts for one in _strings(_last(node, call, values), values)), ""
                        ),
                    )


def _last(node: ast.expr, call: ast.Call, values: dict[str, list[ast.expr]]) -> ast.expr:
    """What was assigned last before a call, where its argument is a name."""
    before = [one for one in values.get(getattr(node, "id", ""), ()) if one.lineno <= call.lineno]
    return max(before, key=lambda one: one.lineno, default=node)


def _own(scope: ast.AST) -> Iterable[ast.AST]:
    """What is in a function or module and not in a function inside it, in the order of the source."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _own(child)


def _assigned(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """What names stand for."""
    values: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=False))
                for name, value in pairs:
                    if _name(name):
                        values.setdefault(_name(name), []).append(value)
    return values


def _name(node: ast.AST) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _strings(node: ast.AST, values: dict[str, list[ast.expr]]) -> list[str]:
    """The texts that an expression can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [
            "".join(
                str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "…"
                for part in node.values
            )
        ]
    if isinstance(node, ast.IfExp):
        return [*_strings(node.body, values), *_strings(node.orelse, values)]
    if isinstance(node, ast.BinOp):
        right = _strings(node.right, values) or ["…"]
        return [left + right[0] for left in _strings(node.left, values)]
    if isinstance(node, ast.Name):
        others = {name: value for name, value in values.items() if name != node.id}
        return [text for value in values.get(node.id, ()) for text in _strings(value, others)]
    return []


def _beginnings(messages: Iterable[str]) -> str:
    """The first words of each message."""
    return (
        "<br>".join(
            cell(text if len(text) <= WORDS else text[:WORDS].rpartition(" ")[0] + " …")
            for text in sorted(messages)
        )
        or "–"
    )


def file(name: str) -> str:
    """A document that lies elsewhere in the repository, without its title; links lead to pages of the site, or are text."""
    text = (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]
    text = re.sub(r"\]\(docs/([^)]+\.md(?:#[^)]*)?)\)", r"](\1)", text)
    return re.sub(r"\[([^\]]+)\]\(docs/[^)]*\)", r"\1", text).strip()


def version(root: Path = ROOT) -> str:
    """Version of the package and, where this is a clone, its commit and day; `+` where files have changed since."""
    told = f"y90voxel {__version__}"
    if not (root / ".git").exists():  # else a clone around it would answer
        return told
    asked = (["describe", "--always", "--exclude=*", "--dirty=+"], ["log", "-1", "--format=%cs"])
    try:
        commit, day = (
            subprocess.run(
                ["git", *words], capture_output=True, text=True, check=True, cwd=root
            ).stdout.strip()
            for words in asked
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no commit
        return told
    return f"{told}, commit {commit} of {day}"


TABLES: dict[str, Callable[..., str]] = {
    "settings": settings, "helps": helps, "keys": keys, "limits": limits, "file": file, "warnings": warning_codes,
    "version": lambda: f"This site is of {version()}.",
}  # fmt: skip
