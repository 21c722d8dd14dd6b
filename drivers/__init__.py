"""Device drivers, register maps and the site twin.

Imports `ems.model`, `ems.errors` and `ems.ports` only; found by the entry point group `ems.drivers`.
"""
