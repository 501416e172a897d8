"""Contradicting facts are refused, noticed, or change no region's mean by more than 2 %: never a silent change of dose.

200 draws in every run; the long run takes 2,000 more::

    python -m pytest tests/mutation/test_contradictions.py -m slow
"""

import numpy as np
import pytest
from mutation.contradictions import PLACES, Change, consistent, drawn, drawn_silences
from mutation.outcome import outcome_of
from mutation.studies import files_of, write

IN_EVERY_RUN, WITH_SILENCES = 40, 20  # a few seconds
IN_THE_LONG_RUN, WITH_SILENCES_IN_THE_LONG_RUN = 2000, 300
LARGEST_SILENT_CHANGE = 0.02


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory):
    """The dose of the studies that state everything alike."""
    root = tmp_path_factory.mktemp("alike")
    return {
        kind: outcome_of(write(files_of(consistent(kind)), root / kind), kind)
        for kind in ("pet", "spect", "enhanced")
    }


def outcome_with(kind, changes, folder):
    """The outcome of a study with changes."""
    study = consistent(kind)
    for change in changes:
        change.apply(study)
    return outcome_of(write(files_of(study), folder), kind)


def silent_change(changes, undamaged, folder, silences=()):
    """Return what changed without a word, None where all is well or the study cannot be used without what is silent."""
    kind = changes[0].place[0]
    expected = undamaged[kind]
    if silences:
        expected = outcome_with(kind, silences, folder / "silent")
        if expected.refused is not None:
            return None
    found = outcome_with(kind, [*silences, *changes], folder / "changed")
    if found.refused is not None:
        return None if found.refused.strip() else f"{changes}: refused without a word"
    if any(expected.notices.get(code) != message for code, message in found.notices.items()):
        return None
    worst = max(
        abs(found.regions[name][1] / mean - 1) for name, (_, mean) in expected.regions.items() if mean > 0
    )
    gone = expected.regions.keys() - found.regions.keys()
    if worst <= LARGEST_SILENT_CHANGE and not gone:
        return None
    return f"{' and '.join(map(str, [*changes, *silences]))}: {100 * worst:.1f} %, {gone or ''}"


def test_the_studies_that_state_everything_alike_are_accepted(undamaged):
    for found in undamaged.values():
        assert found.refused is None, found.refused


def test_no_draw_of_contradicting_facts_changes_a_dose_silently(tmp_path, undamaged):
    rng = np.random.default_rng(17)
    silent = [silent_change(drawn(rng), undamaged, tmp_path / str(n)) for n in range(IN_EVERY_RUN)]
    assert [one for one in silent if one] == []


@pytest.mark.parametrize(
    "count", [WITH_SILENCES, pytest.param(WITH_SILENCES_IN_THE_LONG_RUN, marks=pytest.mark.slow)]
)
def test_no_draw_changes_a_dose_silently_where_fewer_places_state_a_fact(tmp_path, undamaged, count):
    rng = np.random.default_rng(19)
    silent = []
    for n in range(count):
        changes = drawn(rng)
        silent.append(silent_change(changes, undamaged, tmp_path / str(n), drawn_silences(rng, changes)))
    assert [one for one in silent if one] == []


@pytest.mark.slow
def test_every_place_and_many_pairs_change_no_dose_silently(tmp_path, undamaged):
    rng = np.random.default_rng(18)
    changes = [[Change(*place)] for place in PLACES]
    changes += [drawn(rng) for _ in range(IN_THE_LONG_RUN)]
    silent = [silent_change(one, undamaged, tmp_path / str(n)) for n, one in enumerate(changes)]
    assert [one for one in silent if one] == []
