"""Absorbed dose by convolution with a voxel kernel."""
