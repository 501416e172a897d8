"""What the configuration of the site cannot say: decisions in its contents, public names and tables of the package."""

import ast
import re
from pathlib import Path
from typing import Any

from site_tables import filled, version  # beside this file

__all__ = ["on_config", "on_page_content", "on_page_markdown"]

PACKAGE = Path(__file__).resolve().parents[2] / "y90voxel"
MARK = re.compile(r"^<!-- public names of (\S+)(?: in ([\w ]+))? -->$", re.M)

INLINE_CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")

# How much the search prefers a page to others, by the beginning of its path; chosen: answers first, why and how it was
# built last.
BOOSTS = {
    "questions": 3.0,
    "decisions/": 0.3,
    "mutants": 0.3,
    "changes": 0.3,
    "architecture": 0.5,
    "reference/": 0.7,
}


def on_config(config: Any) -> Any:
    """Put every decision into the table of contents, in the order of their numbers, and the version below every page."""
    config["copyright"] = version()
    folder = Path(config["docs_dir"]) / "decisions"
    pages = [f"decisions/{path.name}" for path in sorted(folder.glob("*.md"))]
    (project,) = (group["Project"] for group in config["nav"] if "Project" in group)
    for entry in project:
        if "Decisions" in entry:
            entry["Decisions"] = pages
    return config


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Put the docstrings of public names, and tables of the package, where a page asks for them."""
    if page is not None:
        boost = next((value for start, value in BOOSTS.items() if page.file.src_uri.startswith(start)), 1.0)
        page.meta.setdefault("search", {"boost": boost})
    markdown = filled(markdown)
    asked = [(match[1], match[2]) for match in MARK.finditer(markdown)]
    listed = {folder for package, folders in asked if folders for folder in folders.split()}
    return MARK.sub(lambda match: described(match[1], match[2], listed), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Mark the options in code within text: a browser breaks lines behind dashes, and `--` alone is no option."""
    return INLINE_CODE.sub(
        lambda code: OPTION.sub(lambda option: f'<span class="option">{option[0]}</span>', code[0]), html
    )


def described(package: str, folders: str | None, listed: set[str]) -> str:
    """The names of a package from some folders; without folders those of all that no other part of the page lists."""
    wanted = set((folders or "").split())
    homes = public_names(package)
    blocks = [
        f"::: {home}.{name}"
        for name, home in sorted(homes.items(), key=lambda pair: (pair[1], pair[0].lower()))
        if (home.split(".")[1] in wanted if folders else home.split(".")[1] not in listed)
    ]
    return "\n\n".join(blocks)


def public_names(package: str) -> dict[str, str]:
    """Name to module of the classes, functions and constants in a package's stub; modules and dunders left out."""
    stub = PACKAGE.joinpath(*package.split(".")[1:], "__init__.pyi")
    imports = [
        node for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)
    ]
    return {
        alias.name: node.module or ""
        for node in imports
        for alias in node.names
        if not alias.name.startswith("__") and not is_module(f"{node.module}.{alias.name}")
    }


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package of this one."""
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()
