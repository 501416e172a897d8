"""Plain twins of the resampling rules, voxel by voxel, importing nothing from the package."""

import itertools

import numpy as np


def overlap_mm3(centre_a, size_a, centre_b, size_b):
    """Volume that two axis-parallel boxes share."""
    volume = 1.0
    for a, sa, b, sb in zip(centre_a, size_a, centre_b, size_b, strict=True):
        volume *= max(0.0, min(a + sa / 2, b + sb / 2) - max(a - sa / 2, b - sb / 2))
    return volume


def centres(shape, affine):
    """Return (index, LPS centre) of every voxel."""
    for index in itertools.product(*[range(n) for n in shape]):
        yield index, affine[:3, :3] @ index + affine[:3, 3]


def box_sum(source, source_affine, target_shape, target_affine):
    """Hand every target voxel the part of each source voxel that lies in it; axes parallel to LPS only."""
    size_a = np.abs(source_affine[:3, :3]).sum(axis=1)
    size_b = np.abs(target_affine[:3, :3]).sum(axis=1)
    out = np.zeros(target_shape)
    for a, pa in centres(source.shape, source_affine):
        for b, pb in centres(target_shape, target_affine):
            out[b] += source[a] * overlap_mm3(pa, size_a, pb, size_b) / np.prod(size_a)
    return out


def trilinear(source, index):
    """Interpolate at a fractional index, constant beyond the border centres; None outside the box."""
    if any(i < -0.5 or i > n - 0.5 for i, n in zip(index, source.shape, strict=True)):
        return None
    index = [min(max(i, 0.0), n - 1.0) for i, n in zip(index, source.shape, strict=True)]
    total = 0.0
    for corner in itertools.product((0, 1), repeat=3):
        weight, place = 1.0, []
        for i, c, n in zip(index, corner, source.shape, strict=True):
            low = min(int(i), n - 1)
            weight *= (i - low) if c else 1 - (i - low)
            place.append(min(low + c, n - 1))
        total += weight * source[tuple(place)]
    return total


def linear(source, source_affine, target_shape, target_affine, fill):
    """Interpolate the source at every target centre."""
    inverse = np.linalg.inv(source_affine)
    out = np.zeros(target_shape)
    for index, point in centres(target_shape, target_affine):
        value = trilinear(source, inverse[:3, :3] @ point + inverse[:3, 3])
        out[index] = fill if value is None else value
    return out
