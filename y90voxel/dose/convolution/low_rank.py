"""A kernel as a few separable terms, with a rigorous bound of what that costs in accuracy.

K[z, y, x] ≈ Σ_r s_r u_r[z] v_r[y] w_r[x] outside a small core around the source voxel, where K is steep and taken
exactly. The terms are fitted by damped least squares (Levenberg 1944, doi:10.1090/qam/10666; Marquardt 1963,
doi:10.1137/0111030) with weights that follow the error bound, starting from the shapes below.

The bound. Let E = |K_used - K|. For any weights ω ≥ 0 with Σ ω = 1 and c = max_p E(p) / (ω * K)(p), an activity
A ≥ 0 gives |ΔD| ≤ E * A ≤ c ω * (K * A) ≤ c max(D): a weighted mean never exceeds the maximum. Every ω gives a valid
bound; ω near E gives a sharp one. It is computed from the single-precision factors that are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from y90voxel.dose.convolution.tile_kernels import FoldedKernel, SeparatedKernel, reach_in_row

__all__ = ["TARGET_ERROR", "bound_of_error", "expected_operations", "expected_seconds", "separate"]

# Largest accepted bound; single-precision sums add less than the rest of 1e-4.
TARGET_ERROR = 9.5e-5
# What is tried in turn: terms, radius of the core over the reach of the kernel (half a voxel is added), and the longest
# reach [voxels] for which it may do; longer ones would only cost time.
ATTEMPTS = ((4, 0.26, 5), (4, 0.38, 5), (4, 0.43, 8), (6, 0.345, 99), (6, 0.445, 99), (6, 0.53, 99))
# Weight of the core in the fit. The core is exact whatever the terms are there, but large terms of opposite sign
# would cost single precision its digits.
CORE_PULL = 3e-6
# Largest sum of the terms' magnitudes over the central value, for the same reason.
LARGEST_TERMS = 1.0
# Starting shapes: sign and values at 0, 1, … 11 elevenths of the reach, in units of the cube root of the central
# value; fitted to the Y-90 kernel in water at 1 mm. A fit from here converges for any spacing, medium and nuclide
# tried; where it does not, the bound says so and the terms are not used.
_SHAPES = {
    4: (
        (1, (0.345, 0.314, 0.236, 0.148, 0.076, 0.032, 0.012, 0.003, 0.001, 0, 0, 0)),
        (-1, (0.235, 0.221, 0.182, 0.126, 0.07, 0.029, 0.007, 0, -0.001, 0, 0, 0)),
        (1, (0.106, 0.117, 0.132, 0.128, 0.098, 0.056, 0.023, 0.006, 0, 0, 0, 0)),
        (-1, (0.035, 0.051, 0.081, 0.096, 0.083, 0.051, 0.022, 0.006, 0.001, 0, 0, 0)),
    ),
    6: (
        (1, (0.4825, 0.4367, 0.3219, 0.1927, 0.0933, 0.0361, 0.011, 0.0027, 0.0004, 0.0001, 0, 0)),
        (1, (0.1511, 0.1082, 0.0096, -0.0663, -0.0803, -0.0531, -0.0225, -0.0054, -0.0007, 0.0002, 0.0001, 0)),
        (-1, (0.1698, 0.1747, 0.1791, 0.1542, 0.1014, 0.0478, 0.0149, 0.0021, -0.0002, -0.0003, 0, 0)),
        (1, (0.6823, 0.5788, 0.347, 0.1475, 0.0442, 0.0088, 0.0007, -0.0001, -0.0002, 0, 0, 0)),
        (-1, (0.7188, 0.62, 0.3912, 0.1808, 0.0606, 0.014, 0.0016, -0.0001, -0.0003, 0, 0, 0)),
        (1, (-0.041, -0.0048, 0.0753, 0.124, 0.1108, 0.0645, 0.0248, 0.0053, 0.0005, -0.0003, -0.0001, 0)),
    ),
}  # fmt: skip


def separate(kernel: NDArray[np.float64]) -> SeparatedKernel | None:
    """Return the kernel in separable terms, or None when the bound cannot be met.

    Parameters
    ----------
    kernel : ndarray, three odd lengths
        Mirror symmetric.
    """
    return _separate_cached(np.ascontiguousarray(kernel).tobytes(), kernel.shape)


@lru_cache(maxsize=16)
def _separate_cached(content: bytes, shape: tuple[int, int, int]) -> SeparatedKernel | None:
    """Fit once for every content; a fit takes 5 to 100 ms."""
    kernel = np.frombuffer(content).reshape(shape)
    a, b, c = (n // 2 for n in shape)
    octant = kernel[a:, b:, c:] / kernel.max()
    in_row = reach_in_row(octant)
    if in_row is None:
        return None
    for terms, share in _attempts(octant.shape):
        core = _core(octant.shape, share)
        if core.all():
            return None  # nothing is left to separate
        fit = _Fit(octant, core)
        factors = fit.solve(terms)
        if factors is None:
            continue
        separated = _arrange(octant, core, factors, in_row, float(kernel.max()))
        if separated is not None:
            return separated
    return None


def _core(octant_shape: tuple[int, ...], share: float) -> NDArray[np.bool_]:
    """Return which voxels of an octant lie in the ellipsoid whose semi-axes are a share of the reach."""
    along = np.ogrid[tuple(slice(n) for n in octant_shape)]
    semi_axes = (share * (n - 1) + 0.5 for n in octant_shape)
    return np.asarray(sum((i / r) ** 2 for i, r in zip(along, semi_axes, strict=True)) <= 1.0)


def _arrange(
    octant: NDArray[np.float64],
    core: NDArray[np.bool_],
    factors: list[NDArray[np.float64]],
    in_row: NDArray[np.int64],
    scale: float,
) -> SeparatedKernel | None:
    """Round the factors to single precision, take the core exactly, and bound the error of just that."""
    share = np.cbrt(scale)
    z, y, x = (np.ascontiguousarray(f * share, np.float32) for f in factors)
    product = np.einsum("ri,rj,rk->ijk", *(f.astype(np.float64) for f in (z, y, x)))
    if np.einsum("ri,rj,rk->ijk", *(np.abs(f) for f in (z, y, x))).max() > LARGEST_TERMS * scale:
        return None
    remainder = np.where(core, octant * scale - product, 0.0)
    product += remainder.astype(np.float32)
    error = bound_of_error(product, octant * scale)
    if error > TARGET_ERROR:
        return None
    x[:, 0] *= np.float32(0.5)
    box = tuple(slice(1 + i.max()) for i in np.nonzero(core))
    return SeparatedKernel(z, y, x, FoldedKernel.from_octant(remainder[box]), in_row, error)


def _attempts(octant_shape: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """Yield terms and radius of the core in the order in which they are tried."""
    reach = max(octant_shape) - 1
    return ((terms, share) for terms, share, longest in ATTEMPTS if reach <= longest)


def expected_operations(octant_shape: tuple[int, ...]) -> int:
    """Return the operations per voxel that the first attempt of ``separate`` would take."""
    a, b, c = (n - 1 for n in octant_shape)
    terms, share = next(_attempts(octant_shape))
    core = _core(octant_shape, share)
    direct = int(core[0, 0].sum() + core[0].sum() + (2 * core.sum(axis=0) - 1)[core[0]].sum())
    return direct + c + terms * (2 * a + 2 * b + c + 3)


def expected_seconds(octant_shape: tuple[int, ...]) -> float:
    """Return about how long ``separate`` takes for a new kernel [s]."""
    return 0.015 if max(octant_shape) - 1 <= 5 else 0.03 if max(octant_shape) - 1 <= 8 else 0.1


def bound_of_error(used: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    """Return c such that |found - exact dose| ≤ c max(exact dose) for every non-negative activity.

    Parameters
    ----------
    used, exact : ndarray
        Octants of two mirror-symmetric kernels.
    """
    return _bound(used, exact)[0]


def _bound(
    used: NDArray[np.float64], exact: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the bound, and on the octant E / (ω * K) and ω * K."""
    error, kernel = _mirrored(np.abs(used - exact)), _mirrored(exact)
    if not error.any():
        return 0.0, np.zeros_like(exact), np.ones_like(exact)
    peak = float(kernel.max())
    rounding = 1e-14 * peak
    octant = tuple(slice(n // 2, None) for n in error.shape)
    weights = error / error.sum()
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for _ in range(3):
        # Both are below ω * K: the transform less its rounding, and the central tap alone.
        field = np.maximum(_convolve_same(weights, kernel) - rounding, weights * peak)
        ratio = np.divide(error, field, out=np.zeros_like(error), where=error > 0)
        worst = float(ratio.max())
        if best is None or worst < best[0]:
            best = worst, ratio[octant], field[octant]
        # Move weight towards where the ratio is worst.
        pull = np.maximum(_convolve_same((ratio / worst) ** 7, kernel), 0.0)
        weights = weights * np.sqrt(pull / pull.max() + 1e-3)
        weights /= weights.sum()
    assert best is not None
    return best


def _mirrored(octant: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the whole kernel of an octant."""
    whole = octant
    for axis, n in enumerate(octant.shape):
        whole = np.take(whole, np.abs(np.arange(1 - n, n)), axis)
    return whole


def _convolve_same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve two arrays of one odd shape, cut to that shape."""
    padded = [2 * n - 1 for n in a.shape]
    axes = (0, 1, 2)
    spectrum = np.fft.rfftn(a, padded, axes) * np.fft.rfftn(b, padded, axes)
    inner = tuple(slice(n // 2, n // 2 + n) for n in a.shape)
    return np.asarray(np.fft.irfftn(spectrum, padded, axes)[inner])


@dataclass(eq=False)
class _Fit:
    """Damped least squares for the factors; axes that the kernel does not distinguish share theirs."""

    octant: NDArray[np.float64]
    core: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = self.octant.shape
        same = [
            shape[a] == shape[b] and np.array_equal(self.octant, self.octant.swapaxes(a, b))
            for a, b in ((0, 1), (0, 2), (1, 2))
        ]
        self.owner = (0, 0 if same[0] else 1, 0 if same[1] else (1 if same[2] and not same[0] else 2))
        self.axes = sorted(set(self.owner))
        index = np.indices(shape).reshape(3, -1)
        keep = np.ones(index.shape[1], bool)
        for a, b in ((0, 1), (1, 2), (0, 2)):
            if self.owner[a] == self.owner[b]:
                keep &= index[a] <= index[b]  # the others repeat them
        self.index = index[:, keep]
        self.values = self.octant[tuple(self.index)]
        self.in_core = self.core[tuple(self.index)]
        self.member = [np.eye(shape[a])[self.index[a]] for a in range(3)]

    def solve(self, terms: int) -> list[NDArray[np.float64]] | None:
        """Return factors [z, y, x] of shape (terms, half + 1), signs in those of z; None if out of reach."""
        signs, parameters = self._start(terms)
        weights, attention = self._even_weights(), np.ones_like(self.values)
        best: tuple[float, list[NDArray[np.float64]]] | None = None
        for attempt in range(6):
            parameters = self._descend(signs, parameters, weights * attention, 60 if attempt == 0 else 8)
            factors = self._factors(parameters, terms)
            product = np.einsum("r,ri,rj,rk->ijk", signs, *factors)
            product[self.core] = self.octant[self.core]
            error, ratio, field = _bound(product, self.octant)
            if best is None or error < best[0]:
                best = error, [signs[:, None] * factors[0], factors[1], factors[2]]
            if best[0] < 0.9 * TARGET_ERROR or error > 50 * TARGET_ERROR:
                break
            # Least squares leaves peaks; more and more attention to them brings the maximum down.
            weights = 1.0 / field[tuple(self.index)]
            attention *= np.sqrt(0.3 + ratio[tuple(self.index)] / ratio.max())
            attention /= attention.max()
        assert best is not None
        return best[1] if best[0] < 1.2 * TARGET_ERROR else None

    def _even_weights(self) -> NDArray[np.float64]:
        """Return the weights of a fit about which nothing is known yet: the error counts beside a smooth field."""
        broad = _mirrored(self.octant)
        centre = tuple(slice(n - 1, None) for n in self.octant.shape)
        return np.asarray(1.0 / _convolve_same(broad / broad.sum(), broad)[centre][tuple(self.index)])

    def _start(self, terms: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return signs and parameters of the tabulated shapes, scaled to the kernel."""
        signs = np.array([float(sign) for sign, _ in _SHAPES[terms]])
        shapes = np.array([shape for _, shape in _SHAPES[terms]])
        knots = np.linspace(0.0, 1.0, shapes.shape[1])
        parameters = []
        for axis in self.axes:
            places = np.arange(self.octant.shape[axis]) / max(self.octant.shape[axis] - 1, 1)
            parameters.append(np.array([np.interp(places, knots, shape) for shape in shapes]).ravel())
        return signs, np.concatenate(parameters)

    def _factors(self, parameters: NDArray[np.float64], terms: int) -> list[NDArray[np.float64]]:
        """Return the factors of the three axes."""
        parts, at = {}, 0
        for axis in self.axes:
            size = terms * self.octant.shape[axis]
            parts[axis] = parameters[at : at + size].reshape(terms, -1)
            at += size
        return [parts[owner] for owner in self.owner]

    def _descend(
        self,
        signs: NDArray[np.float64],
        parameters: NDArray[np.float64],
        weights: NDArray[np.float64],
        steps: int,
    ) -> NDArray[np.float64]:
        """Improve the parameters by at most ``steps`` steps of Levenberg and Marquardt."""
        weights = weights / np.linalg.norm((weights * self.values)[~self.in_core])
        weights[self.in_core] *= CORE_PULL
        damping, stalled = 1e-3, 0
        at_voxels, residual = self._residual(signs, parameters, weights)
        for _ in range(steps):
            jacobian = self._jacobian(signs, at_voxels, weights)
            normal, slope = jacobian.T @ jacobian, jacobian.T @ residual
            scale = np.maximum(np.diag(normal), normal.max() * 1e-10)
            before = float(residual @ residual)
            for _ in range(6):
                step = np.linalg.solve(normal + np.diag(damping * scale), -slope)
                trial = parameters + step
                trial_at_voxels, trial_residual = self._residual(signs, trial, weights)
                after = float(trial_residual @ trial_residual)
                if after < before:
                    break
                damping *= 5
            else:
                return parameters
            parameters, at_voxels, residual = trial, trial_at_voxels, trial_residual
            damping = max(damping / 6, 1e-12)
            stalled = stalled + 1 if before - after < 1e-3 * before else 0
            if stalled == 2:
                return parameters
        return parameters

    def _residual(
        self, signs: NDArray[np.float64], parameters: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
        """Return the factors at every fitted voxel, and the weighted difference."""
        factors = self._factors(parameters, signs.size)
        at_voxels = [factors[a][:, self.index[a]] for a in range(3)]
        product = at_voxels[0] * at_voxels[1] * at_voxels[2]
        return at_voxels, (signs @ product - self.values) * weights

    def _jacobian(
        self,
        signs: NDArray[np.float64],
        at_voxels: list[NDArray[np.float64]],
        weights: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the derivatives of the weighted difference, (voxels, parameters)."""
        blocks: dict[int, NDArray[np.float64]] = {}
        for a in range(3):
            b, c = (other for other in range(3) if other != a)
            outer = (signs[:, None] * at_voxels[b] * at_voxels[c] * weights).T
            block = outer[:, :, None] * self.member[a][:, None, :]
            owner = self.owner[a]
            blocks[owner] = blocks[owner] + block if owner in blocks else block
        return np.concatenate([blocks[axis].reshape(weights.size, -1) for axis in self.axes], axis=1)
