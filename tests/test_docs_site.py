"""The documentation as a site: every page in its table of contents, every link to something, every public name described."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import y90voxel as yv
from y90voxel.case.setting_names import named_settings
from y90voxel.cli.main import COMMANDS
from y90voxel.clinical.limits_table import FRACTION_TABLE, TABLE
from y90voxel.lazy import names_in_stub
from y90voxel.study.result_schemas import RESULT_SCHEMAS

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
    """The hooks as mkdocs loads them: modules beside them can be imported meanwhile."""
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    before = sys.path.copy()
    sys.path.insert(0, str(DOCS / "site"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def built(page):
    """A page with the tables of the package in it."""
    return hooks().on_page_markdown((DOCS / page).read_text(encoding="utf-8"))


def cells(markdown):
    """The rows of its tables."""
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_every_setting_and_its_option_stand_on_the_page_of_settings():
    rows = cells(built("reference/settings.md"))
    keys = [row[0] for row in rows if row[0] not in ("key", "---")]
    assert len(keys) == len(named_settings()) > 100
    assert [
        "`seed`",
        "Monte Carlo, exact and sampled uncertainties: same seed, same result. Default: `0`.",
        "`--seed`",
    ] in rows
    assert {len(row) for row in rows} == {3}
    assert "Default" not in next(row[1] for row in rows if row[0] == "`residual`")


def test_codes_of_warnings_stand_on_their_page_with_the_message_that_is_theirs():
    rows = {row[0]: row[1] for row in cells(built("reference/warnings.md")) if row[0] not in ("code", "---")}
    assert [code.strip("`") for code in rows] == sorted(code.strip("`") for code in rows)
    assert len(rows) > 200
    assert rows["`ct-below-air`"].startswith("… of the CT lies below … HU")
    assert rows["`ct-metal`"].startswith("… mL of the CT lie above … HU")  # the last of three `message`
    assert rows["`dead-time`"] != rows["`dead-time-cancels`"]
    assert rows["`image-over-administered-outside`"].startswith(
        "the image holds …"
    )  # code from an expression
    assert rows["`patients-differ`"].startswith("the PatientID of the two dose files")  # from `refuse_unless`
    assert rows["`automatic-regions-none`"] == "no body was found on the CT: no region was added."
    assert rows["`doses-carried`"] == "–"
    assert list(rows.values()).count("–") < len(rows) / 10


def test_an_option_in_text_is_one_word_and_nothing_else_is_touched():
    marked = hooks().on_page_content(
        "<p>well-known <code>y90voxel plan --no-table-limits -o OUT a-b 1 -- 2</code></p><pre><code><a>--x</a></code></pre>"
    )
    assert re.findall(r'<span class="option">([^<]+)</span>', marked) == ["--no-table-limits", "-o"]
    assert re.sub(r'<span class="option">([^<]+)</span>', r"\1", marked).count("<") == marked.count("<") - 4


def test_titles_of_decisions_have_one_style():
    for path in sorted((DOCS / "decisions").glob("*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0]
        assert re.fullmatch(rf"# {int(path.name[:4])}\. [A-Z].+", title), title


def test_every_command_prints_its_help_on_the_page_of_options():
    page = built("reference/options.md")
    assert re.findall(r"^## (\S+)$", page, re.M) == list(COMMANDS)
    for name, text in COMMANDS.items():
        assert text.split()[0] in page.partition(f"\n## {name}\n")[2][:200]
    assert "--verify-engine <int>" in page


@pytest.mark.parametrize(
    "kind", ["metrics", "plan", "compare", "accumulate", "commission", "course", "status"]
)
def test_every_key_of_a_result_stands_on_the_page_of_results(kind):
    part = built("reference/results.md").partition(f"\n## {kind}.json\n")[2].partition("\n## ")[0]
    keys = {row[0].strip("`").split(".")[0].removesuffix("[]") for row in cells(part)} - {"key", "---"}
    assert keys == set(RESULT_SCHEMAS[kind]["properties"])
    if kind == "metrics":
        assert [
            "`regions[].d70_gy`",
            "number or null",
            "greatest dose that at least 70 % of the volume receives \\[Gy\\]",
        ] in cells(part)


def test_metrics_say_what_each_key_means():
    rows = cells(built("reference/results.md").partition("\n## plan.json")[0])
    bare = [key for key, _, meaning in rows if meaning == "–"]
    assert set(bare) <= {
        "`study`",
        "`regions[].v_percent`",
        "`regions[].radiobiology`",
        "`regions[].uncertainty`",
        "`regions[].noise`",
        "`regions[].partial_volume`",
    }


def test_every_limit_of_the_table_stands_on_its_page():
    rows = [row for row in cells(built("clinical_limits.md")) if row[0] not in ("limit or goal", "---")]
    assert len(rows) == len(TABLE) + len(FRACTION_TABLE)
    assert all(source != "–" for *_, source in rows)
    assert ["lungs, one treatment", "below 30 Gy", "any treatment"] in [row[:3] for row in rows]


def test_the_site_says_of_which_version_and_commit_it_is():
    site = hooks()
    config = site.on_config({"docs_dir": str(DOCS), "nav": [{"Project": [{"Decisions": []}]}]})
    assert re.fullmatch(
        rf"y90voxel {re.escape(yv.__version__)}(, commit [0-9a-f]{{7,}}\+? of \d{{4}}-\d\d-\d\d)?",
        config["copyright"],
    )
    assert config["copyright"] in built("validation.md")
    assert ("commit" in config["copyright"]) is (ROOT / ".git").exists()


def test_a_copy_without_git_names_no_commit_of_another_clone(tmp_path):
    version = hooks().version
    assert version(tmp_path) == f"y90voxel {yv.__version__}"
    (tmp_path / ".git").mkdir()  # damaged: git has no commit to name
    assert version(tmp_path) == f"y90voxel {yv.__version__}"


def test_documents_of_the_repository_link_to_pages_of_the_site_or_to_nothing():
    pages = {page: built(page) for page in ("changes.md", "sample.md", "kernels.md")}
    targets = [link for text in pages.values() for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert "questions.md" in targets
    for target in targets:
        name, _, anchor = target.partition("#")
        assert re.match(r"[a-z]+:", target) or (DOCS / name).is_file(), target
        assert not anchor or anchor in anchors(DOCS / name), target
    assert "## 0.1.0" in pages["changes.md"]
    assert "## The truth" in pages["sample.md"]


def test_a_cell_can_neither_end_itself_nor_open_a_tag():
    escaped = hooks().filled.__globals__["cell"]("a|b <img src=x> *c*\nd")
    assert escaped == r"a\|b &lt;img src=x> \*c\* d"


def test_a_table_that_nobody_makes_ends_the_build():
    with pytest.raises(KeyError):
        hooks().on_page_markdown("<!-- table of nothing -->")


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


def claims(text):
    """The rows of tables that end with the command that shows them again."""
    return [row for row in text.splitlines() if re.search(r"^\|.*`(pytest|python benchmarks)[^`]*` \|$", row)]


def test_every_claim_of_the_readme_stands_in_the_validation_word_for_word():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    wanted = claims(readme.partition("## How right it is")[2].partition("## How fast it is")[0])
    assert len(wanted) >= 15
    assert set(wanted) <= set(claims((DOCS / "validation.md").read_text(encoding="utf-8")))


def test_every_speed_of_the_readme_stands_on_the_page_of_speeds():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("## How fast it is")[2]
    wanted = [row for row in readme.partition("## More")[0].splitlines() if row.startswith("| ")]
    assert len(wanted) >= 6
    assert set(wanted) <= set((DOCS / "performance.md").read_text(encoding="utf-8").splitlines())


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("validation_figures")


def test_the_figure_of_the_sample_shows_what_the_validation_claims(figures):
    off = figures.of_sample()
    seen, plain = off["blurred_calibrated_over_liver"], off["plain"]
    assert max(abs(percent) for percent in seen["density"]) < 1
    assert 2 < max(seen["local"]) < 4  # outside the green band: the figure tells engines apart
    assert plain["density"][:3] == pytest.approx([-5.6, -10.2, 6.1], abs=0.1)
    left, right = figures.draw_sample(off).axes
    (band,) = left.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (-1, 1)
    assert not right.patches
    assert "as it is" in right.get_xlabel()
    assert "camera" in left.get_xlabel()
    for axes in (left, right):
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        points = [(x, y) for line in axes.lines if line.get_marker() != "None" for x, y in line.get_xydata()]
        assert len(points) == 3 * len(figures.REGIONS)
        assert all(low < x < high and top < y < bottom for x, y in points)  # none on the frame


def test_the_figure_of_the_surface_has_every_layer_of_every_engine(figures):
    ratios = {"density": 1.0, "exact": 1.01, "local": 0.0, "convolution / density": 3.0}
    rows = [
        {"case": "liver-lung penelope", "active": active, "from_mm": low, "to_mm": low + 1, "ratios": ratios}
        for active in ("liver", "lung")
        for low in (-1.0, 0.0)
    ]
    panels = figures.draw_lung(rows).axes
    for panel in panels:
        heights = sorted(line.get_ydata()[0] for line in panel.lines if line.get_linewidth() > 1)
        assert heights == [0.0, 0.0, 1.0, 1.0, 1.01, 1.01, 3.0, 3.0]


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
