"""Compiled random numbers and directions: one stream of 64 bits a particle, which may be started again anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

__all__ = ["azimuth", "bits", "halves", "isotropic", "next_key", "seed_history", "turned", "uniform"]

Array = NDArray[Any]
Vector = tuple[float, float, float]

# Taylor's series of sin(x) to x¹³: within 7e-10 on [-π/2, π/2], and cos from the root keeps the length.
S3, S5, S7, S9, S11, S13 = -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _mix(z: Any) -> Any:
    """Scramble 64 bits (the finaliser of SplitMix64, Steele et al. 2014, doi:10.1145/2714064.2660195)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True, error_model="numpy")
def seed_history(rng: Array, seed: int, history: int) -> None:
    """Give a history its own stream: state and odd increment by hash of seed and number of the history."""
    key = _mix(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
    rng[0] = _mix(key ^ (np.uint64(history) * np.uint64(0xD1342543DE82EF95)))
    rng[1] = _mix(rng[0] + np.uint64(0x632BE59BD9B4E019)) | np.uint64(1)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def bits(rng: Array) -> Any:
    """Next 64 bits of the stream."""
    rng[0] += rng[1]
    return _mix(rng[0])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def next_key(key: Any) -> Any:
    """Where a stream goes on after an event, whatever was drawn before it."""
    return _mix(key + np.uint64(0x9E3779B97F4A7C15))


@njit(cache=True, nogil=True, error_model="numpy")
def uniform(rng: Array) -> float:
    """Next number of the stream in [0, 1)."""
    return float((bits(rng) >> np.uint64(11)) * 1.1102230246251565e-16)


@njit(cache=True, nogil=True, error_model="numpy")
def halves(rng: Array) -> tuple[float, float]:
    """Two numbers in [0, 1) of 32 bits each, for what needs no more."""
    z = bits(rng)
    return (
        float(z >> np.uint64(32)) * 2.3283064365386963e-10,
        float(z & np.uint64(0xFFFFFFFF)) * 2.3283064365386963e-10,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def azimuth(u: float) -> tuple[float, float]:
    """Cosine and sine of the uniform angle that belongs to a uniform number."""
    whole = 2.0 * u
    side = 1.0 if whole >= 1.0 else -1.0
    x = np.pi * (whole - np.floor(whole) - 0.5)
    y = x * x
    s = x * (1.0 + y * (S3 + y * (S5 + y * (S7 + y * (S9 + y * (S11 + y * S13))))))
    return side * np.sqrt(max(0.0, 1.0 - s * s)), s


@njit(cache=True, nogil=True, error_model="numpy")
def isotropic(rng: Array) -> Vector:
    """A direction without preference."""
    w = 2.0 * uniform(rng) - 1.0
    c, s = azimuth(uniform(rng))
    sine = np.sqrt(1.0 - w * w)
    return sine * c, sine * s, w


@njit(cache=True, nogil=True, error_model="numpy")
def turned(direction: Vector, cosine: float, c: float, s: float) -> Vector:
    """A direction turned by a polar angle of given cosine, and by an azimuth of cosine c and sine s.

    The azimuth counts from the first of two axes that are normal to the direction (Duff et al. 2017, J Comput Graph Tech 6:1).
    """
    u, v, w = direction
    sine = np.sqrt(max(0.0, 1.0 - cosine * cosine))
    c *= sine
    s *= sine
    sign = 1.0 if w >= 0.0 else -1.0
    a = -1.0 / (sign + w)
    b = u * v * a
    u1 = u * cosine + c * (1.0 + sign * u * u * a) + s * b
    v1 = v * cosine + c * sign * b + s * (sign + v * v * a)
    w1 = w * cosine - c * sign * u - s * v
    # One Newton step of 1/sqrt keeps the length at 1 within rounding.
    norm = 1.5 - 0.5 * (u1 * u1 + v1 * v1 + w1 * w1)
    return u1 * norm, v1 * norm, w1 * norm
