"""What a converter allows in kW where it says it in A: the limits of its DC side at its present voltage. Pure."""

from typing import Final

from drivers.device.values import Value

# the limit in kW, and the current that it is made of
_CURRENTS: Final = {"max_charge_kw": "max_charge_a", "max_discharge_kw": "max_discharge_a"}
_VOLTAGE: Final = "dc_voltage_v"
SOURCES: Final = {limit: (current,) for limit, current in _CURRENTS.items()}
_W_PER_KW: Final = 1000.0


def complete(values: dict[str, Value | None], bad: dict[str, str], rated_kw: float) -> None:  # noqa: ARG001 - as `Family.derive` is called
    """Add the limits in kW that are not given but follow from those in A.

    They are those of the DC side: charging, the AC side may take its losses in addition; discharging, it gives as
    much less, and there the converter keeps its own limit.
    """
    for limit, current in _CURRENTS.items():
        if values.get(limit) is not None or limit in bad or current not in values:
            continue
        current_a, voltage_v = values[current], values.get(_VOLTAGE)
        if isinstance(current_a, float) and isinstance(voltage_v, float):
            values[limit] = current_a * voltage_v / _W_PER_KW
        elif reason := bad.get(current) or bad.get(_VOLTAGE):
            bad[limit] = reason
