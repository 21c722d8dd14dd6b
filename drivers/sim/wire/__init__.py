"""The wire twin: the simulated site behind Modbus servers, with faults on demand.

Framing and register encoding are written from the protocol and the map files, sharing no code with the drivers,
so that a mistake in one of the two shows instead of cancelling out.
"""
