"""How an image was reconstructed, as its header says."""

from __future__ import annotations

from y90voxel.io.dicom.headers import Instance
from y90voxel.quantification.emission import Reconstruction

__all__ = ["reconstruction_of"]


def reconstruction_of(instance: Instance) -> Reconstruction:
    """Return method, filter and camera of a header; empty where it does not say."""
    camera = " ".join(filter(None, (instance.text("Manufacturer"), instance.text("ManufacturerModelName"))))
    return Reconstruction(instance.text("ReconstructionMethod"), instance.text("ConvolutionKernel"), camera)
