"""A scene that 3D Slicer opens in one step: CT, dose with its colour table in Gy, isodoses and regions.

``scene.mrml`` names files of the folder and nothing else. Its elements and attributes are those that the nodes of Slicer read
(``ReadXMLAttributes`` of vtkMRMLScalarVolumeNode, vtkMRMLScalarVolumeDisplayNode, vtkMRMLColorTableNode, vtkMRMLSegmentationNode,
vtkMRMLSliceCompositeNode and their storage nodes; slicer.readthedocs.io, developer guide, MRML overview).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from y90voxel.case.evaluation import Evaluation
from y90voxel.io.nifti import write_nifti
from y90voxel.io.nrrd_writer import Segment, write_nrrd, write_segments
from y90voxel.planning.plan_result import Plan
from y90voxel.report.plan_figures import planned_evaluation
from y90voxel.report.scene import CT_WINDOW_HU, THRESHOLD, Scene, build_scene
from y90voxel.report.viewer import isodose_levels
from y90voxel.volumes.grid import Grid
from y90voxel.volumes.volume import CtImage

__all__ = ["SCENE_FILE", "write_planned_scene", "write_slicer_scene"]

SCENE_FILE, PLACE = "scene.mrml", "scene"
PLANNED_FILE = f"{PLACE}/planned_dose.nii.gz"
COLOURS = 256  # of the table; Slicer spreads them over the window
# Dark through warm to light, as the dose of the report: anchors of RGB, even in lightness.
ANCHORS = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
# Voxels of the CT are left out until they are about this large [mm]: it is there to look at, and to keep small.
CT_SPACING_MM = 2.0
FILE_TYPE = 14  # vtkMRMLColorTableNode::File
FOREGROUND = 0.5  # opacity of the dose over the CT
LAYOUTS = ("Red", "Yellow", "Green")


def write_planned_scene(plan: Plan, folder: Path) -> None:
    """Write the scene of a plan, with the dose of its first model's activity; nothing for a plan without either.

    Parameters
    ----------
    plan : Plan
        The result; a plan that tells no dates is anonymous, and its scene has no CT.
    folder : Path
        Of the results.
    """
    evaluation = planned_evaluation(plan)
    if evaluation is None:
        return
    (folder / PLACE).mkdir()
    write_nifti(evaluation.dose, folder / PLANNED_FILE)
    write_slicer_scene(evaluation, folder, PLANNED_FILE, with_ct=plan.facts.dated)


def write_slicer_scene(
    evaluation: Evaluation, folder: Path, dose_file: str = "dose.nii.gz", *, with_ct: bool = True
) -> None:
    """Write ``scene.mrml`` and what it names that is not there yet, in a folder that holds the dose.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    folder : Path
        Of the results.
    dose_file : str
        The dose, in the folder.
    with_ct : bool
        Write the CT too: left out where nothing may tell of the patient.
    """
    scene = build_scene(evaluation)
    place = folder / PLACE
    place.mkdir(exist_ok=True)
    nodes: list[str] = []
    ct = evaluation.case.ct if with_ct else None
    if ct is not None:
        _write_ct(ct, evaluation.dose.grid, place / "ct.nrrd")
        low, high = CT_WINDOW_HU
        nodes += _volume(1, "CT", f"{PLACE}/ct.nrrd", "vtkMRMLColorTableNodeGrey", (low, high))
    _write_colours(scene.top_gy, place / "dose.ctbl")
    nodes += _colours()
    nodes += _volume(2, "Dose (Gy)", dose_file, "vtkMRMLColorTableNodeDose", (0.0, scene.top_gy))
    regions = [
        Segment(region.name, scene.styles[region.name].colour, region.mask.array >= 0.5)
        for region in evaluation.case.regions.drawn
        if (region.mask.array >= 0.5).any()
    ]
    isodoses = _isodoses(scene, evaluation)
    for number, (title, segments) in enumerate((("Regions", regions), ("Isodoses", isodoses)), 1):
        if segments:
            file = f"{PLACE}/{title.lower()}.seg.nrrd"
            write_segments(segments, evaluation.dose.grid, folder / file)
            nodes += _segmentation(number, title, file, filled=False)
    nodes += _slices("vtkMRMLScalarVolumeNode1" if ct is not None else None)
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<MRML version="Slicer4.4.0" userTags="">',
            *nodes,
            "</MRML>",
            "",
        ]
    )
    (folder / SCENE_FILE).write_text(text, encoding="utf-8")


def _write_ct(ct: CtImage, around: Grid, path: Path) -> None:
    """The CT around the dose, with voxels left out where they are small."""
    corners = np.linalg.solve(ct.grid.affine[:3, :3], (around.corners_mm() - ct.grid.affine[:3, 3]).T).T
    first = np.clip(np.floor(corners.min(axis=0)), 0, np.array(ct.grid.shape) - 1).astype(int)
    last = np.clip(np.ceil(corners.max(axis=0)) + 1, first + 1, ct.grid.shape).astype(int)
    steps = [max(1, round(CT_SPACING_MM / spacing)) for spacing in ct.grid.spacing_mm]
    values = ct.array[tuple(slice(a, b, step) for a, b, step in zip(first, last, steps, strict=True))]
    affine = ct.grid.affine.copy()
    affine[:3, 3] = ct.grid.affine[:3, :3] @ first + ct.grid.affine[:3, 3]
    affine[:3, :3] = ct.grid.affine[:3, :3] * np.array(steps)
    limits = np.iinfo(np.int16)
    write_nrrd(
        np.rint(np.clip(values, limits.min, limits.max)).astype(np.int16), Grid(values.shape, affine), path
    )


def _write_colours(top_gy: float, path: Path) -> None:
    """The colours of the dose, each with its dose as name; the lowest are transparent."""
    places = np.linspace(0, len(ANCHORS) - 1, COLOURS)
    channels = [np.interp(places, range(len(ANCHORS)), [anchor[n] for anchor in ANCHORS]) for n in range(3)]
    lines = [f"# colours of the dose: 0 to {top_gy:.6g} Gy"]
    for number in range(COLOURS):
        rgb = " ".join(str(round(float(channel[number]))) for channel in channels)
        alpha = 0 if number < COLOURS * THRESHOLD else 255
        lines.append(f"{number} {number * top_gy / (COLOURS - 1):.4g}_Gy {rgb} {alpha}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _isodoses(scene: Scene, evaluation: Evaluation) -> list[Segment]:
    """What receives at least each dose of the report's isodoses, as segments in the colours of the dose."""
    segments = []
    for level in isodose_levels(scene.top_gy):
        place = min(level / scene.top_gy, 1.0) * (len(ANCHORS) - 1)
        rgb = [round(float(np.interp(place, range(len(ANCHORS)), [a[n] for a in ANCHORS]))) for n in range(3)]
        inside = evaluation.dose.array >= level
        if inside.any():
            segments.append(Segment(f"{level:g} Gy", "#" + "".join(f"{value:02x}" for value in rgb), inside))
    return segments


