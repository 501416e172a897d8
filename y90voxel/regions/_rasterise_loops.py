"""Compiled loops that turn polygons into area coverage. Arrays and scalars in, ``out`` filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from y90voxel.compiled import njit

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def _area_right_of_edge(x: float, low: float, high: float) -> float:
    """Mean over the strip of max(0, x - edge) for an edge that runs straight from low to high."""
    if x <= low:
        return 0.0
    if x >= high:
        return x - 0.5 * (low + high)
    return (x - low) * (x - low) / (2.0 * (high - low))


@njit(cache=True, nogil=True)
def _add_edge(low: float, high: float, amount: float, cells: Array, steps: Array) -> None:
    """Add amount times the fraction of each cell that lies right of the edge."""
    columns = cells.shape[0]
    if low > high:
        low, high = high, low
    if low >= columns:
        return
    if high <= 0.0:
        steps[0] += amount
        return
    first, last = max(int(np.floor(low)), 0), int(np.floor(high))
    for column in range(first, min(last + 1, columns)):
        inside = _area_right_of_edge(column + 1.0, low, high) - _area_right_of_edge(column, low, high)
        cells[column] += amount * inside
    if last + 1 < columns:
        steps[last + 1] += amount


@njit(cache=True, nogil=True)
def _sort_by_middle(active: Array, count: int, start_x: Array, stop_x: Array) -> bool:
    """Sort the active edges by the middle of the strip; return whether two of them cross within it."""
    for i in range(1, count):
        edge, x0, x1 = active[i], start_x[i], stop_x[i]
        j = i - 1
        while j >= 0 and start_x[j] + stop_x[j] > x0 + x1:
            active[j + 1], start_x[j + 1], stop_x[j + 1] = active[j], start_x[j], stop_x[j]
            j -= 1
        active[j + 1], start_x[j + 1], stop_x[j + 1] = edge, x0, x1
    crossing = False
    for i in range(1, count):
        crossing |= start_x[i - 1] > start_x[i] + 1e-9 or stop_x[i - 1] > stop_x[i] + 1e-9
    return crossing


@njit(cache=True, nogil=True)
def _cover_strip(
    low: Array,
    high: Array,
    region: Array,
    count: int,
    height: float,
    inside: Array,
    cells: Array,
    steps: Array,
) -> None:
    """Add a strip whose edges do not cross, sorted, each of its region: what lies in any region counts once."""
    regions_here, opened = 0, 0
    inside[:] = 0
    for i in range(count):
        inside[region[i]] ^= 1
        before = regions_here
        regions_here += 1 if inside[region[i]] else -1
        if before == 0:
            opened = i
        elif regions_here == 0:
            _add_edge(low[opened], high[opened], height, cells, steps)
            _add_edge(low[i], high[i], -height, cells, steps)


@njit(cache=True, nogil=True)
def _cover_plane(
    edges: Array,
    owners: Array,
    finest: float,
    inside: Array,
    region: Array,
    active: Array,
    start_x: Array,
    stop_x: Array,
    cells: Array,
    steps: Array,
    out: Array,
) -> None:
    """Fill out with the fraction of each cell that lies inside an odd number of polygons of any region.

    Cell (row, column) is the unit square from (row, column). The plane is cut into strips at every
    vertex and every row border, so that within a strip all edges are straight and the area of each cell
    is exact. Where edges cross inside a strip, it is halved until it is ``finest`` high.

    Parameters
    ----------
    edges : (n, 4) of y0, x0, y1, x1 with y0 < y1, sorted by y0.
    owners : (n,), the region of each edge, counted from 0.
    finest : height of the thinnest strip.
    inside : (regions,) work space.
    region, active, start_x, stop_x : (n,) work space.
    cells, steps : (columns,) work space.
    out : (rows, columns), zeros.
    """
    rows, columns = out.shape
    if edges.shape[0] == 0:
        return
    y = max(edges[0, 0], 0.0)
    y_end = min(edges[:, 2].max(), float(rows))
    next_edge = 0
    count = 0
    cells[:] = 0.0
    steps[:] = 0.0
    while y < y_end:
        row = int(np.floor(y))
        border = min(row + 1.0, y_end)
        while next_edge < edges.shape[0] and edges[next_edge, 0] <= y:
            active[count] = next_edge
            count += 1
            next_edge += 1
        if next_edge < edges.shape[0]:
            border = min(border, edges[next_edge, 0])
        remaining = 0
        for i in range(count):
            if edges[active[i], 2] > y:
                active[remaining] = active[i]
                border = min(border, edges[active[i], 2])
                remaining += 1
        count = remaining
        while True:
            for i in range(count):
                y0, x0, y1, x1 = edges[active[i]]
                slope = (x1 - x0) / (y1 - y0)
                start_x[i] = x0 + slope * (y - y0)
                stop_x[i] = x0 + slope * (border - y0)
            crossing = _sort_by_middle(active, count, start_x, stop_x)
            if not crossing or border - y <= finest:
                break
            border = 0.5 * (y + border)
        height = border - y
        for i in range(count):
            region[i] = owners[active[i]]
        _cover_strip(start_x, stop_x, region, count, height, inside, cells, steps)
        y = border
        if y >= row + 1.0 or y >= y_end:
            running = 0.0
            for column in range(columns):
                running += steps[column]
                area = running + cells[column]
                out[row, column] = min(max(area, 0.0), 1.0) if area > 1e-9 else 0.0
                cells[column] = 0.0
                steps[column] = 0.0


@njit(cache=True, nogil=True)
def cover_planes(
    edges: Array,
    owners: Array,
    edge_ends: Array,
    boxes: Array,
    slabs: Array,
    finest: float,
    out: Array,
    areas: Array,
) -> None:
    """Add the area that the polygons of each plane cover to the slices that its slab meets; cap at 1.

    Parameters
    ----------
    edges : (n, 4) of y0, x0, y1, x1 with y0 < y1 from the corner of the plane's box, by plane, then by y0.
    owners : (n,), the region of each edge, counted from 0: even-odd within a region, any of them between regions.
    edge_ends : (planes,), where the edges of each plane end.
    boxes : (planes, 4) of first row, first column, rows, columns of the cells that the plane is looked at in.
    slabs : (planes, 2) in units of slices, slice i reaching from i to i + 1.
    finest : height of the thinnest strip.
    out : (slices, rows, columns).
    areas : (planes,), filled with the area covered within the box, in cells.
    """
    most_edges, most_columns, most_cells = 0, 0, 0
    for plane in range(boxes.shape[0]):
        first = edge_ends[plane - 1] if plane else 0
        most_edges = max(most_edges, edge_ends[plane] - first)
        most_columns = max(most_columns, boxes[plane, 3])
        most_cells = max(most_cells, boxes[plane, 2] * boxes[plane, 3])
    inside = np.zeros(owners.max() + 1 if owners.size else 1, np.int64)
    region, active = np.empty(most_edges, np.int64), np.empty(most_edges, np.int64)
    start_x, stop_x = np.empty(most_edges), np.empty(most_edges)
    cells, steps = np.empty(most_columns), np.empty(most_columns)
    work = np.empty(most_cells)
    for plane in range(boxes.shape[0]):
        areas[plane] = 0.0
        row, column, rows, columns = boxes[plane]
        bottom, top = slabs[plane]
        first = min(max(int(np.floor(bottom)), 0), out.shape[0])
        stop = min(max(int(np.ceil(top)), 0), out.shape[0])
        if rows <= 0 or columns <= 0 or first >= stop:
            continue
        cover = work[: rows * columns].reshape((rows, columns))
        cover[:] = 0.0
        first_edge = edge_ends[plane - 1] if plane else 0
        _cover_plane(
            edges[first_edge : edge_ends[plane]],
            owners[first_edge : edge_ends[plane]],
            finest,
            inside,
            region,
            active,
            start_x,
            stop_x,
            cells[:columns],
            steps[:columns],
            cover,
        )
        for i in range(rows):
            for j in range(columns):
                areas[plane] += cover[i, j]
        for z in range(first, stop):
            share = out.dtype.type(max(min(top, z + 1.0) - max(bottom, float(z)), 0.0))
            for i in range(rows):
                target = out[z, row + i]
                for j in range(columns):
                    value = target[column + j] + share * out.dtype.type(cover[i, j])
                    target[column + j] = min(value, out.dtype.type(1))
