"""Drivers against values, against bytes worked out by hand, and against the wire twin on loopback."""
