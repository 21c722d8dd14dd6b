"""Frozen domain values: what the site is, what it measures, what is planned and what is commanded.

Standard library only, no I/O, no decisions. Names carry their unit; `power_kw` > 0 flows from the asset
into the site bus; loads carry `load_kw` >= 0. See docs/signs-and-units.md.
"""
