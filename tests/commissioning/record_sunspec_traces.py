"""Records traces of devices that describe themselves: `python -m tests.commissioning.record_sunspec_traces [NAME...]`.

For each family of models, those without a trace or those named: what a simulated device with the values below answers,
and beside it the fields of its reading. A trace of a real device is put here the same way: `ems devices trace record`
with `--map` and its driver, the values that its display showed, and a line in `RECORDED`.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.modbus.trace import Trace
from drivers.sim.wire.server import WireServer
from drivers.sim.wire.sunspec.bank import SunSpecBank
from ems.app.commissioning.endpoints import Reach
from ems.app.commissioning.targets import Target, endpoint_target
from ems.app.commissioning.trace import record_link
from ems.model.device import DeviceSpec, ModelFamily, SunSpecSpec
from ems.ports import Clock
from ems.runtime.clock import SystemClock
from tests.drivers.rig import IDENTITY, RATED_KW, PlantDevice, Value, device_spec

HOME: Final = Path(__file__).parent / "traces" / "sunspec"
_PV: Final[Mapping[str, Value]] = {
    "power_kw": 1400.0,
    "available_kw": 1400.0,
    "limit_kw": RATED_KW,
    "energy_wh": 12_345_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A device: its driver, what its models leave open, what the plant shows, and the fields that are read."""

    driver: str
    sunspec: SunSpecSpec
    plant: Mapping[str, Value]
    fields: tuple[str, ...]

    def spec(self) -> DeviceSpec:
        """Return the device as a configuration names it."""
        return device_spec("", driver=self.driver, map=None, sunspec=self.sunspec)


RECORDED: Final[Mapping[str, Subject]] = {
    "pv-100": Subject(
        driver="sunspec.pv",
        sunspec=SunSpecSpec(family=ModelFamily.OLD),
        plant=_PV,
        fields=("power_kw", "available_kw", "limit_kw", "energy_wh"),
    ),
    "pv-700": Subject(
        driver="sunspec.pv",
        sunspec=SunSpecSpec(family=ModelFamily.DER),
        plant=_PV,
        fields=("power_kw", "available_kw", "limit_kw", "energy_wh"),
    ),
    "storage": Subject(
        driver="sunspec.storage",
        sunspec=SunSpecSpec(),
        plant={
            "power_kw": -650.0,
            "forming": True,
            "ready": True,
            "remote": True,
            "frequency_hz": 50.0,
            "discharge_wh": 9_876_543_210_123,
            "charge_wh": 42,
        },
        fields=("power_kw", "forming", "ready", "remote", "frequency_hz", "discharge_wh", "charge_wh"),
    ),
    "battery": Subject(
        driver="sunspec.storage",
        sunspec=SunSpecSpec(shows="bms"),
        plant={
            "soc_pct": 63.4,
            "soh_pct": 97.5,
            "max_charge_kw": 1500.0,
            "max_discharge_kw": 1450.0,
            "cell_max_degc": 31.5,
            "cell_min_degc": -2.5,
            "cell_max_v": 3.41,
            "cell_min_v": 3.355,
            "alarm": True,
        },
        fields=("soc_pct", "soh_pct", "max_charge_kw", "max_discharge_kw", "cell_max_v", "cell_min_v", "alarm"),
    ),
    "meter": Subject(
        driver="sunspec.meter",
        sunspec=SunSpecSpec(power_sign=-1),
        plant={"load_kw": 850.0, "energy_wh": 123_456_789},
        fields=("load_kw", "energy_wh"),
    ),
}


def served(subject: Subject, clock: Clock, *, base: int = 40000) -> SunSpecBank:
    """Return the registers of a simulated device."""
    bank = SunSpecBank(clock=clock, base=base)
    bank.add(subject.spec(), PlantDevice({**IDENTITY, **subject.plant}), rated_kw=RATED_KW)
    return bank


def target_of(subject: Subject, port: int) -> Target:
    """Return the device as the command line names it, with what its models leave open."""
    target = endpoint_target(f"127.0.0.1:{port}", map_name=subject.driver, unit=1, reach=Reach(timeout_s=5.0), maps=())
    return replace(target, spec=replace(target.spec, sunspec=subject.sunspec))


async def recorded(subject: Subject, clock: Clock) -> Trace:
    """Return what the tool records of a simulated device."""
    async with WireServer("127.0.0.1", 0, units={1: served(subject, clock)}, clock=clock) as server:
        return await record_link([target_of(subject, server.port)], every_s=0.1, n_rounds=2, clock=clock)


def main() -> None:
    """Record what is asked for, else what is missing."""
    missing = [name for name in RECORDED if not (HOME / f"{name}.jsonl").is_file()]
    for name in sys.argv[1:] or missing:
        subject = RECORDED[name]
        trace = asyncio.run(recorded(subject, SystemClock()))
        values = {field: subject.plant[field] for field in subject.fields}
        (HOME / f"{name}.jsonl").write_text(trace.text(), encoding="utf-8")
        text = json.dumps(values, indent=2, sort_keys=True) + "\n"
        (HOME / f"{name}.values.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
