"""`inspect` and `dose` never disagree: what the one calls usable the other computes, what it refuses the other refuses."""

import contextlib

import numpy as np
import pytest
from mutation.contradictions import consistent, drawn
from mutation.damage import damaged
from mutation.faults import FAULTS
from mutation.outcome import FACTS, outcome_of
from mutation.studies import STUDIES, files_of, write

from y90voxel.errors import InputError
from y90voxel.io.dicom.describe import describe_study
from y90voxel.study.judgement import judge_study

ASKED = {"spect": {"--activity", "--lung-shunt"}, "pet": set(), "enhanced": set()}
# In every run, and in the slow one.
DAMAGED = (20, pytest.param(40, marks=pytest.mark.slow))
CONTRADICTED = (20, pytest.param(60, marks=pytest.mark.slow))


def assert_agreement(folder, kind):
    """Both say yes, or both say no and name the same reason."""
    found = outcome_of(folder, kind)
    for facts in ({}, FACTS[kind]):
        judged = judge_study(folder, automatic=False, **facts)
        assert judged.usable is (found.refused is None), (judged.refusal, judged.missing, found.refused)
        if judged.refusal is not None:
            assert judged.refusal.message == found.refused
        elif judged.usable and not facts:
            assert set(judged.clinical) <= ASKED[kind]
        elif judged.usable:
            assert judged.clinical == ()
    with contextlib.suppress(InputError):  # an archive that must not be opened
        describe_study(folder).as_dict()


@pytest.mark.parametrize("kind", STUDIES)
def test_valid_studies_are_usable(tmp_path, kind):
    assert_agreement(write(files_of(STUDIES[kind]()), tmp_path), kind)


@pytest.mark.parametrize("name", FAULTS)
def test_inspect_and_dose_agree_on_every_named_fault(tmp_path, name):
    fault = FAULTS[name]
    study = STUDIES[fault.study]()
    files = fault.do(study)
    assert_agreement(write(files_of(study) if files is None else files, tmp_path / "study"), fault.study)


@pytest.mark.parametrize("count", DAMAGED)
def test_inspect_and_dose_agree_on_random_damage(tmp_path, count):
    made = {kind: files_of(study()) for kind, study in STUDIES.items()}
    for seed in range(count):
        rng = np.random.default_rng(90_000 + seed)
        kind = list(STUDIES)[seed % len(STUDIES)]
        name = str(rng.choice(list(made[kind])))
        files = {**made[kind], name: damaged(made[kind][name], rng).content}
        assert_agreement(write(files, tmp_path / f"study{seed}"), kind)


@pytest.mark.parametrize("count", CONTRADICTED)
def test_inspect_and_dose_agree_on_contradicting_facts(tmp_path, count):
    rng = np.random.default_rng(91)
    for number in range(count):
        changes = drawn(rng)
        kind = changes[0].place[0]
        study = consistent(kind)
        for change in changes:
            change.apply(study)
        assert_agreement(write(files_of(study), tmp_path / f"study{number}"), kind)
