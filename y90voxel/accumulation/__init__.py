"""Dose of several treatments together: biologically effective dose summed over radioembolizations and external beams."""
