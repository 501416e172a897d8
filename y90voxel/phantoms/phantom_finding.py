"""Where the spheres of a phantom are in an image: found by themselves, checked against their layout and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from y90voxel.errors import InputError
from y90voxel.phantoms.phantom_layout import PhantomLayout, Pose
from y90voxel.phantoms.sphere_model import SphereModel, fit_sphere_model
from y90voxel.volumes.grid import Grid

__all__ = ["FoundPhantom", "FoundSphere", "find_spheres", "found_at"]

# A Laplacian of this standard deviation answers most to spheres of 28 mm (R = √3 σ), and to all from 10 to 37 mm [mm].
BLOB_SIGMA_MM = 8.0
# Blobs looked at, the strongest first, and the least of them relative to the strongest.
MOST_BLOBS, LEAST_BLOB = 14, 0.05
# How far three blobs may miss the places of the layout, and a blob its place once the others are fitted [mm].
PLACE_TOLERANCE_MM = 6.0
# Three points fix a rotation and a shift.
LEAST_SPHERES = 3
# Blur moves activity around a sphere, and leaves it within this radius of its centre [mm]; half the distance of places is 28.6.
WHOLE_RADIUS_MM = 24.0
# Diameters by counts may differ from those of the record by this much: 40 % of the volume.
DIAMETER_TOLERANCE = 0.12
# A sphere is found by itself where its counts exceed their noise this many times; else it is placed from the layout.
LEAST_SIGNAL = 4.0
# How well spheres hang where the drawing says, by axis [mm]: half a small voxel, a choice. Weighs own and drawn places.
LAYOUT_TOLERANCE_MM = 0.5
# What of a sphere must lie in the image beyond its surface [mm].
SPHERE_MARGIN_MM = 5.0


@dataclass(frozen=True, eq=False)
class FoundSphere:
    """A sphere in an image.

    Parameters
    ----------
    diameter_mm : float
        Inner diameter by the record [mm].
    centre_mm : ndarray, (3,)
        Centre, LPS [mm].
    placed : bool
        Whether it was placed from the layout because the image does not show it.
    diameter_by_counts_mm : float or None
        Diameter of a sphere with as many counts above the background, where noise allows one [mm].
    off_layout_mm : float
        Distance from its place in the layout that fits all spheres best [mm].
    """

    diameter_mm: float
    centre_mm: NDArray[np.float64]
    placed: bool
    diameter_by_counts_mm: float | None
    off_layout_mm: float


@dataclass(frozen=True, eq=False)
class FoundPhantom:
    """Spheres of a phantom in an image.

    Parameters
    ----------
    pose : Pose
        How the layout lies in the image; of a flat circle of spheres both handednesses look alike, a rotation is given.
    spheres : tuple of FoundSphere
        In the order of the layout.
    model : SphereModel
        Amplitude, background and width that fit the image around the spheres.
    drawn : bool
        Whether positions come from drawn regions.
    """

    pose: Pose
    spheres: tuple[FoundSphere, ...]
    model: SphereModel
    drawn: bool = False


def find_spheres(image: NDArray[np.float64], grid: Grid, layout: PhantomLayout) -> FoundPhantom:
    """Return the spheres of a layout in an image, whatever its rotation and handedness.

    Blobs of the size of spheres are matched to the circle of the layout, three at a time; the sizes tell which place is which;
    then centres, amplitude, background and width are fitted to blurred spheres.

    Parameters
    ----------
    image : ndarray, (slices, rows, columns)
        Any unit that is proportional to concentration.
    grid : Grid
        Its voxels.
    layout : PhantomLayout
        With spheres, warmer than what surrounds them.

    Raises
    ------
    InputError
        If the circle is not found, a sphere is cut off by the image, or sizes by counts contradict the record.
    """
    blobs, strengths, response = _blobs(image, grid)
    pose = _circle(blobs, strengths, response, grid, layout)
    pose = _labelled(image, grid, layout, pose)
    return found_at(image, grid, layout, _near(blobs, layout, pose), pose)


def found_at(
    image: NDArray[np.float64],
    grid: Grid,
    layout: PhantomLayout,
    centres_mm: Sequence[NDArray[np.float64] | None],
    pose: Pose | None = None,
    drawn: bool = False,
) -> FoundPhantom:
    """Return the phantom whose spheres lie about known centres; drawn ones stay where they were drawn.

    Parameters
    ----------
    image, grid, layout
        As for `find_spheres`.
    centres_mm : sequence of ndarray or None, (spheres,)
        About where each sphere is [mm]; None where that is not known.
    pose : Pose or None
        About how the layout lies; None fits the centres.
    drawn : bool
        Whether the centres are final.

    Raises
    ------
    InputError
        As `find_spheres`.
    """
    placed = [k for k, centre in enumerate(centres_mm) if centre is not None]
    if pose is None:
        pose = _fitted(layout, placed, [c for c in centres_mm if c is not None])
    diameters = [sphere.diameter_mm for sphere in layout.spheres]
    places = [pose.to_image(np.array(sphere.centre_mm)) for sphere in layout.spheres]
    start = [place if centre is None else centre for place, centre in zip(places, centres_mm, strict=True)]
    _check_inside(start, diameters, grid, 0.0)  # about; again once centres are fitted
    axis = pose.rotation[:, 2] if layout.insert_diameter_mm else None
    insert = (pose.centre_mm, axis, 0.5 * (layout.insert_diameter_mm or 0.0)) if axis is not None else None
    model = fit_sphere_model(image, grid, start, diameters, insert, move=not drawn)
    seen = model.signals > LEAST_SIGNAL
    close = [
        np.linalg.norm(c - p) <= PLACE_TOLERANCE_MM for c, p in zip(model.centres_mm, start, strict=True)
    ]
    own = [k for k in range(len(diameters)) if drawn or (seen[k] and close[k])]
    if len(own) < LEAST_SPHERES:
        raise _not_found(f"only {len(own)} of {len(diameters)} spheres stand out from the noise")
    doubt = model.centre_errors_mm**2
    weights = 1.0 / (doubt[own] + LAYOUT_TOLERANCE_MM**2)
    pose = _fitted(layout, own, [model.centres_mm[k] for k in own], weights)
    places = [pose.to_image(np.array(sphere.centre_mm)) for sphere in layout.spheres]
    trust = [
        LAYOUT_TOLERANCE_MM**2 / (LAYOUT_TOLERANCE_MM**2 + one) if k in own else 0.0
        for k, one in enumerate(doubt)
    ]
    centres = [t * c + (1.0 - t) * p for t, c, p in zip(trust, model.centres_mm, places, strict=True)]
    _check_inside(centres, diameters, grid, SPHERE_MARGIN_MM)
    by_counts = _diameters_by_counts(model, diameters)
    spheres = tuple(
        FoundSphere(d, np.asarray(c), k not in own, by_counts[k], float(np.linalg.norm(c - places[k])))
        for k, (d, c) in enumerate(zip(diameters, centres, strict=True))
    )
    _check_sizes(spheres, model)
    return FoundPhantom(pose, spheres, model.moved_to(centres), drawn)


def _blobs(
    image: NDArray[np.float64], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centres [mm] and strengths of the strongest blobs, and the response of every voxel."""
    # deferred: 0.2 s
    from scipy.ndimage import gaussian_filter, maximum_filter

    sigmas = [BLOB_SIGMA_MM / s for s in grid.spacing_mm]
    response = np.zeros(grid.shape)
    for axis, spacing in enumerate(grid.spacing_mm):
        order = [2 if a == axis else 0 for a in range(3)]
        response -= gaussian_filter(image, sigmas, order=order, mode="nearest") / spacing**2
    size = [2 * int(np.ceil(BLOB_SIGMA_MM / s)) + 1 for s in grid.spacing_mm]
    peaks = (maximum_filter(response, size=size, mode="nearest") == response) & (
        response > LEAST_BLOB * response.max()
    )
    where = np.argwhere(peaks)
    strengths = response[tuple(where.T)]
    order_ = np.argsort(-strengths)[:MOST_BLOBS]
    return grid.index_to_lps(where[order_]), strengths[order_], response


