"""Signed commands: what is judged, what is left of them, what is in force."""
