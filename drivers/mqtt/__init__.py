"""Devices behind an MQTT broker: topic maps, the codec between messages and values, and the drivers.

Only `link` speaks MQTT; no other module here imports its library.
"""
