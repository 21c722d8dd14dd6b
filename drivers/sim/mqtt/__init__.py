"""The simulated plant's MQTT devices: what they publish, what they take, and what can be wrong with them.

They read the same topic maps as the drivers, but share neither codec nor MQTT client with them, so that a mistake in
one of the two shows instead of cancelling out.
"""
