"""Devices with 16-bit registers: links, register maps, the codec between registers and values.

pymodbus is imported in `link` only; everything above it speaks in the project's own values.
"""
