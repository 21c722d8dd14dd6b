"""All endpoints of a simulated site: one server per link of the configuration, its devices behind it."""

import ssl
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from drivers.modbus.mapfile import device_map
from drivers.sim.standing import StandingTwin, placed
from drivers.sim.wire.bank import TwinDevice, UnitRegisters
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.panels import unit_registers
from drivers.sim.wire.scratchpad import Scratchpad
from drivers.sim.wire.serial import SerialServer
from drivers.sim.wire.server import Endpoint, WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from ems.model.device import DeviceSpec, LinkSpec, SerialLine
from ems.model.lease import LeaseSpec
from ems.ports import Clock

# of a meter, whose nameplate nobody asks for
_UNRATED_KW = 10_000.0


class WireTwin(StandingTwin):
    """Serves a plant's devices at the addresses that the configuration gives them, while it is entered.

    Raises:
        ConfigError: A register map does not exist or is wrong.
    """

    def __init__(
        self,
        links: Iterable[LinkSpec],
        devices: Iterable[DeviceSpec],
        plant: Mapping[str, TwinDevice],
        *,
        clock: Clock,
        map_directories: tuple[Path, ...] = (),
        tls: ssl.SSLContext | None = None,
        rated_kw: Mapping[str, float] | None = None,
        leases: Iterable[LeaseSpec] = (),
    ) -> None:
        """Take the specifications of the site and its devices by id; devices that `plant` lacks are not served.

        `tls` is the server's side of links with TLS, whose own files are the client's.

        `rated_kw` has the nameplates of assets; a device without a register map says its own. At `leases` are units
        with registers that mean nothing to the plant.
        """
        super().__init__()
        units: dict[str, dict[int, UnitRegisters]] = {}
        self._sunspec: dict[tuple[str, int], SunSpecBank] = {}
        for spec, device in placed(devices, plant):
            register_map = device_map(spec, map_directories)
            if register_map is not None:
                bank = unit_registers(register_map, device, clock=clock)
                units.setdefault(spec.link, {})[spec.unit] = bank
            else:
                models = self._sunspec.setdefault((spec.link, spec.unit), SunSpecBank(clock=clock))
                models.add(spec, device, rated_kw=spec.rated_kw or (rated_kw or {}).get(spec.asset, _UNRATED_KW))
                units.setdefault(spec.link, {})[spec.unit] = models
        for lease in leases:
            units.setdefault(lease.link, {})[lease.unit] = Scratchpad(lease.register, n_registers=4)
        self._servers = {link.id: _server(link, units.get(link.id, {}), clock=clock, tls=tls) for link in links}

    async def _stand_up(self, stack: AsyncExitStack) -> None:
        for server in self._servers.values():
            await stack.enter_async_context(server)

    def elapse(self) -> None:
        """Let the timers of the devices run on: a controller that has gone silent writes nothing that would."""
        for bank in self._sunspec.values():
            bank.elapse()

    def server(self, link_id: str) -> Endpoint:
        """Return the server of a link."""
        return self._servers[link_id]

    @property
    def servers(self) -> Mapping[str, Endpoint]:
        """Return the servers by link."""
        return self._servers

    async def set_faults(self, link_id: str, *faults: Faults) -> None:
        """Replace all faults of one endpoint."""
        await self._servers[link_id].set_faults(*faults)


def _server(
    link: LinkSpec, units: Mapping[int, UnitRegisters], *, clock: Clock, tls: ssl.SSLContext | None
) -> Endpoint:
    endpoint = link.endpoint
    if isinstance(endpoint, SerialLine):
        return SerialServer(Path(endpoint.device), units=units, clock=clock)
    return WireServer(
        endpoint.host,
        endpoint.port,
        units=units,
        clock=clock,
        framing=endpoint.framing,
        tls=None if endpoint.tls is None else tls,
    )
