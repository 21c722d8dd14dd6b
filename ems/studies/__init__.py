"""Closed-loop studies: the control code on the port twin, faster than time, with everything recorded."""
