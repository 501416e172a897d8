"""Phantoms: where their parts lie, their digital twin, and what images of them say of a camera."""