def _node(tag: str, attributes: Mapping[str, object]) -> str:
    """An element."""
    written = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
    return f" <{tag} {written}></{tag}>"


def _volume(number: int, name: str, file: str, colours: str, window: tuple[float, float]) -> list[str]:
    """An image with its storage and display."""
    low, high = window
    storage, display = f"vtkMRMLVolumeArchetypeStorageNode{number}", f"vtkMRMLScalarVolumeDisplayNode{number}"
    shown = {
        "window": f"{high - low:.6g}",
        "level": f"{0.5 * (low + high):.6g}",
        "autoWindowLevel": 0,
        "interpolate": 1,
    }
    volume = f"vtkMRMLScalarVolumeNode{number}"
    return [
        _node("VolumeArchetypeStorage", {"id": storage, "name": f"{name} storage", "fileName": file}),
        _node("VolumeDisplay", {"id": display, "name": f"{name} display", "colorNodeRef": colours, **shown}),
        _node("Volume", {"id": volume, "name": name, "storageNodeRef": storage, "displayNodeRef": display}),
    ]


def _colours() -> list[str]:
    """The colour table of the dose."""
    storage, table = "vtkMRMLColorTableStorageNode1", "vtkMRMLColorTableNodeDose"
    kind = {"type": FILE_TYPE, "numcolors": COLOURS}
    return [
        _node(
            "ColorTableStorage",
            {"id": storage, "name": "Dose colours storage", "fileName": f"{PLACE}/dose.ctbl"},
        ),
        _node("ColorTable", {"id": table, "name": "Dose (Gy)", "storageNodeRef": storage, **kind}),
    ]


def _segmentation(number: int, name: str, file: str, *, filled: bool) -> list[str]:
    """Segments with their storage and display."""
    storage, display = f"vtkMRMLSegmentationStorageNode{number}", f"vtkMRMLSegmentationDisplayNode{number}"
    shown = {"visibility": "true", "Visibility2DFill": str(filled).lower(), "Visibility2DOutline": "true"}
    refs = {"storageNodeRef": storage, "displayNodeRef": display}
    return [
        _node("SegmentationStorage", {"id": storage, "name": f"{name} storage", "fileName": file}),
        _node("SegmentationDisplay", {"id": display, "name": f"{name} display", **shown}),
        _node("Segmentation", {"id": f"vtkMRMLSegmentationNode{number}", "name": name, **refs}),
    ]


def _slices(background: str | None) -> list[str]:
    """What the three planes show: the dose over the CT, or alone."""
    dose = "vtkMRMLScalarVolumeNode2"
    images: Sequence[tuple[str, object]] = (("backgroundVolumeID", dose),)
    if background is not None:
        images = (
            ("backgroundVolumeID", background),
            ("foregroundVolumeID", dose),
            ("foregroundOpacity", FOREGROUND),
        )
    return [
        _node(
            "SliceComposite",
            {
                "id": f"vtkMRMLSliceCompositeNode{name}",
                "name": name,
                "singletonTag": name,
                "layoutName": name,
                **dict(images),
                "linkedControl": 1,
            },
        )
        for name in LAYOUTS
    ]
