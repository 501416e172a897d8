"""Counts to activity to decays."""
