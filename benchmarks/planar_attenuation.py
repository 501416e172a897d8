"""Effective attenuation of opposite planar views of Tc-99m with scatter in their window: the default of planar_shunt.

``python benchmarks/planar_attenuation.py [--quick] [--json FILE]``

Photons of 140.5 keV from a box of uniform activity in a slab of water, endless sideways. Compton scattering on free electrons
(Klein-Nishina) and photoelectric effect; coherent scattering goes forwards and counts as none. Parallel holes: each scattering
adds what reaches both cameras straight from it (next-event estimate), weighted by the window of 10 % to either side and 9.5 %
FWHM of energy resolution. The coefficient is the one that the conjugate-view formula needs to give the true activity.
"""

# ruff: noqa: NPY002  # compiled code draws from the generator of numba

from __future__ import annotations

import argparse
import math

import numpy as np
from harness import format_table, write_json
from numba import njit

PEAK_KEV, ELECTRON_KEV = 140.5, 511.0
ELECTRONS_PER_G, RADIUS_CM = 3.343e23, 2.8179403e-13
# Water at 100 keV by XCOM, and its slope to 150 keV.
PHOTOELECTRIC_CM2_PER_G, PHOTOELECTRIC_POWER = 2.76e-3, 3.1
RESOLUTION, HALF_WINDOW, LEAST_KEV, ORDERS = 0.095, 0.10, 100.0, 12
# Slab, front and back of the source, half its width; all in cm.
CASES = ((15, 5, 10, 8), (20, 4, 16, 8), (20, 9, 11, 3), (22, 6, 18, 8), (24, 6, 18, 5), (26, 6, 20, 9))
# Around the source, what is counted with it [cm].
AROUND = (0.0, 2.0)


@njit(cache=True)
def compton_cm2(kev):
    k = kev / ELECTRON_KEV
    log = math.log(1 + 2 * k)
    first = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - log / k)
    return 2 * math.pi * RADIUS_CM**2 * (first + log / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2)


@njit(cache=True)
def per_cm(kev):
    return ELECTRONS_PER_G * compton_cm2(kev) + PHOTOELECTRIC_CM2_PER_G * (100.0 / kev) ** PHOTOELECTRIC_POWER


@njit(cache=True)
def in_window(kev):
    sigma = RESOLUTION * PEAK_KEV / 2.3548 * math.sqrt(kev / PEAK_KEV)
    high, low = PEAK_KEV * (1 + HALF_WINDOW) - kev, PEAK_KEV * (1 - HALF_WINDOW) - kev
    return 0.5 * (math.erf(high / sigma / math.sqrt(2.0)) - math.erf(low / sigma / math.sqrt(2.0)))


@njit(cache=True)
def towards(kev, cosine):
    """Share of Compton photons per steradian at an angle, and their energy."""
    left = 1 / (1 + kev / ELECTRON_KEV * (1 - cosine))
    per_sr = 0.5 * RADIUS_CM**2 * left**2 * (left + 1 / left - (1 - cosine**2))
    return per_sr / compton_cm2(kev), kev * left


@njit(cache=True)
def simulate(histories, slab, first, last, half, counted, seed):
    """Counts per decay and steradian at the front and the back camera: primary, scattered."""
    np.random.seed(seed)
    out = np.zeros((2, 2))
    for _ in range(histories):
        x, y = half * (2 * np.random.random() - 1), half * (2 * np.random.random() - 1)
        z, kev, weight = first + (last - first) * np.random.random(), PEAK_KEV, 1.0
        for side in range(2):
            depth = z if side == 0 else slab - z
            out[side, 0] += math.exp(-per_cm(kev) * depth) * in_window(kev) / (4 * math.pi)
        dz, turn = 2 * np.random.random() - 1, 2 * math.pi * np.random.random()
        dx, dy = math.sqrt(1 - dz * dz) * math.cos(turn), math.sqrt(1 - dz * dz) * math.sin(turn)
        for _order in range(ORDERS):
            step = -math.log(1 - np.random.random()) / per_cm(kev)
            x, y, z = x + step * dx, y + step * dy, z + step * dz
            if z < 0 or z > slab:
                break
            weight *= ELECTRONS_PER_G * compton_cm2(kev) / per_cm(kev)
            if abs(x) < counted and abs(y) < counted:
                for side in range(2):
                    share, seen = towards(kev, -dz if side == 0 else dz)
                    if seen > LEAST_KEV:
                        depth = z if side == 0 else slab - z
                        out[side, 1] += weight * share * math.exp(-per_cm(seen) * depth) * in_window(seen)
            while True:  # forwards is the likeliest angle
                cosine = 2 * np.random.random() - 1
                share, left = towards(kev, cosine)
                if np.random.random() * towards(kev, 1.0)[0] < share:
                    break
            kev = left
            if kev < LEAST_KEV:
                break
            turn, sine = 2 * math.pi * np.random.random(), math.sqrt(max(0.0, 1 - cosine**2))
            a, b = sine * math.cos(turn), sine * math.sin(turn)
            flat = math.sqrt(max(1e-12, 1 - dz * dz))
            dx, dy, dz = (
                (a * dx * dz - b * dy) / flat + cosine * dx,
                (a * dy * dz + b * dx) / flat + cosine * dy,
                cosine * dz - a * flat,
            )
    return out / histories


def effective_per_cm(views, slab, thickness):
    """Coefficient that makes the conjugate views true."""
    from scipy.optimize import brentq

    mean = math.sqrt(views[0] * views[1]) * 4 * math.pi / in_window(PEAK_KEV)

    def excess(coefficient):
        half = 0.5 * coefficient * thickness
        return math.exp(-0.5 * coefficient * slab) * math.sinh(half) / half - mean

    return brentq(excess, 0.01, 0.4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    asked = parser.parse_args()
    histories = 20_000 if asked.quick else 1_000_000
    rows = []
    for slab, first, last, half in CASES:
        for around in AROUND:
            found = simulate(histories, float(slab), float(first), float(last), float(half), half + around, 1)
            rows.append(
                {
                    "slab_cm": slab,
                    "source_cm": last - first,
                    "half_width_cm": half,
                    "around_cm": around,
                    "scatter_over_primary": found[:, 1].sum() / found[:, 0].sum(),
                    "primary_per_cm": effective_per_cm(found[:, 0], slab, last - first),
                    "effective_per_cm": effective_per_cm(found.sum(axis=1), slab, last - first),
                }
            )
    print(format_table(list(rows[0]), [[f"{value:.4g}" for value in row.values()] for row in rows]))
    values = [row["effective_per_cm"] for row in rows]
    print(
        f"narrow beam {per_cm(PEAK_KEV):.4f} per cm; effective {np.mean(values):.4f}, SD {np.std(values, ddof=1):.4f}"
    )
    if asked.json:
        write_json(asked.json, {"cases": rows})


if __name__ == "__main__":
    main()
