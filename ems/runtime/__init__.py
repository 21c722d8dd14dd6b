"""Runs the pure layers: clock, process image, cycle, planner, supervision, persistence."""
