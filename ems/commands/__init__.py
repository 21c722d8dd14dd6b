"""Signed commands: who may ask for what, what is left of it, and what is in force. No I/O, no clock."""
