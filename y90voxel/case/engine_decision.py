"""Which engine was asked for, which one runs, and why."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EngineDecision"]


@dataclass(frozen=True)
class EngineDecision:
    """The engine of a case.

    Parameters
    ----------
    name : str
        The engine that runs.
    requested : str
        What the settings say: its name, or ``auto``.
    reason : str
        Why it runs, in words.
    """

    name: str
    requested: str
    reason: str
