"""The MILP: one device class per file, one constraint family per function, labels E1... of docs/formulation.md.

Every number of a problem enters through a mutable parameter, so that one compiled model serves every cycle of
the same shape (see `compiled.py`).
"""
