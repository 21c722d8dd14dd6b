"""Device drivers, register maps and the site twin.

Imports `ems.model`, `ems.errors` and `ems.ports` only; found by the entry point group `ems.drivers`.
"""

# `drivers` is a name that others use too: a start-up check looks for this mark
OWNER = "gpu-microgrid-ems"
