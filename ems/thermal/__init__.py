"""Pure physics of cooling: what electricity the plant needs for a heat load at an ambient temperature.

Used by forecasts and the plan check. The twin has equations of its own on purpose.
"""
