"""The port twin: the capability protocols on the simulated site, in process and without sockets."""

from math import inf

from drivers.sim.devices import SimulatedDevice
from ems.model.capability import SupplyLimits
from ems.model.device import DeviceSpec
from ems.model.readings import Reading
from ems.model.setpoints import Outcome, WriteOutcome
from ems.ports import Clock


class PortDevice:
    """A device of the twin behind the same capabilities that a wire driver has."""

    def __init__(self, spec: DeviceSpec, simulated: SimulatedDevice, clock: Clock) -> None:
        self._spec = spec
        self._simulated = simulated
        self._clock = clock
        self._outcome: WriteOutcome | None = None
        # the device's own watchdog is armed before control begins, as a wire driver does on connecting
        if spec.watchdog_s is not None:
            simulated.command("watchdog_s", spec.watchdog_s)

    @property
    def device_id(self) -> str:
        """Return the name of the device in the configuration."""
        return self._spec.id

    @property
    def asset_id(self) -> str:
        """Return the asset that the device serves."""
        return self._spec.asset

    def reading(self) -> Reading | None:
        """Return what the device shows now."""
        return self._simulated.reading(self._spec.id)

    def trouble(self) -> str | None:
        """Return None: there is no link that could fail."""
        return None

    def outcome(self) -> WriteOutcome | None:
        """Return what became of the last command."""
        return self._outcome

    def _write(self, name: str, value: float) -> None:
        accepted = self._simulated.command(name, value)
        self._outcome = WriteOutcome(
            device_id=self._spec.id,
            outcome=Outcome.ACCEPTED if accepted else Outcome.REFUSED,
            at_s=self._clock.monotonic_s(),
            detail="" if accepted else f"{name} {value:g}",
        )


class PortPcs(PortDevice):
    """A PCS in process."""

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for a power into the site bus."""
        self._write("power_kw", power_kw)

    @property
    def has_start(self) -> bool:
        """Return that it can be started after a trip."""
        return True

    def energise(self, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for the start."""
        self._write("energise", 1.0)


class PortTie(PortDevice):
    """A sync-check device in process."""

    def set_tie(self, *, permit_close: bool, request_open: bool, valid_until_s: float) -> None:  # noqa: ARG002
        """Give or take back the permit, and ask for opening or not; the device forgets both in its watchdog time."""
        self._write("permit_close", float(permit_close))
        self._write("request_open", float(request_open))


class PortStartStop(PortDevice):
    """A genset controller without power setpoint in process."""

    def set_run(self, *, run: bool, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for running or standing still."""
        self._write("run", float(run))


class PortGenset(PortStartStop):
    """A genset controller in process."""

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for a power into the site bus."""
        self._write("power_kw", power_kw)


class PortPv(PortDevice):
    """A PV block's controller in process."""

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for a power limit."""
        self._write("limit_kw", limit_kw)


class PortSupply(PortDevice):
    """A cooling unit in process whose supply temperature is commanded."""

    def set_supply(self, supply_degc: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        """Ask for a supply temperature."""
        self._write("supply_degc", supply_degc)

    def supply_limits(self) -> SupplyLimits:
        """Return that the unit itself refuses what it does not take."""
        return SupplyLimits(lowest_degc=-inf, highest_degc=inf, lowest_reason="the unit", highest_reason="the unit")


_KINDS = {
    "cooling.cdu": PortSupply,
    "cooling.chiller": PortSupply,
    "battery.pcs": PortPcs,
    "meter.tie": PortTie,
    "genset.controller": PortGenset,
    "genset.start_stop": PortStartStop,
    "pv.block": PortPv,
    "sunspec.pv": PortPv,
    "sunspec.storage": PortPcs,
}
# a storage unit that describes itself serves as two devices
_READ_ONLY = "bms"


def port_device(spec: DeviceSpec, simulated: SimulatedDevice, clock: Clock) -> PortDevice:
    """Return the in-process device that stands for a configured one."""
    kind = PortDevice if spec.sunspec.shows == _READ_ONLY else _KINDS.get(spec.driver, PortDevice)
    return kind(spec, simulated, clock)
