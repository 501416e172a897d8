"""Attenuation of the photons of Tc-99m in tissue, for planar images."""

from __future__ import annotations

__all__ = ["ATTENUATION_PER_CM", "ATTENUATION_SPREAD_PER_CM"]

# Effective coefficient of 140.5 keV in a photopeak window that holds scatter [1/cm at 1 g/mL]: 0.104 to 0.127, mean 0.114, for
# boxes of 3 to 9 cm half width in 15 to 26 cm of water with 0 to 2 cm around them (benchmarks/planar_attenuation.py), and its
# standard deviation among them: lungs and liver may have any two. Without scatter 0.152 (Compton and photoelectric effect).
ATTENUATION_PER_CM = 0.115
ATTENUATION_SPREAD_PER_CM = 0.006  # [1/cm], as above
