"""Whether a limit applies, on what that depends that is not stated, and whether a dose meets it."""

from __future__ import annotations

from y90voxel.bounds import ROUNDING, exceeds
from y90voxel.clinical.clinical_context import ClinicalContext
from y90voxel.clinical.limit_records import BilirubinClass, Limit, LiverFunction, Scenario, Sense

__all__ = ["applies_if", "compare", "judged_status", "unstated_facts", "why_not"]


def judged_status(sense: Sense, value: float, wanted: float, *, open_facts: bool) -> str:
    """Return the status of a limit or goal that applies, or might.

    A limit that is exceeded is ``"not met"`` also while facts are open, for it might apply; one that is kept, and any
    goal, is ``"unconfirmed"`` until they are stated.

    Parameters
    ----------
    sense : Sense
        Limit (below) or goal (at least).
    value, wanted : float
        What it is held against, and its value, in one unit.
    open_facts : bool
        Whether it depends on something that is not stated.
    """
    status = compare(sense, value, wanted)
    return "unconfirmed" if open_facts and (sense is Sense.AT_LEAST or status == "met") else status


def unstated_facts(limit: Limit, context: ClinicalContext) -> tuple[str, ...]:
    """Return which facts a limit depends on that are not stated: it holds because it might apply.

    Parameters
    ----------
    limit : Limit
        A limit that applies, or might.
    context : ClinicalContext
        What is stated.
    """
    return tuple(fact for fact, _ in _open_facts(limit, context))


def applies_if(limit: Limit, context: ClinicalContext) -> str:
    """Return on what unstated facts a limit depends, such as "applies if bilirubin is above 1.1 mg/dL"; empty for none.

    Parameters
    ----------
    limit, context
        As in `unstated_facts`.
    """
    facts = [text for _, text in _open_facts(limit, context)]
    return f"applies if {' and '.join(facts)}" if facts else ""


def _open_facts(limit: Limit, context: ClinicalContext) -> list[tuple[str, str]]:
    """Facts that a limit depends on and that are not stated, each with what would make it apply."""
    function = "poor" if limit.function is LiverFunction.POOR else "good"
    side = "at or above" if limit.bilirubin is BilirubinClass.RAISED else "below"
    scenarios = " or ".join(scenario.value for scenario in limit.scenarios)
    diseases = " or ".join(limit.diseases)
    pretreated = " or the liver is pretreated" if limit.or_pretreated else ""
    function_open = limit.function is not None and context.liver_function is None
    treated_open = limit.or_pretreated and context.pretreated is None
    if limit.or_pretreated and (context.pretreated or context.liver_function is limit.function):
        function_open = treated_open = False
    facts = (
        ("disease", bool(limit.diseases) and context.disease is None, f"the disease is {diseases}"),
        ("scenario", 0 < len(limit.scenarios) < len(Scenario) and context.scenario is None, f"it is a {scenarios}"),
        (
            "bilirubin",
            limit.bilirubin is not None and context.bilirubin_umol_per_l is None,
            f"bilirubin is {side} 1.1 mg/dL",
        ),
        (
            "hepatic reserve",
            limit.reserve_below is not None and context.hepatic_reserve is None,
            f"the hepatic reserve is below {100 * (limit.reserve_below or 0.0):g} %",
        ),
        ("liver function", function_open, f"liver function is {function}{pretreated}"),
        ("pretreatment", treated_open and not function_open, "the liver is pretreated"),
        (limit.condition, bool(limit.condition), limit.condition),
    )  # fmt: skip
    return [(fact, text) for fact, is_open, text in facts if is_open]


def why_not(limit: Limit, context: ClinicalContext) -> str:
    """Return why a limit does not apply; empty when it does, or might.

    Parameters
    ----------
    limit, context
        As in `unstated_facts`.
    """
    reserve = context.hepatic_reserve
    reasons = (
        (
            bool(limit.diseases) and context.disease is not None and context.disease not in limit.diseases,
            f"for {' and '.join(limit.diseases)}, not {context.disease}",
        ),
        (
            bool(limit.scenarios)
            and context.scenario is not None
            and context.scenario not in limit.scenarios,
            f"not for a {context.scenario}",
        ),
        (
            None not in (limit.bilirubin, context.bilirubin_class)
            and limit.bilirubin is not context.bilirubin_class,
            f"for {limit.bilirubin} bilirubin",
        ),
        (
            limit.reserve_below is not None and reserve is not None and reserve >= limit.reserve_below,
            f"for a hepatic reserve below {100 * (limit.reserve_below or 0.0):g} %",
        ),
        (_function_excludes(limit, context), f"for {limit.function} liver function{_or_pretreated(limit)}"),
    )
    return next((text for differs, text in reasons if differs), "")


def _function_excludes(limit: Limit, context: ClinicalContext) -> bool:
    """Whether liver function and pretreatment are stated, and neither is what the limit is for."""
    other = (
        None not in (limit.function, context.liver_function) and limit.function is not context.liver_function
    )
    return other and not (limit.or_pretreated and context.pretreated is not False)


def _or_pretreated(limit: Limit) -> str:
    """How a limit that holds for pretreated livers too says so."""
    return " or pretreated livers" if limit.or_pretreated else ""


def compare(sense: Sense, value: float, wanted: float) -> str:
    """Return "met" up to the value (limit) or from it (goal), rounding aside, else "not met".

    Parameters
    ----------
    sense : Sense
        Limit (below) or goal (at least).
    value, wanted : float
        What it is held against, and its value, in one unit.
    """
    met = not exceeds(value, wanted) if sense is Sense.BELOW else value >= wanted * (1.0 - ROUNDING)
    return "met" if met else "not met"
