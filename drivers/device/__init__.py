"""What all device drivers do alike, whatever protocol they speak: typed readings, plausibility, narrowed setpoints.

Knows no registers and no messages; `drivers.modbus` and `drivers.mqtt` bring the values.
"""
