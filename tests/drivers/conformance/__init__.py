"""What every driver promises by the capabilities of `ems.ports`, tried against the wire twin; docs/drivers.md says how.

The subjects are found, not listed: every entry point of `ems.drivers` with every register map that it takes.
"""
