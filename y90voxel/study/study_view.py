"""A study in a notebook: its images and the regions that were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from y90voxel.display import block, closing_notes, table
from y90voxel.errors import Notice
from y90voxel.quantification.emission import EmissionImage, PlanarImage
from y90voxel.regions.region import Contours, DrawnRegion
from y90voxel.volumes.volume import CtImage

__all__ = ["study_html"]


class ViewedStudy(Protocol):
    """What a view needs of a study; see `y90voxel.study.study.Study` for each attribute."""

    @property
    def emissions(self) -> Sequence[EmissionImage]:
        """One image an injection."""

    @property
    def ct(self) -> CtImage | None:
        """The CT."""

    @property
    def planar(self) -> PlanarImage | None:
        """Opposite planar views."""

    @property
    def drawn(self) -> Sequence[DrawnRegion]:
        """Regions as drawn."""

    @property
    def notices(self) -> Sequence[Notice]:
        """What was accepted."""


def study_html(study: ViewedStudy) -> str:
    """Return what a notebook shows of a study.

    It says nothing of the patient: no identifier, no date, no path.

    Parameters
    ----------
    study : ViewedStudy
        What was read.
    """
    rows = []
    for image in study.emissions:
        kind = "predicted" if image.predicted else "delivered"
        what = f"emission, {image.modality} {image.imaged_nuclide or ''} {kind}"
        rows.append((" ".join(what.split()), f"{image.volume.quantity}: {image.volume.grid}"))
    rows.append(("CT", "none" if study.ct is None else str(study.ct.grid)))
    rows.append(("planar views", "none" if study.planar is None else "anterior and posterior"))
    regions = [(region.name, _shape(region)) for region in study.drawn]
    drawn = table(("region", "drawn as"), regions) if regions else "<div>no regions</div>"
    notes = closing_notes([notice.code for notice in study.notices], "study.notices")
    return block("Study", table((), rows), drawn, notes=notes)


def _shape(region: DrawnRegion) -> str:
    """How a region was drawn."""
    if isinstance(region.shape, Contours):
        return f"{len(region.shape.polygons)} contours"
    return f"mask, {region.shape.volume_ml:.1f} mL"
