"""Formulas and limits of treatment planning."""
