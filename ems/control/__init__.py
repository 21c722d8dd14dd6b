"""The one-second decision: snapshot and plan in, setpoints with reasons out.

Pure: no I/O, no clock, no logging. Never waits for anything, never imports dispatch; without a fresh plan it
runs on its own rules. All constants are in seconds, so that any step length works.
"""
