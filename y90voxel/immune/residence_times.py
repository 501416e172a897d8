"""How long blood stays in a compartment: Laplace transforms of residence-time laws, by which variances are exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType

from y90voxel.errors import InputError

__all__ = ["RESIDENCE_LAWS", "exponential_transform", "residence_law", "weibull2_transform"]

Transform = Callable[[float, float], float]


def exponential_transform(rate_per_s: float, mean_s: float) -> float:
    """Return E[exp(−s T)] = 1 / (1 + s τ) of an exponential residence time; coefficient of variation 1.

    Parameters
    ----------
    rate_per_s : float
        s [1/s].
    mean_s : float
        Mean residence time τ [s].

    Examples
    --------
    >>> exponential_transform(1.0, 1.0)
    0.5
    """
    return 1.0 / (1.0 + rate_per_s * mean_s)


def weibull2_transform(rate_per_s: float, mean_s: float) -> float:
    """Return E[exp(−s T)] of a Weibull residence time of shape 2; squared coefficient of variation 4/π − 1 = 0.2732.

    1 − √π y exp(y²) erfc(y) with y = s b / 2 and the scale b = 2 τ / √π.

    Parameters
    ----------
    rate_per_s : float
        s [1/s].
    mean_s : float
        Mean residence time τ [s].

    References
    ----------
    The transform of the Rayleigh distribution. Shape 2 is the default of github.com/mghro/hedos.

    Examples
    --------
    >>> round(weibull2_transform(1e-3, 1.0), 9)
    0.999000636
    """
    y = rate_per_s * mean_s / math.sqrt(math.pi)
    if y > 20.0:  # erfc underflows beyond; its series is then within 3e-7 of the value
        return 1.0 / (2.0 * y**2) - 3.0 / (4.0 * y**4) + 15.0 / (8.0 * y**6)
    return 1.0 - math.sqrt(math.pi) * y * math.exp(y**2) * math.erfc(y)


RESIDENCE_LAWS: MappingProxyType[str, Transform] = MappingProxyType(
    {"exponential": exponential_transform, "weibull-2": weibull2_transform}
)


def residence_law(name: str) -> Transform:
    """Return the transform of a residence-time law by its name.

    Parameters
    ----------
    name : str
        exponential or weibull-2.

    Raises
    ------
    InputError
        If it is another word.
    """
    if name not in RESIDENCE_LAWS:
        raise InputError(f"the residence time must be one of {', '.join(RESIDENCE_LAWS)}, got {name!r}.")
    return RESIDENCE_LAWS[name]
