"""Cooling plants."""
