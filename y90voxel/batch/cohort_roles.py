"""Roles of case files over a cohort: one that fits a region of some study is said of none, one that fits nowhere is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from y90voxel.cohort.cohort import StudySummary
from y90voxel.study.optional_roles import WITHOUT_REGION, texts_without_region

__all__ = ["CohortRoles"]

# What anonymous results have in place of a name that may be a person's: it may be any.
HIDDEN = "…"


@dataclass
class CohortRoles:
    """What roles by name or pattern met in the studies of a cohort.

    Parameters
    ----------
    fitting : set of str
        Those that fit a region of some study.
    missing : dict of str to list of str
        Those that fit none, by study.
    nameless : list of str
        Studies whose settings do not name patterns any more, because they are anonymous.
    """

    fitting: set[str] = field(default_factory=set)
    missing: dict[str, list[str]] = field(default_factory=dict)
    nameless: list[str] = field(default_factory=list)

    def add(self, study_id: str, messages: Mapping[str, str], document: Mapping[str, Any]) -> None:
        """Note what one study says.

        Parameters
        ----------
        study_id : str
            The study.
        messages : mapping of str to str
            Its warnings by code.
        document : mapping
            ``metrics.json`` or ``plan.json``: roles that fit stand in its provenance.
        """
        settings = document.get("provenance", {}).get("settings") or {}
        self.fitting |= set(settings.get("regions", {}).get("roles", {}))
        said = texts_without_region(messages.get(WITHOUT_REGION, ""))
        self.missing[study_id] = [text for text in said if text != HIDDEN]
        if settings.get("output", {}).get("anonymise"):
            self.nameless.append(study_id)

    @property
    def fit_nowhere(self) -> list[str]:
        """Names and patterns that fit no region of any study, in order."""
        found = dict.fromkeys(text for texts in self.missing.values() for text in texts)
        return [
            text
            for text in found
            if text not in self.fitting and all(text in self.missing[name] for name in self.nameless)
        ]

    def said_once(self, summaries: Sequence[StudySummary], examples: dict[str, str]) -> list[StudySummary]:
        """Return studies without the warning of roles that fit elsewhere; its example names those that fit nowhere.

        Parameters
        ----------
        summaries : sequence of StudySummary
            The cohort.
        examples : dict of str to str
            One message for every code; it is changed.
        """
        nowhere = self.fit_nowhere
        if nowhere:
            examples[WITHOUT_REGION] = (
                f"roles that fit no region of any study: {', '.join(map(repr, nowhere))}."
            )
        else:
            examples.pop(WITHOUT_REGION, None)
        return [
            study
            if set(nowhere) & set(self.missing.get(study.study_id, ()))
            else replace(study, warnings=tuple(code for code in study.warnings if code != WITHOUT_REGION))
            for study in summaries
        ]