def _circle(
    blobs: NDArray[np.float64],
    strengths: NDArray[np.float64],
    response: NDArray[np.float64],
    grid: Grid,
    layout: PhantomLayout,
) -> Pose:
    """The pose in which the places of the layout answer most, of all that three blobs allow."""
    # deferred: 0.2 s
    from scipy.ndimage import map_coordinates

    places = np.array([sphere.centre_mm for sphere in layout.spheres])
    sides = np.linalg.norm(blobs[:, None] - blobs[None], axis=-1)
    best, greatest, matched = None, 0.0, 0
    # three places of a hexagon, up to its symmetries
    triples = [order for triple in ((0, 1, 2), (0, 1, 3), (0, 2, 4)) for order in permutations(triple)]
    for three in combinations(range(len(blobs)), 3):
        measured_sides = np.array(
            [sides[three[0], three[1]], sides[three[1], three[2]], sides[three[0], three[2]]]
        )
        for order in triples:
            a, b, c = places[list(order)]
            wanted = np.linalg.norm([a - b, b - c, a - c], axis=1)
            if np.abs(measured_sides - wanted).max() > PLACE_TOLERANCE_MM:
                continue
            pose = _fitted(layout, order, list(blobs[list(three)]))
            at = grid.lps_to_index(pose.to_image(places))
            score = float(np.maximum(map_coordinates(response, at.T, order=1, mode="constant"), 0.0).sum())
            if score > greatest:
                near = np.linalg.norm(pose.to_image(places)[:, None] - blobs[None], axis=-1).min(axis=1)
                best, greatest, matched = pose, score, int((near <= PLACE_TOLERANCE_MM).sum())
    if best is None or matched < LEAST_SPHERES:
        raise _not_found(
            f"of {len(blobs)} warm spots no {LEAST_SPHERES} lie on the circle of {np.hypot(*places[0][:2]):.1f} mm radius"
        )
    return best


