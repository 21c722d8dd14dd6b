"""Simulated devices that describe themselves by SunSpec models, with layouts and encoding of their own.

Nothing here is taken from the drivers or from the standard's definition files: it was written down from the
standard's tables a second time, so that a mistake in one of the two readings shows.
"""
