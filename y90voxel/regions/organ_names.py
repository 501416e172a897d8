"""Whole names of organs outside the liver that microspheres or their radiation may reach, by the role they stand for.

English, German, French, Italian, Spanish, Portuguese, Dutch, Polish, Swedish; TG-263 spellings; the classes ``total`` and
``total_v1`` of TotalSegmentator (github.com/wasserth/TotalSegmentator, map_to_binary.py). A plain ``Skin`` is what some
planning systems call the outline of the body: it is the organ only beside another outline.
"""

from __future__ import annotations

__all__ = ["ORGAN_NAMES"]

ORGAN_NAMES = {
    "stomach": (
        "stomach, stomach wall, magen, magenwand, estomac, stomaco, estomago, maag, zoladek, magsack"
    ),
    "duodenum": "duodenum, zwoelffingerdarm, zwölffingerdarm, duodeno, twaalfvingerige darm, dwunastnica",
    "gallbladder": (
        "gallbladder, gall bladder, gallbladder wall, gall bladder wall, gallenblase, vesicule biliaire, colecisti, cistifellea, "
        "vesicula biliar, galblaas, pecherzyk zolciowy, gallblasa"
    ),
    "bowel": (
        "bowel, bowels, small bowel, large bowel, bowel small, bowel large, bowel bag, bag bowel, bowelbag, bowel space, "
        "space bowel, bowel loop, bowel loops, colon, colon ascending, colon transverse, colon descending, ascending colon, "
        "transverse colon, descending colon, hepatic flexure, jejunum, ileum, intestine, intestines, small intestine, "
        "large intestine, darm, duenndarm, dünndarm, dickdarm, kolon, intestin, intestin grele, grele, gros intestin, "
        "intestino, intestino tenue, intestino crasso, intestino delgado, intestino grueso, intestino grosso, dunne darm, "
        "dikke darm, jelito, jelito cienkie, jelito grube, tarm, tunntarm, tjocktarm"
    ),
    "kidney": (
        "kidney, kidneys, both kidneys, kidney cortex, renal cortex, niere, nieren, rein, reins, rene, reni, rinon, rinones, "
        "nier, nerka, nerki, njure, njurar"
    ),
    "skin": "skin wall, skin rind, skin shell, skin ring, skin surface, dermis, cutis",
    "heart": (
        "heart, herz, coeur, cœur, cuore, corazon, coracao, hart, serce, hjarta, heart myocardium, heart atrium, heart ventricle"
    ),
}
