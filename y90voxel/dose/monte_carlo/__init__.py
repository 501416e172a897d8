"""Monte Carlo transport of electrons and photons through voxels."""
