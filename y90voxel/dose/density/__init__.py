"""Absorbed dose with electrons carried along the true mass depth."""
