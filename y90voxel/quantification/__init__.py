"""Counts to activity to decays: calibration, lung shunt, dead time, partial volume."""
