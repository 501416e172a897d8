"""What a region is for: roles, and the whole names that stand for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from y90voxel.errors import InputError
from y90voxel.regions.organ_names import ORGAN_NAMES

__all__ = [
    "DERIVED_ROLES",
    "DRAWN_ROLES",
    "LUNG_LOBES",
    "ORGANS",
    "Role",
    "assign_roles",
    "fitting_names",
    "lobe_of_name",
    "normalised_name",
    "overridden_names",
    "parse_role",
    "role_of_name",
    "side_of_name",
]


class Role(StrEnum):
    """What a region means to the dosimetry; drawn roles first, derived ones after."""

    LIVER = "liver"
    TUMOUR = "tumour"
    LUNG = "lung"
    PERFUSED = "perfused"
    BODY = "body"
    STOMACH = "stomach"
    DUODENUM = "duodenum"
    GALLBLADDER = "gallbladder"
    BOWEL = "bowel"
    KIDNEY = "kidney"
    SKIN = "skin"
    HEART = "heart"
    OTHER = "other"
    IGNORE = "ignore"
    NON_TUMOUR_LIVER = "non_tumour_liver"
    TUMOURS = "tumours"
    LUNGS = "lungs"
    PERFUSED_NON_TUMOUR_LIVER = "perfused_non_tumour_liver"
    UNPERFUSED_LIVER = "unperfused_liver"


# Organs whose dose is reported and decides nothing.
ORGANS = tuple(Role(name) for name in ORGAN_NAMES)
DRAWN_ROLES = (
    Role.LIVER, Role.TUMOUR, Role.LUNG, Role.PERFUSED, Role.BODY, *ORGANS, Role.OTHER, Role.IGNORE,
)  # fmt: skip
DERIVED_ROLES = tuple(role for role in Role if role not in DRAWN_ROLES)

# Whole names, normalised (lower case, no accents, words separated by one blank, left/right words cut).
# English, German, French, Italian, Spanish, Portuguese, Dutch, Polish, Swedish; plus TG-263 spellings.
_NAMES = {
    Role.LIVER: (
        "liver, whole liver, total liver, entire liver, liver total, liver whole, leber, leber gesamt, "
        "gesamtleber, ganze leber, "
        "foie, foie total, foie entier, fegato, fegato totale, higado, higado total, figado, figado total, lever, "
        "hele lever, totale lever, watroba, hepar"
    ),
    Role.TUMOUR: (
        "tumour, tumor, tumours, tumors, tumoren, lesions, gtv, gtvs, gtvp, gtv p, lesion, target lesion, "
        "index lesion, index tumour, "
        "index tumor, "
        "target tumour, target tumor, liver tumour, liver tumor, hepatic tumour, hepatic tumor, hcc, hcc lesion, "
        "hcc läsion, "
        "hepatocellular carcinoma, metastasis, liver metastasis, met, tumour mass, tumor mass, tumour volume, "
        "tumor volume, gross tumour volume, gross tumor volume, viable tumour, viable tumor, nodule, satellite, "
        "laesion, läsion, lebertumor, metastase, lebermetastase, herd, tumeur, tumeur hepatique, nodule tumoral, "
        "lesione, lesione target, tumore, metastasi, nodulo, tumoracion, lesao, tumorvolume, laesie, laesie lever, "
        "levermetastase, guz, zmiana, tumoer, levertumor, liver tumours, liver tumors, liver lesion, liver lesions, "
        "hepatic lesion, hepatic lesions, liver metastases, hepatic metastasis, hepatic metastases, liver hcc"
    ),
    # The lobes are those of TotalSegmentator (github.com/wasserth/TotalSegmentator, class details).
    Role.LUNG: (
        "lung upper lobe, lung middle lobe, lung lower lobe, "
        "lung, lungs, both lungs, total lung, total lungs, lungs total, lung total, whole lung, whole lungs, "
        "lunge, lungen, "
        "beide lungen, gesamtlunge, lunge gesamt, lunge bds, lunge beidseits, lungenfluegel, lungenflugel, poumon, "
        "poumons, deux poumons, polmone, "
        "polmoni, pulmon, "
        "pulmones, pulmao, pulmoes, long, longen, beide longen, pluco, pluca, lunga, lungor, lung parenchyma"
    ),
    Role.PERFUSED: (
        "perfused, perfvol, perf vol, perfused vol, perfused volume, perfused liver, perfusion volume, perfused territory, "
        "treated volume, "
        "treatment volume, "
        "treated liver, perfused liver volume, vascular territory, angiosome, "
        "treated territory, injected volume, perfundiertes volumen, perfundiertes lebervolumen, perfusionsvolumen, "
        "perfundierte leber, "
        "behandlungsvolumen, volume perfuse, foie perfuse, volume traite, territoire perfuse, "
        "foie traite, volume perfuso, volume trattato, fegato perfuso, fegato trattato, volumen perfundido, "
        "higado perfundido, volumen tratado, volume perfundido, volume tratado, geperfundeerd volume, "
        "behandeld volume"
    ),
    Role.BODY: (
        "body, external, skin, patient, outline, body outline, body contour, external contour, "
        "patient outline, patientoutline, koerper, korper, "
        "koerperkontur, korperkontur, aussenkontur, corps, contour externe, contour corps, corpo, "
        "contorno corpo, contorno esterno, "
        "cuerpo, contorno externo, contorno, lichaam, cialo, kropp, whole body, bodycontour"
    ),
    **{Role(organ): names for organ, names in ORGAN_NAMES.items()},
}
_LEFT = {
    "l", "left", "lt", "li", "links", "linke", "linker", "gauche", "g", "sinistro", "sinistra", "sx", "izquierdo",
    "izq",
    "esquerdo", "lewe", "vanster",
}  # fmt: skip
_RIGHT = {
    "r", "right", "rt", "re", "rechts", "rechte", "rechter", "droit", "droite", "d", "destro", "destra", "dx",
    "derecho",
    "der", "direito", "prawe", "hoger",
}  # fmt: skip
_SIDE = _LEFT | _RIGHT
# All lobes that make the lungs.
LUNG_LOBES = frozenset(
    {("upper", "left"), ("lower", "left"), ("upper", "right"), ("middle", "right"), ("lower", "right")}
)
_NUMBER = re.compile(r"^(?:n|no|nr|num)?\d+$|^[ivx]+$|^[a-h]$")


def normalised_name(name: str) -> str:
    """Return a name in lower case without accents, with words and numbers separated by one blank.

    Examples
    --------
    >>> normalised_name("GTV1"), normalised_name("Lung_L"), normalised_name("Foie  PERFUSÉ")
    ('gtv 1', 'lung l', 'foie perfuse')
    """
    text = name.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ø", "o")
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    text = re.sub(r"[^a-z0-9]+", " ", text)
    text = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", " ", text)
    return " ".join(text.split())


# Under their own normal form, so that the table may be written as people write.
_ROLE_BY_NAME = {normalised_name(name): role for role, names in _NAMES.items() for name in names.split(",")}
# Every word that names of roles and sides are made of.
ROLE_WORDS = frozenset(word for name in _ROLE_BY_NAME for word in name.split()) | _SIDE
_SHARED_WORDS = "liver lever hepatic hepatique hepatocellular target index volume mass gross viable laesie p"
# Words that only names of tumours have; the others in such names may be about anything.
TUMOUR_WORDS = frozenset(
    word for name, role in _ROLE_BY_NAME.items() if role is Role.TUMOUR for word in name.split()
) - set(_SHARED_WORDS.split())


def role_of_name(name: str) -> Role:
    """Return the role that a whole ROI name stands for, or ``Role.OTHER``.

    The whole name must match: ``whole liver normal`` is not a liver. Tumours may carry numbers or
    letters (``GTV 2``, ``Tumour B``); lungs, kidneys, parts of the heart and tumours may carry a side.

    Examples
    --------
    >>> role_of_name("Tumor 2").value, role_of_name("Lung_L").value, role_of_name("whole liver normal").value
    ('tumour', 'lung', 'other')
    """
    words = normalised_name(name).split()
    role = _ROLE_BY_NAME.get(" ".join(words))
    if role is not None:
        return role
    sideless = [w for w in words if w not in _SIDE]
    paired = _ROLE_BY_NAME.get(" ".join(sideless))
    if paired in (Role.LUNG, Role.KIDNEY, Role.HEART):
        return paired
    bare = [w for w in words if w not in _SIDE and not _NUMBER.match(w)]
    if _ROLE_BY_NAME.get(" ".join(bare)) is Role.TUMOUR:
        return Role.TUMOUR
    if bare and all(_ROLE_BY_NAME.get(word) is Role.TUMOUR for word in bare):
        return Role.TUMOUR  # GTV_1 HCC
    return Role.OTHER


def lobe_of_name(name: str) -> tuple[str, str] | None:
    """Return level and side of a lobe of the lungs, None for other names.

    Examples
    --------
    >>> lobe_of_name("lung_upper_lobe_left"), lobe_of_name("Lung_L")
    (('upper', 'left'), None)
    """
    words = normalised_name(name).split()
    level = next((word for word in words if word in ("upper", "middle", "lower")), None)
    side = side_of_name(name)
    if role_of_name(name) is not Role.LUNG or "lobe" not in words or level is None or side is None:
        return None
    return level, side


def side_of_name(name: str) -> str | None:
    """Return ``"left"`` or ``"right"`` where a name says so, such as ``Lung_L``, else None."""
    words = set(normalised_name(name).split())
    if words & _LEFT:
        return "left"
    return "right" if words & _RIGHT else None


def parse_role(text: str) -> Role:
    """Return the drawn role that a user names.

    Raises
    ------
    InputError
        If the text is not one of the roles that a drawn region can have.
    """
    spelled = (
        text.strip().lower().replace("tumor", "tumour")
        if "tumour" not in text.lower()
        else text.strip().lower()
    )
    for role in DRAWN_ROLES:
        if spelled == role.value:
            return role
    role_names = ", ".join(role.value for role in DRAWN_ROLES)
    raise InputError(f"unknown role {text!r}. The roles are {role_names}.", tag="regions.roles")


def assign_roles(
    names: Sequence[str],
    overrides: Mapping[str, str] | None = None,
    stated: Sequence[Role | None] | None = None,
) -> dict[str, Role]:
    """Return the role of each ROI: by ``overrides``, else as its file has ``stated``, else by its name.

    Parameters
    ----------
    names : sequence of str
        The ROIs.
    overrides : mapping of str to str, optional
        Role by name, or by a pattern with ``*`` (anything) or ``?`` (one character) in any case: ``HCC*``. A name wins
        over patterns.
    stated : sequence of Role or None, optional
        What the file says of each.

    Raises
    ------
    InputError
        If an override fits no ROI, two patterns give one ROI different roles, or a role is unknown.
    """
    given = stated or [None] * len(names)
    roles = _skin_beside_body(
        {name: role or role_of_name(name) for name, role in zip(names, given, strict=True)}
    )
    by_pattern: dict[str, tuple[str, Role]] = {}
    by_name: dict[str, Role] = {}
    for text, wanted in (overrides or {}).items():
        role, fitting = parse_role(wanted), fitting_names(text, names)
        if not fitting:
            raise InputError(
                f"--role names the region {text!r}, but the regions are: {', '.join(names) or 'none'}.",
                tag="regions.roles",
            )
        for name in fitting:
            other, before = by_pattern.get(name, (text, role))
            if not _is_pattern(text, names):
                by_name[name] = role
            elif before is not role:
                raise InputError(
                    f"--role '{other}={before.value}' and '{text}={role.value}' both fit the region {name!r}. Name it, such "
                    f"as --role '{name}={role.value}'.",
                    tag="regions.roles",
                )
            else:
                by_pattern[name] = (text, role)
    return {**roles, **{name: role for name, (_, role) in by_pattern.items()}, **by_name}


def _skin_beside_body(roles: dict[str, Role]) -> dict[str, Role]:
    """Roles where a plain ``Skin`` beside another outline of the body is the organ, and alone the outline."""
    bodies = [name for name, role in roles.items() if role is Role.BODY]
    skins = [name for name in bodies if normalised_name(name) == "skin"]
    return roles | (dict.fromkeys(skins, Role.SKIN) if len(bodies) > len(skins) else {})


def overridden_names(names: Sequence[str], overrides: Mapping[str, str] | None) -> frozenset[str]:
    """Return the ROIs whose role was given by name or pattern."""
    return frozenset(name for text in overrides or {} for name in fitting_names(text, names))


def _is_pattern(text: str, names: Sequence[str]) -> bool:
    """Whether an override is meant for several regions: it has a wildcard and is no name itself."""
    return text not in names and ("*" in text or "?" in text)


def fitting_names(text: str, names: Sequence[str]) -> list[str]:
    """Return the regions that a name or pattern of a role stands for, by spelling or pattern.

    Examples
    --------
    >>> fitting_names("HCC*", ["HCC 1", "hcc seg 5", "Liver"]), fitting_names("liver ", ["HCC 1", "Liver"])
    (['HCC 1', 'hcc seg 5'], ['Liver'])
    """
    if text in names:
        return [text]
    if _is_pattern(text, names):
        pattern = re.escape(text.strip()).replace(r"\*", ".*").replace(r"\?", ".")
        return [name for name in names if re.fullmatch(pattern, name.strip(), re.IGNORECASE | re.DOTALL)]
    by_normal = {normalised_name(name): name for name in names}
    same = by_normal.get(normalised_name(text))
    return [] if same is None else [same]