def _fitted(
    layout: PhantomLayout,
    which: Sequence[int],
    at_mm: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64] | None = None,
) -> Pose:
    """The rotation and shift that bring places of the layout to points, by least squares (Kabsch 1976, Acta Cryst A32:922)."""
    places, points = np.array([layout.spheres[k].centre_mm for k in which]), np.array(at_mm)
    share = np.full(len(which), 1.0 / len(which)) if weights is None else weights / weights.sum()
    middle, centre = share @ places, share @ points
    u, _, vt = np.linalg.svd(((places - middle) * share[:, None]).T @ (points - centre))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    rotation = vt.T @ sign @ u.T
    return Pose(rotation, centre - rotation @ middle)


def _labelled(image: NDArray[np.float64], grid: Grid, layout: PhantomLayout, pose: Pose) -> Pose:
    """The pose turned or flipped so that sizes by counts are those of the layout."""
    places = np.array([sphere.centre_mm for sphere in layout.spheres])
    wanted = np.array([sphere.diameter_mm for sphere in layout.spheres])
    sizes = np.cbrt(np.maximum([_excess(image, grid, at) for at in pose.to_image(places)], 0.0))
    count = len(places)
    options = [(turn, step) for step in (1, -1) for turn in range(count)]
    misfit = []
    for turn, step in options:
        own = sizes[(turn + step * np.arange(count)) % count]
        scale = (own @ wanted) / max(own @ own, 1e-300)
        misfit.append(float(((scale * own - wanted) ** 2).sum()))
    turn, step = options[int(np.argmin(misfit))]
    order = (turn + step * np.arange(count)) % count
    return _fitted(layout, range(count), list(pose.to_image(places)[order]))


