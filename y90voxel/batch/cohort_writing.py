"""The page of a cohort, drawn here or in a process of its own.

The libraries of figures and statistics take 150 MB. Beside a large cohort they go into a process that ends with the page,
so that a batch over thousands of studies stays small. A plain subprocess: `multiprocessing` would import the caller's
script again.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from y90voxel.cohort.cohort import StudySummary

__all__ = ["cohort_page"]

# Studies up to which the page is drawn in this process: starting another takes a second.
MOST_HERE = 200


def cohort_page(studies: Sequence[StudySummary], **facts: Any) -> str:
    """Return the page; parameters as those of `y90voxel.report.cohort_report.render_cohort_page`.

    Raises
    ------
    RuntimeError
        If the other process breaks.
    """
    if len(studies) <= MOST_HERE:
        return _draw(studies, facts)
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=pickle.dumps((tuple(studies), facts)),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"the page of the cohort could not be drawn:\n{done.stderr.decode(errors='replace')[-2000:]}"
        )
    return done.stdout.decode("utf-8")


def _draw(studies: Sequence[StudySummary], facts: Mapping[str, Any]) -> str:
    """The page, drawn in this process."""
    # deferred: figures and statistics take 150 MB
    from y90voxel.report.cohort_report import render_cohort_page

    return render_cohort_page(studies, **facts)


if __name__ == "__main__":
    sent_studies, sent_facts = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(_draw(sent_studies, sent_facts).encode("utf-8"))
