"""Liver function from blood values: ALBI, Child-Pugh, and unit conversions."""

from __future__ import annotations

import math

from y90voxel.bounds import check_positive
from y90voxel.errors import InputError

__all__ = [
    "albi_grade",
    "albi_score",
    "albumin_g_per_l",
    "bilirubin_mg_per_dl",
    "bilirubin_umol_per_l",
    "check_albumin",
    "child_pugh_class",
    "child_pugh_points",
]

_UMOL_PER_L_PER_MG_PER_DL = 17.1  # 10 mg/L over the molar mass of bilirubin, 584.7 g/mol
_ASCITES = {"none": 1, "mild": 2, "moderate": 3}
# Outside these the albumin is in another unit (normal 35 to 50 g/L, 3.5 to 5 g/dL).
_GREATEST_ALBUMIN_G_PER_L = 70.0
_LEAST_ALBUMIN_G_PER_L = 8.0  # [g/L]; below it a value is one in g/dL


def albi_score(bilirubin_umol_per_l: float, albumin_g_per_l: float) -> float:
    """Return the albumin-bilirubin score 0.66 log10(bilirubin) − 0.085 albumin.

    Parameters
    ----------
    bilirubin_umol_per_l : float
        Total bilirubin [µmol/L]; from mg/dL with `bilirubin_umol_per_l`.
    albumin_g_per_l : float
        Albumin [g/L]; from g/dL with `albumin_g_per_l`.

    Raises
    ------
    InputError
        If a value is not positive, or the albumin must be in another unit.

    References
    ----------
    Johnson et al. 2015, J Clin Oncol 33:550, doi 10.1200/JCO.2014.57.9151.

    Examples
    --------
    >>> round(albi_score(10, 50), 2)
    -3.59
    """
    check_positive(bilirubin_umol_per_l, "the bilirubin", "umol/L")
    check_albumin(albumin_g_per_l)
    return 0.66 * math.log10(bilirubin_umol_per_l) - 0.085 * albumin_g_per_l


def albi_grade(score: float) -> int:
    """Return the ALBI grade: 1 up to −2.60, 2 up to −1.39, 3 above (Johnson et al. 2015).

    Raises
    ------
    InputError
        If the score is not finite.

    Examples
    --------
    >>> albi_grade(albi_score(27, 39))
    2
    """
    if not math.isfinite(score):
        raise InputError(f"the ALBI score must be finite, got {score}.")
    return 1 + (score > -2.60) + (score > -1.39)


def child_pugh_points(
    bilirubin_umol_per_l: float,
    albumin_g_per_l: float,
    inr: float,
    ascites: str,
    encephalopathy_grade: int,
) -> int:
    """Return the Child-Pugh points, 5 to 15.

    1, 2, 3 points: bilirubin below 34, to 50, above 50 µmol/L; albumin above 35, from 28, below 28 g/L; INR below
    1.7, to 2.3, above; ascites none, mild, moderate; encephalopathy grade 0, 1 to 2, 3 to 4.

    Parameters
    ----------
    bilirubin_umol_per_l : float
        Total bilirubin [µmol/L].
    albumin_g_per_l : float
        Albumin [g/L].
    inr : float
        International normalised ratio.
    ascites : str
        ``"none"``, ``"mild"`` or ``"moderate"`` (or worse).
    encephalopathy_grade : int
        0 to 4.

    Raises
    ------
    InputError
        If a value is out of range.

    References
    ----------
    Pugh et al. 1973, Br J Surg 60:646, doi 10.1002/bjs.1800600817, with INR as in Cleve Clin J Med table (bilirubin 2
    and 3 mg/dL, INR 1.7 and 2.3, albumin 2.8 and 3.5 g/dL); other editions print 51 µmol/L and 30 g/L.
    """
    check_positive(bilirubin_umol_per_l, "the bilirubin", "umol/L")
    check_albumin(albumin_g_per_l)
    check_positive(inr, "the INR", "")
    if ascites not in _ASCITES:
        raise InputError(f"ascites must be none, mild or moderate, got {ascites!r}.")
    if encephalopathy_grade not in range(5):
        raise InputError(f"the encephalopathy grade must be 0 to 4, got {encephalopathy_grade}.")
    return (
        1 + (bilirubin_umol_per_l >= 34.0) + (bilirubin_umol_per_l > 50.0)
        + 1 + (albumin_g_per_l <= 35.0) + (albumin_g_per_l < 28.0)
        + 1 + (inr >= 1.7) + (inr > 2.3)
        + _ASCITES[ascites]
        + 1 + (encephalopathy_grade >= 1) + (encephalopathy_grade >= 3)
    )  # fmt: skip


def child_pugh_class(points: int) -> str:
    """Return the Child-Pugh class: A for 5 to 6 points, B for 7 to 9, C for 10 to 15.

    Raises
    ------
    InputError
        If the points lie outside 5 to 15.

    Examples
    --------
    >>> child_pugh_class(child_pugh_points(27, 39, 1.1, "none", 0))
    'A'
    """
    if points not in range(5, 16):
        raise InputError(f"Child-Pugh points lie between 5 and 15, got {points}.")
    return "ABC"[(points > 6) + (points > 9)]


def bilirubin_umol_per_l(mg_per_dl: float) -> float:
    """Return total bilirubin in µmol/L from mg/dL (× 17.1).

    Raises
    ------
    InputError
        If it is not positive.
    """
    check_positive(mg_per_dl, "the bilirubin", "mg/dL")
    return mg_per_dl * _UMOL_PER_L_PER_MG_PER_DL


def bilirubin_mg_per_dl(umol_per_l: float) -> float:
    """Return total bilirubin in mg/dL from µmol/L (÷ 17.1).

    Raises
    ------
    InputError
        If it is not positive.

    Examples
    --------
    >>> round(bilirubin_mg_per_dl(27), 3)
    1.579
    """
    check_positive(umol_per_l, "the bilirubin", "umol/L")
    return umol_per_l / _UMOL_PER_L_PER_MG_PER_DL


def albumin_g_per_l(g_per_dl: float) -> float:
    """Return albumin in g/L from g/dL (× 10).

    Raises
    ------
    InputError
        If it is not positive.
    """
    check_positive(g_per_dl, "the albumin", "g/dL")
    return 10.0 * g_per_dl


def check_albumin(g_per_l: float) -> None:
    """Refuse an albumin that must be in another unit: 3.9 g/dL given as 3.9 g/L would score as no liver at all.

    Raises
    ------
    InputError
        If it is not positive or not possible in g/L.
    """
    check_positive(g_per_l, "the albumin", "g/L")
    if not _LEAST_ALBUMIN_G_PER_L <= g_per_l <= _GREATEST_ALBUMIN_G_PER_L:
        raise InputError(
            f"an albumin of {g_per_l:g} g/L is not possible. Give g/L, 39 for 3.9 g/dL, or use albumin_g_per_l()."
        )