def _excess(image: NDArray[np.float64], grid: Grid, centre_mm: NDArray[np.float64]) -> float:
    """Counts above what surrounds a place, within the radius that holds the whole of a blurred sphere."""
    low = np.floor(grid.lps_to_index(centre_mm) - (WHOLE_RADIUS_MM + 6.0) / np.array(grid.spacing_mm)).astype(
        int
    )
    high = np.ceil(grid.lps_to_index(centre_mm) + (WHOLE_RADIUS_MM + 6.0) / np.array(grid.spacing_mm)).astype(
        int
    )
    box = tuple(
        slice(max(a, 0), max(b + 1, 0))
        for a, b in zip(np.minimum(low, high), np.maximum(low, high), strict=True)
    )
    part = image[box]
    if part.size == 0:
        return 0.0
    indices = np.indices(part.shape).reshape(3, -1).T + np.array([s.start for s in box])
    distance = np.linalg.norm(grid.index_to_lps(indices) - centre_mm, axis=1)
    values = part.ravel()
    inside, around = distance <= WHOLE_RADIUS_MM, distance > WHOLE_RADIUS_MM
    if not (inside.any() and around.any()):
        return 0.0
    return float((values[inside] - np.median(values[around])).sum())


def _near(blobs: NDArray[np.float64], layout: PhantomLayout, pose: Pose) -> list[NDArray[np.float64] | None]:
    """The blob at each place of the layout, None where there is none."""
    at = pose.to_image(np.array([sphere.centre_mm for sphere in layout.spheres]))
    distances = np.linalg.norm(at[:, None] - blobs[None], axis=-1)
    nearest = distances.argmin(axis=1)
    return [blobs[n] if distances[k, n] <= PLACE_TOLERANCE_MM else None for k, n in enumerate(nearest)]


def _check_inside(
    centres: Sequence[NDArray[np.float64]], diameters: Sequence[float], grid: Grid, margin_mm: float
) -> None:
    """Refuse an image that cuts a sphere off."""
    for centre, diameter in zip(centres, diameters, strict=True):
        room = 0.5 * diameter + margin_mm
        index, last = grid.lps_to_index(centre), np.array(grid.shape) - 0.5
        gap = np.minimum(index + 0.5, last - index) * np.array(grid.spacing_mm)
        if gap.min() < room:
            raise InputError(
                f"the image cuts off the sphere of {diameter:g} mm: its centre at ({', '.join(f'{x:.1f}' for x in centre)}) mm "
                f"lies {gap.min():.1f} mm from the edge, {room:.1f} mm are needed. Scan the phantom again with all spheres "
                "inside the field of view.",
                tag="PixelData",
            )


def _diameters_by_counts(model: SphereModel, diameters: Sequence[float]) -> list[float | None]:
    """Diameter of each sphere from its counts above background, on the scale that fits the well-known ones together."""
    doubt = model.count_errors / np.maximum(np.abs(model.counts), 1e-300)
    certain = doubt < 1.0 / LEAST_SIGNAL
    if certain.sum() < LEAST_SPHERES:
        return [None] * len(diameters)
    scale = float(np.median(model.counts[certain]))
    sizes = np.cbrt(np.maximum(model.counts / scale, 0.0)) * np.array(diameters)
    return [float(size) if ok else None for size, ok in zip(sizes, certain, strict=True)]


def _check_sizes(spheres: Sequence[FoundSphere], model: SphereModel) -> None:
    """Refuse spheres whose counts are those of another size, by more than the tolerance and than noise makes likely."""
    wrong = [
        f"{s.diameter_mm:g} mm by the record, {s.diameter_by_counts_mm:.1f} mm by counts"
        for s, doubt in zip(
            spheres, model.count_errors / np.maximum(np.abs(model.counts), 1e-300), strict=True
        )
        if s.diameter_by_counts_mm is not None
        and abs(s.diameter_by_counts_mm / s.diameter_mm - 1.0)
        > max(DIAMETER_TOLERANCE, LEAST_SIGNAL * doubt / 3.0)
    ]
    if wrong:
        raise InputError(
            f"sizes of spheres contradict the filling record: {'; '.join(wrong)} (all filled alike, "
            f"within {100 * DIAMETER_TOLERANCE:.0f} %). Check phantom.sphere_diameters_mm, their order, and that no sphere "
            "holds another solution.",
            tag="phantom.sphere_diameters_mm",
        )


def _not_found(why: str) -> InputError:
    """The error for a phantom that is not there."""
    return InputError(
        f"the spheres of the phantom were not found: {why}. Check that the image is the NEMA IEC phantom of the record and that "
        "its spheres are warmer than the background, or draw them (contours).",
        tag="phantom.kind",
    )
