"""The documentation as a site: every page in its table of contents, every link to something, every public name described."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import types
from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.lazy import names_in_stub

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CONFIG = DOCS / "site" / "mkdocs.yml"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
LARGEST_PICTURE = 150_000  # [bytes]: a clone of the repository carries every version of it
# What opens connections: none but the modules for archives may use it. (`socket.gethostname` names a machine and opens none.)
NETWORK = {
    "http.client",
    "urllib.request",
    "requests",
    "ftplib",
    "smtplib",
    "pynetdicom",
    "dicomweb_client",
    "httpx",
    "aiohttp",
}
SOCKET = re.compile(r"\bsocket\.(socket|create_connection|create_server)\b|from socket import")
OF_ARCHIVES = {"io/dicom/network.py", "io/dicom/dicomweb.py"}


def in_nav():
    nav = CONFIG.read_text(encoding="utf-8").partition("\nnav:\n")[2]
    return re.findall(r"^\s+-(?: [^:\n]+:)? (\S+\.md)$", nav, re.M)


def test_the_table_of_contents_lists_every_page_once():
    """Decisions aside, which `docs/site/hooks.py` lists."""
    assert sorted(in_nav()) == [str(p.relative_to(DOCS)) for p in PAGES if p.parent.name != "decisions"]


def prose(path):
    """The text of a page without its code."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    plain = (re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", title).lower()) for title in titles)
    return {re.sub(r"[\s]+", "-", title.strip()) for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_somewhere_inside_the_site(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), target
        assert file.is_relative_to(DOCS), f"{target} is not a part of the site"
        if anchor:
            assert anchor in anchors(file), target


def test_pictures_are_small_and_described():
    for page in PAGES:
        assert not re.search(r"!\[\s*\]\(", prose(page)), page
    for picture in (DOCS / "images").iterdir():
        assert (
            picture.suffix == ".svg"
            or picture.stat().st_size <= LARGEST_PICTURE
            or picture.name in old_pictures()
        ), picture


def old_pictures():
    """None is larger today."""
    return ()


def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "package", [yv, yv.planning, yv.immune, yv.microscale], ids=lambda package: package.__name__
)
def test_every_public_name_stands_once_in_the_reference_where_it_comes_from(package):
    page = "index" if package is yv else package.__name__.partition(".")[2]
    written = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: (\S+)$", hooks().on_page_markdown(written), re.M)
    homes = names_in_stub(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    modules = {name for name in homes if isinstance(getattr(package, name), types.ModuleType)} | {
        "__version__"
    }
    names = [f"{home}.{name}" for name, home in homes.items() if name not in modules]
    more = ["y90voxel.errors", "y90voxel.metrics.radiobiology"] if package is yv else []
    assert sorted(listed) == sorted(names + more)
    assert len(names) > 10


def reproduced(path):
    return {
        command
        for row in path.read_text(encoding="utf-8").splitlines()
        if row.startswith("|")
        for command in re.findall(r"`((?:pytest|python benchmarks)[^`]*)` \|$", row)
    }


def test_every_claim_of_the_readme_stands_in_the_validation():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    claims = readme.partition("## How right it is")[2].partition("## How fast it is")[0]
    wanted = set(re.findall(r"`((?:pytest|python benchmarks)[^`]*)` \|$", claims, re.M))
    assert len(wanted) >= 15
    assert wanted <= reproduced(DOCS / "validation.md")


@pytest.mark.parametrize("recipe", ["Dockerfile", "y90voxel.def"])
def test_recipes_of_containers_are_those_of_the_page(recipe):
    page = (DOCS / "container.md").read_text(encoding="utf-8")
    assert (
        f"```{'dockerfile' if recipe == 'Dockerfile' else ''}\n{(DOCS / 'container' / recipe).read_text()}```"
        in page
    )
    assert f"docs/container/{recipe}" in page


def opens_connections(path):
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if any(name == one or name.startswith(f"{one}.") for name in names for one in NETWORK):
            return True
    return bool(SOCKET.search(text))


def test_nothing_but_archives_opens_connections():
    package = Path(yv.__file__).parent
    assert {
        str(path.relative_to(package)) for path in package.rglob("*.py") if opens_connections(path)
    } == OF_ARCHIVES


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    program = os.environ.get("MKDOCS") or shutil.which("mkdocs")
    if program is None:
        pytest.skip("needs mkdocs: pip install '.[docs]', or MKDOCS=path")
    command = re.search(r"^mkdocs (build .*)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M).group(
        1
    )
    words = command.replace("/tmp/y90voxel-site", str(tmp_path)).split()
    done = subprocess.run([program, *words], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr
    for page in (str(path.relative_to(DOCS)) for path in PAGES):
        assert (tmp_path / page).with_suffix(".html").is_file(), page
    built = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    assert "Where the voxels of an array lie" in built  # a docstring
    loaded = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(https?://[^"'\s>]+)""", built)
    assert [address for address in loaded if "mkdocs" not in address] == []
