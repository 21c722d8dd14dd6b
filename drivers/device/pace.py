"""How often a setpoint may change: what devices.toml says of it, against the memory that it is written to."""

from typing import Final

from drivers.device.budget import least_period_s, setpoints_per_day
from drivers.device.reading import spec_error
from ems.model.device import DeviceSpec

# the commands that change a few times a day
_RARE: Final = frozenset({"run", "supply_degc"})


def refuse_frequent_writes(spec: DeviceSpec, command: str, writes_per_day: int | None) -> None:
    """Refuse a setpoint that may change more often than its register bears; None: it wears nothing out.

    Raises:
        ConfigError: With the shortest period that is allowed.
    """
    if writes_per_day is None or command in _RARE or spec.by_hand:
        return
    period_s = spec.setpoint_every_s or spec.fast_s
    if writes_per_day < setpoints_per_day(period_s=period_s):
        raise spec_error(
            spec,
            "setpoint_every_s",
            f"'{command}' is written to non-volatile memory that bears {writes_per_day} writes a day, and may change "
            f"every {period_s:g} s",
            allowed=f"at least {least_period_s(writes_per_day)} s, or a map with a volatile register",
        )


def refuse_useless_pace(spec: DeviceSpec, *, takes_power: bool) -> None:
    """Refuse a least time between changes that no setpoint has, or that a ramp would break with every step.

    Raises:
        ConfigError: With what to leave out.
    """
    if spec.setpoint_every_s is None:
        return
    if not takes_power:
        raise spec_error(spec, "setpoint_every_s", "it is given no power and no limit", allowed="no such key")
    if spec.ramp_frac_per_s is not None:
        raise spec_error(
            spec,
            "ramp_frac_per_s",
            f"a ramp changes the setpoint with every poll, setpoint_every_s every {spec.setpoint_every_s:g} s",
            allowed="one of the two",
        )
