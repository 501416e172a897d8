"""A second transcription of EANM 2022, tables 2 to 4, and a reader of its own: nothing here comes from the product's table.

Typed from PMC8940802 Tab2, Tab3 and Tab4, a line for each printed row: scenario | perfused volume (one compartment) |
normal liver | tumour. ``w`` stands before what is for the whole normal liver, ``p`` for the perfused normal liver.
"""

from __future__ import annotations

PRINTED = {
    ("glass", "HCC"): """
        segmentectomy | >400            | n/a                        | n/a
        lobectomy     | >150? 140-150   | p>=88 w<75 w<50R w<90N     | >=205 >=250
        unilobar      | >150? 80-150    | p<120H w<75 w<50R w<90N    | >=205 >=250
        bilobar       | 80-150          | w<50R w<90N                | >=205""",
    ("glass", "ICC"): """
        segmentectomy | >400            | n/a                        | n/a
        lobectomy     | 140-150         | w<75 w<50R w<90N           | >=260
        unilobar      | 80-150          | w<75 w<50R w<90N           | >=260
        bilobar       | 80-150          | w<75 w<50R w<90N           | >=260""",
    ("glass", "mCRC"): """
        segmentectomy | >400            | n/a                        | n/a
        lobectomy     | 140-150         | w<75 w<50R w<90N           | >=189
        unilobar      | 80-150          | w<75 w<50R w<90N           | >=189
        bilobar       | 80-150          | w<75 w<50R w<90N           | >=189""",
    ("resin", "HCC"): """
        segmentectomy | >150            | n/a                        | n/a
        lobectomy     | not recommended | p>70                       | >=100
        unilobar      |                 | p<40                       | >=100
        bilobar       |                 | p<30P p<40                 | >=100""",
    ("resin", "ICC"): """
        segmentectomy | >150            | n/a                        | n/a
        lobectomy     | not recommended | p>70                       | >=100
        unilobar      |                 | p<40                       | >=100
        bilobar       |                 | p<30P p<40                 | >=100""",
    ("resin", "mCRC"): """
        segmentectomy | >150            | n/a                        | n/a
        lobectomy     | not recommended | p>70                       | >100
        unilobar      |                 | p<40                       | >100
        bilobar       |                 | p<30P p<40                 | >100""",
    ("ho166", "HCC"): """
        segmentectomy | 60              | n/a                        | n/a
        lobectomy     | 60              | w<60                       | n/a
        unilobar      | 60              | w<60                       | n/a
        bilobar       | 60              | w<40B w<60G                | n/a""",
    ("ho166", "ICC"): """
        segmentectomy | 60              | n/a                        | n/a
        lobectomy     | 60              | w<60                       | >150
        unilobar      | 60              | w<60                       | >150
        bilobar       | 60              | w<40B w<60G                | >150""",
    ("ho166", "mCRC"): """
        segmentectomy | 60              | n/a                        | n/a
        lobectomy     | 60              | w<60                       | >90
        unilobar      | 60              | w<60                       | >90
        bilobar       | 60              | w<40B w<60G                | >90""",
}
DISEASES, SCENARIOS = ("HCC", "ICC", "mCRC"), ("segmentectomy", "lobectomy", "unilobar", "bilobar")


def cells(device, disease, scenario):
    """The three cells of a row as lists of words."""
    for line in PRINTED[device, disease].strip().splitlines():
        name, *rest = (part.strip() for part in line.split("|"))
        if name == scenario:
            return [text.split() for text in rest]
    raise KeyError(scenario)


def _might_hold(mark, patient):
    """Whether a marked limit holds for a patient, or might; R/N bilirubin, H reserve, P pretreated or poor, B/G function."""
    bilirubin, reserve = patient["bilirubin"], patient["reserve"]
    function, pretreated = patient["function"], patient["pretreated"]
    return {
        "": True,
        "R": bilirubin is None or bilirubin >= 18.81,
        "N": bilirubin is None or bilirubin < 18.81,
        "H": reserve is None or reserve < 0.30,
        "P": function != "good" or pretreated is not False,
        "B": function != "good",
        "G": function != "poor",
    }[mark]


def liver_limits(device, disease, scenario, **patient):
    """Limits that hold or might, as (region, Gy): ``whole`` or ``perfused normal``; unstated facts are every value."""
    found = set()
    for one in DISEASES if disease is None else (disease,):
        for row in SCENARIOS if scenario is None else (scenario,):
            for word in cells(device, one, row)[1]:
                if word[1:2] == "<":
                    digits = word[2:].rstrip("RNHPBG")
                    if _might_hold(word[2 + len(digits) :], patient):
                        found.add(({"w": "whole", "p": "perfused normal"}[word[0]], float(digits)))
    return sorted(found)


def goal(device, disease, scenario):
    """The goal (region, Gy) that decides where no liver limit does; None without full context or where none is printed."""
    if disease is None or scenario is None:
        return None
    single, _, tumour = cells(device, disease, scenario)
    if scenario == "segmentectomy":
        return "perfused", float(single[0].lstrip(">"))
    numbers = [float(word.lstrip(">=")) for word in tumour if word[0] == ">"]
    return ("tumours", min(numbers)) if numbers else None


def single_compartment(device, disease, scenario):
    """Goal and upper end of one compartment [Gy]; None where none is printed or the scenario is not stated."""
    words = [] if disease is None or scenario is None else cells(device, disease, scenario)[0]
    for word in words:
        if "-" in word:
            low, high = word.split("-")
            return float(low), float(high)
        if word.lstrip(">").isdigit():
            return float(word.lstrip(">")), None
    return None
