"""Devices that describe themselves by the SunSpec standard: a chain of numbered models behind a marker.

What a model holds is taken from the standard's own definition files; which models a device has is found on the device.
"""
