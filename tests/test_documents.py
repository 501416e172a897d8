"""Every code block of README and docs is run or read; what cannot run here stands below with its reason."""

import csv
import doctest
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import yaml
from document_blocks import FENCE, ROOT, blocks_of, run_as_notebook
from study_factory import (
    CT_AFFINE,
    ROIS,
    SPECT_AFFINE,
    distances,
    spect_counts,
    write_study,
    write_therapy_study,
)

import y90voxel as yv
from y90voxel.case.accumulation_settings import AccumulationSettings
from y90voxel.case.course_settings import CourseSettings
from y90voxel.case.settings import StudySettings
from y90voxel.case.twin_settings import TwinSettings
from y90voxel.study.run_dose import run_study
from y90voxel.volumes.grid import Grid

PAGES = ["README.md", *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md")))]
# Pages whose Python and TOML run in a test of their own, which compares what they print.
OWN = {
    "docs/extend.md": "test_extend_page.py",
    "docs/formulas.md": "test_formulas_page.py",
    "docs/immune.md": "test_immune_page.py",
    "docs/microscale.md": "test_microscale_page.py",
    "docs/radiobiology.md": "test_radiobiology_page.py",
    "docs/three_patients.md": "test_three_patients.py",
    "docs/tutorial.md": "test_tutorial.py",
}
# What TOML of a page is; all other TOML is a case file.
TOML = {
    "docs/accumulation.md": AccumulationSettings,
    "docs/course.md": CourseSettings,
    "docs/phantoms.md": TwinSettings,
}
# Pages whose commands compute the sample study again and again.
MINUTES = {"docs/cookbook.md", "docs/gallery.md"}
# Blocks in no language that can be run, by page and first words.
NOT_CODE = {
    ("README.md", "py -3 -m venv"): "PowerShell; the same in sh stands above it",
    ("docs/architecture.md", "cli/dose_command"): "a drawing",
    ("docs/architecture.md", "# deferred:"): "the marker of an import, as it stands inside a function",
    ("docs/container.md", "FROM python"): "needs Docker; test_container.py imitates the container",
    ("docs/container.md", "Bootstrap: docker"): "needs Apptainer; test_container.py imitates the container",
    ("docs/coordinates.md", "LPS = affine"): "a formula",
    (
        "docs/coordinates.md",
        "Image Orientation",
    ): "attributes of a header; the Python below computes with them",
}
# Commands that are not run, by what is in the line.
NOT_RUN = {
    r"\bpip install\b|\bapt-get\b|python3 -m venv": "installs: neither index nor root belongs to a test",
    r"\b(docker|apptainer)\b": "needs the program; test_container.py imitates the container",
    r"\b(openssl|chmod|export|dask)\b|--scheduler": "needs a cluster; tests/batch/test_cluster.py starts one",
    r"organs-07": "needs TotalSegmentator; study/test_run_segment.py has a stub of it",
    r"--slurm": "needs Slurm; tests/batch/test_cluster.py imitates it",
    r"PACS@|\bfetch\b|\bsend\b": "needs an archive; tests/cli/test_pacs.py starts one",
    r"\bpytest\b|pre-commit": "would run the suite within itself",
    r"python benchmarks/": "takes minutes; test_mutants.py runs the quick one",
    r"\bmkdocs\b": "needs mkdocs; test_docs_site.py builds the site among the slow tests",
    r"courses/make_patient_4|patient_4\.toml": "a minute; test_course_page.py runs them among the slow tests",
    r"COURSE\.toml|docs/courses/patient_": "test_course_page.py runs them",
    r"docs/three_patients/": "test_three_patients.py runs them",
}
# What was computed for the shelf: pages go on with an `evaluation`.
EVALUATIONS = []
SHELL = re.compile(r"^ {0,4}(?:\$ )?((?:y90voxel|python3?|pip|apt-get|pytest) .*)$", re.M)


def is_shell(block):
    return block.language in ("sh", "console", "bash") or (
        not block.language and bool(SHELL.match(block.text))
    )


def in_lines(text):
    """The commands of a shell block, in one line each."""
    lines = text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def steps_of(page):
    """Commands (text) and Python (blocks) of a page in its order, fenced or indented."""
    text = (ROOT / page).read_text(encoding="utf-8")
    steps = [
        (block.line, step)
        for block in blocks_of(page)
        for step in (in_lines(block.text) if is_shell(block) else [block])
        if isinstance(step, str) or (step.language == "python" and page not in OWN and not reason_of(step))
    ]
    outside = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in re.finditer(r"^    ((?:y90voxel|python|pip) .*)$", outside, re.M):
        steps.append((outside.count("\n", 0, found.start()) + 1, found[1]))
    return [step for _, step in sorted(steps, key=lambda one: one[0])]


def commands_of(page):
    return [step for step in steps_of(page) if isinstance(step, str)]


def of_language(language, own=True):
    found = [block for page in PAGES for block in blocks_of(page) if block.language == language]
    return [
        pytest.param(block, id=str(block))
        for block in found
        if (own or block.page not in OWN) and not reason_of(block)
    ]


def reason_of(block):
    """Why a block is no code; None for code."""
    text = " ".join(block.text.split())
    return next(
        (why for (page, words), why in NOT_CODE.items() if page == block.page and text.startswith(words)),
        None,
    )


def runnable():
    """Pages with something to run; those of minutes are slow."""
    pages = [
        page
        for page in PAGES
        if any(not isinstance(step, str) or not refused(step) for step in steps_of(page))
    ]
    return [pytest.param(page, marks=[pytest.mark.slow] if page in MINUTES else []) for page in pages]


def refused(line):
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, line)), None)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with everything that the commands of the pages name."""
    folder = tmp_path_factory.mktemp("documents")
    for name in ("sample_data", "docs"):
        (folder / name).symlink_to(ROOT / name)
    write_therapy_study(folder / "patient-07")
    (folder / "STUDY").symlink_to(folder / "patient-07")
    write_study(folder / "patient-07-maa")
    write_study(folder / "archive" / "one")
    (folder / "archive" / "one" / "case.toml").write_text(
        "[administration]\nactivity = '2 GBq'\nlung_shunt_fraction = 0.05\n"
    )
    (folder / "case.toml").write_text("[administration]\nlung_shunt_fraction = 0.05\n")
    (folder / "cohort.csv").write_text("study,activity,lung_shunt\narchive/one,2 GBq,0.05\n")
    grid = Grid(spect_counts().shape, SPECT_AFFINE)
    SimpleITK.WriteImage(
        yv.to_simpleitk(yv.CountMap(spect_counts().astype(np.float32), grid)), str(folder / "spect.nrrd")
    )
    on_ct = Grid((40, 40, 40), CT_AFFINE)
    labels = np.zeros(on_ct.shape, np.uint8)
    for label, (centre, radius) in enumerate(ROIS.values(), 1):
        labels[distances(on_ct.shape, CT_AFFINE, centre) < radius] = label
    image = yv.to_simpleitk(yv.CountMap(labels, on_ct))
    for number, name in enumerate(ROIS):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
    SimpleITK.WriteImage(image, str(folder / "rois.seg.nrrd"))
    return folder


@pytest.fixture(scope="module")
def treated(shelf):
    """Earlier treatments of the same patient, for sums and comparisons."""
    for name, activity in (("TARE_2025", "2 GBq"), ("TARE_2026", "1.5 GBq")):
        given = {"activity": activity, "lung_shunt_fraction": 0.05}
        settings = StudySettings(administration=given, output={"report": False})
        evaluation = run_study(shelf / "patient-07", shelf / name, settings, files={})
        EVALUATIONS.append(evaluation)
    identity = yv.read_study(shelf / "patient-07").identity
    for name in ("sbrt.dcm", "VENDOR.dcm", "vendor.dcm"):
        yv.write_rtdose(evaluation.dose, shelf / name, identity=identity)
    regions = {region.name: region.mask for region in evaluation.case.regions.drawn}
    yv.write_rtstruct(regions, shelf / "their_regions.dcm", identity=identity)
    (shelf / "DOSE_OUT").symlink_to(shelf / "TARE_2026")
    return shelf


@pytest.mark.parametrize("page", runnable())
def test_what_a_page_tells_to_run_runs(run_cli, treated, tmp_path, monkeypatch, page):
    """Commands and Python in the order of the page: a later one may use what an earlier one wrote."""
    for given in treated.iterdir():
        (tmp_path / given.name).symlink_to(given)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page", "evaluation": EVALUATIONS[-1]}
    for step in steps_of(page):
        if not isinstance(step, str):
            run_python(step, names)
        elif not refused(step):
            run_command(run_cli, step)


def run_command(run_cli, line):
    program, *typed = shlex.split(line, comments=True)
    assert program == "y90voxel", f"say in NOT_RUN why this is not run: {line}"
    out = Path(typed[typed.index("-o") + 1]) if "-o" in typed else None
    if out is not None:
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(exist_ok=True)
    done = run_cli(*typed)
    assert done.code == 0, f"{line}\n{done.err}"
    assert out is None or out.exists()


def run_python(block, names):
    if not block.text.startswith(">>>"):
        run_as_notebook(block, names)
        return
    examples = doctest.DocTestParser().get_doctest(block.text, {}, str(block), block.page, block.line)
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_reasons_for_not_running_are_used_and_need_no_more_than_they_say():
    lines = [line for page in PAGES for line in commands_of(page)]
    unused = [pattern for pattern in NOT_RUN if not any(re.search(pattern, line) for line in lines)]
    blocks = [block for page in PAGES for block in blocks_of(page)]
    absent = [
        (page, words)
        for page, words in NOT_CODE
        if not any(b.page == page and " ".join(b.text.split()).startswith(words) for b in blocks)
    ]
    assert (unused, absent) == ([], [])


def test_every_block_is_of_a_kind_that_is_checked():
    checked = {"python", "toml", "yaml", "csv", "text"}
    unchecked = [
        str(block)
        for page in PAGES
        for block in blocks_of(page)
        if not (block.language in checked or is_shell(block) or reason_of(block))
    ]
    assert unchecked == []


def test_what_pages_print_is_compared_by_their_own_tests():
    """A block of output says what the Python above it printed."""
    assert {b.page for page in PAGES for b in blocks_of(page) if b.language == "text"} <= OWN.keys()


@pytest.mark.parametrize(("page", "test"), OWN.items())
def test_a_page_with_a_test_of_its_own_is_read_by_it(page, test):
    assert Path(page).name in (ROOT / "tests" / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", of_language("toml", own=False))
def test_toml_of_a_page_is_understood(block):
    tables = tomllib.loads(block.text)
    made = TOML.get(block.page, StudySettings).model_validate(tables)
    assert {name.rstrip("_") for name in made.model_fields_set} == set(
        tables
    )  # register_ is a name of pydantic's


@pytest.mark.parametrize("block", of_language("yaml"))
def test_yaml_of_a_page_can_be_read(block):
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", of_language("csv"))
def test_a_manifest_of_a_page_has_as_many_cells_as_columns(block):
    header, *rows = csv.reader(block.text.splitlines())
    assert "study" in header
    assert {len(row) for row in rows} == {len(header)}
