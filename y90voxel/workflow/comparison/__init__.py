"""Predicted against delivered dose."""
