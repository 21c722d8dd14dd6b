"""`ems devices write`: through the driver, within its limits, asked for and noted."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus.mapfile import load_map
from drivers.sim.wire.panels import unit_registers
from ems.app.commissioning.audit import AuditLog
from ems.app.commissioning.endpoints import Reach
from ems.app.commissioning.site_hold import daemon_signs, refuse_two_masters
from ems.app.commissioning.targets import endpoint_target
from ems.app.commissioning.write import WriteResult, parse_command, write
from ems.app.daemon import state_home
from ems.cli import execute
from ems.config.build import build_wiring
from ems.config.loader import load_files
from ems.errors import ConfigError, StateError
from ems.gateway.presence import daemon_is_online
from ems.runtime.lock import only_daemon
from tests.commissioning.devices import serving, timed
from tests.commissioning.test_read import served_pcs
from tests.config.directories import copy_of
from tests.drivers.clock import SteppedClock
from tests.drivers.conformance.plant import FollowingPlant
from tests.drivers.rig import PlantDevice, pcs
from tests.drivers.test_cooling_units import CDU
from tests.gateway.brokers import TOPICS, free_port, settings


async def written(
    plant: PlantDevice,
    audit: Path,
    *,
    value: float,
    name: str = "power_kw",
    for_s: float = 0.0,
    ask: Callable[[str], bool] = lambda _: True,
    forced: str = "",
) -> WriteResult:
    clock = SteppedClock()
    async with served_pcs(clock, plant) as (_, target):
        work = write(
            target, name, value, for_s=for_s, audit=AuditLog(audit, clock), forced=forced, ask=ask, clock=clock
        )
        return await timed(asyncio.create_task(work), clock)


def confirming(asked: list[str]) -> Callable[[str], bool]:
    """Return what says yes and keeps the question."""

    def ask(text: str) -> bool:
        asked.append(text)
        return True

    return ask


def lines(audit: Path) -> list[dict[str, Any]]:  # JSON of any shape
    return [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]


@pytest.mark.wire
async def test_a_value_is_written_read_back_and_noted(tmp_path: Path) -> None:
    plant = pcs()
    audit = tmp_path / "state" / "audit.jsonl"
    asked: list[str] = []

    result = await written(plant, audit, value=-250.5, ask=confirming(asked), forced="a test")

    assert result.done
    assert plant.commanded("power_kw")[-1] == -250.5
    # -250.5 kW into the bus are 250 500 W of charging = 0x0003D284, low word first
    assert "registers holding:500: D284 0003 (function 16)" in asked[0]
    assert "a following one ramps to 0 kW" in asked[0]
    begin, end = lines(audit)
    assert begin["id"] == end["id"]
    assert (begin["event"], end["event"], end["outcome"]) == ("begin", "end", "accepted")
    assert end["user"]
    assert end["ts"].startswith("2026-06-21T")
    assert (end["command"], end["value"], end["unit"], end["forced"]) == ("power_kw", -250.5, 3, "a test")


@pytest.mark.wire
async def test_a_set_that_is_commanded_by_keys_is_started_and_reset_by_hand(tmp_path: Path) -> None:
    clock = SteppedClock()
    asked: list[str] = []
    plant = FollowingPlant({"engine_state": "stopped", "mode": "auto", "remote": True, "power_kw": 0.0})
    bank = unit_registers(load_map("gencomm-genset", ()), plant, clock=clock)
    results = []
    async with serving({1: bank}, clock=clock) as server:
        target = endpoint_target(f"127.0.0.1:{server.port}", map_name="gencomm-genset", unit=1, reach=Reach(), maps=())
        for name in ("run", "reset_alarms"):
            work = write(
                target,
                name,
                1.0,
                for_s=0.0,
                audit=AuditLog(tmp_path / "audit.jsonl", clock),
                forced="",
                ask=confirming(asked),
                clock=clock,
            )
            results.append(await timed(asyncio.create_task(work), clock))
            plant.shown["engine_state"] = "stopped"

    assert target.spec.driver == "genset.start_stop"
    assert [result.document["outcome"] for result in results] == ["accepted", "accepted"]
    assert "telemetry_start: registers holding:4104: 8B94 746B (function 16)" in asked[0]
    assert plant.commands == [("run", 1.0), ("reset", 1.0)]


WORN_MAP = """
[device]
id = "acme-pcs"
source = "Acme register list 4.2, section 3, for tests"
class = "pcs"
unidentified = "its list has no text"
[endpoint]
max_registers = 100
word_order = "big"
[[blocks]]
at = "holding:100"
count = 2
speed = "fast"
[points.power_kw]
at = "holding:100"
type = "int16"
valid = [-100, 100]
[points.setpoint_kw]
at = "holding:101"
type = "int16"
valid = [-100, 100]
[commands.power_kw]
at = "holding:101"
type = "int16"
limits = [-100, 100]
readback = "setpoint_kw"
volatile = false
writes_per_day = 1
[fallback]
misses = "requests"
text = "Without requests for 10 s it goes to 0 kW."
"""


@pytest.mark.wire
async def test_a_setpoint_that_wears_out_is_written_by_hand_once(tmp_path: Path) -> None:
    (tmp_path / "acme-pcs.toml").write_text(WORN_MAP, encoding="utf-8")
    clock = SteppedClock()
    plant = FollowingPlant({"power_kw": 5.0, "setpoint_kw": 5.0})
    bank = unit_registers(load_map("acme-pcs", (tmp_path,)), plant, clock=clock)
    async with serving({1: bank}, clock=clock) as server:
        endpoint = f"127.0.0.1:{server.port}"
        target = endpoint_target(endpoint, map_name="acme-pcs", unit=1, reach=Reach(), maps=(tmp_path,))
        audit = AuditLog(tmp_path / "audit.jsonl", clock)
        work = write(target, "power_kw", 50.0, for_s=3.0, audit=audit, forced="", ask=lambda _: True, clock=clock)
        result = await timed(asyncio.create_task(work), clock)

    assert result.done, result.text
    assert [value for name, value in plant.commands if name == "power_kw"] == [50.0]


@pytest.mark.wire
async def test_what_is_not_confirmed_is_not_written(tmp_path: Path) -> None:
    plant = pcs()

    result = await written(plant, tmp_path / "audit.jsonl", value=10.0, ask=lambda _: False)

    assert not result.done
    assert result.document["outcome"] == "declined"
    assert plant.commanded("power_kw") == []
    assert lines(tmp_path / "audit.jsonl") == []


@pytest.mark.wire
@pytest.mark.parametrize(
    ("name", "value", "reason"), [("power_kw", 20001.0, "is outside"), ("limit_kw", 5.0, "has no")]
)
async def test_what_the_device_does_not_take_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, value: float, reason: str
) -> None:
    plant = pcs()

    with pytest.raises(ConfigError, match=reason):
        await written(plant, tmp_path / "audit.jsonl", name=name, value=value)

    assert plant.commanded(name) == []


@pytest.mark.wire
async def test_a_device_under_local_control_refuses_and_that_is_noted(tmp_path: Path) -> None:
    plant = pcs(remote=False)

    result = await written(plant, tmp_path / "audit.jsonl", value=10.0)

    assert (result.done, result.document["outcome"]) == (False, "refused")
    assert plant.commanded("power_kw") == []
    assert lines(tmp_path / "audit.jsonl")[-1]["detail"] == "local control at the device"


@pytest.mark.wire
async def test_a_device_that_ignores_the_write_is_said_to_have_failed(tmp_path: Path) -> None:
    plant = pcs(setpoint_kw=0.0)
    plant.follows.clear()

    result = await written(plant, tmp_path / "audit.jsonl", value=10.0)

    assert not result.done
    assert lines(tmp_path / "audit.jsonl")[-1]["outcome"] == result.document["outcome"] == "failed"


@pytest.mark.wire
async def test_a_value_is_renewed_for_as_long_as_asked_and_the_heartbeat_with_it(tmp_path: Path) -> None:
    plant = pcs()

    result = await written(plant, tmp_path / "audit.jsonl", value=10.0, for_s=20.0)

    assert result.done
    # one beat a second of the poll period
    assert len(plant.commanded("heartbeat")) >= 15


async def test_an_audit_file_that_cannot_be_written_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateError, match="cannot be written"):
        AuditLog(tmp_path / "file" / "audit.jsonl", SteppedClock())


def test_the_audit_file_only_grows(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    audit.write_text('{"v": 0}\n', encoding="utf-8")

    asyncio.run(written(pcs(), audit, value=1.0))

    assert lines(audit)[0] == {"v": 0}
    assert len(lines(audit)) == 3


async def test_a_daemon_that_holds_the_state_directory_is_seen(tmp_path: Path) -> None:
    files = load_files(copy_of("edge-node", tmp_path))

    free = await daemon_signs(files)
    with only_daemon(state_home(files)):
        held = await daemon_signs(files)

    assert free == ()
    assert len(held) == 1
    assert str(state_home(files)) in held[0]
    with pytest.raises(StateError, match="stop it first, or give --force"):
        refuse_two_masters(held, force="")
    refuse_two_masters(held, force="the daemon is in shadow mode")


async def test_a_broker_that_cannot_be_asked_says_nothing() -> None:
    assert await daemon_is_online(settings(free_port()), TOPICS) is None


def test_the_command_line_refuses_a_site_that_a_daemon_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = copy_of("edge-node", tmp_path)
    files = load_files(site)
    device = next(spec.id for spec in build_wiring(files).devices if spec.driver == "battery.pcs")

    with only_daemon(state_home(files)):
        code = execute(["devices", "write", str(site), device, "power_kw", "-5", "--yes"])

    assert code == 1
    assert "a daemon controls this site" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named", "parsed"),
    [
        (["pcs1", "power_kw", "-5"], True, ("pcs1", "power_kw", -5.0)),
        (["power_kw", "1e3"], False, ("", "power_kw", 1000.0)),
        (["g1", "run", "start"], True, ("g1", "run", 1.0)),
    ],
)
def test_a_command_is_read(words: list[str], named: bool, parsed: tuple[str, str, float]) -> None:  # noqa: FBT001
    assert parse_command(words, named=named) == parsed


@pytest.mark.parametrize("words", [["power_kw"], ["a", "b", "c", "d"], ["p", "power_kw", "much"], ["p", "q", "nan"]])
def test_what_is_no_command_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_command(words, named=True)


@pytest.mark.wire
async def test_a_pcs_is_started_by_hand(tmp_path: Path) -> None:
    plant = pcs(ready=False)
    plant.follows["energise"] = "ready"
    asked: list[str] = []

    result = await written(plant, tmp_path / "audit.jsonl", name="energise", value=1.0, ask=confirming(asked))

    assert result.done
    assert "start: registers holding:512: 0001 (function 16)" in asked[0]
    assert plant.commanded("energise") == [1.0]


@pytest.mark.wire
async def test_a_supply_temperature_is_given_by_hand_within_the_band(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = PlantDevice(CDU, follows={"supply_degc": "setpoint_degc"})
    audit = AuditLog(tmp_path / "audit.jsonl", clock)
    bank = unit_registers(load_map("cdu-coolchip", ()), plant, clock=clock)
    async with serving({1: bank}, clock=clock) as server:
        target = endpoint_target(f"127.0.0.1:{server.port}", map_name="cdu-coolchip", unit=1, reach=Reach(), maps=())

        async def given(value: float) -> WriteResult:
            work = write(
                target, "supply_degc", value, for_s=0.0, audit=audit, forced="", ask=lambda _: True, clock=clock
            )
            return await timed(asyncio.create_task(work), clock)

        result = await given(35.0)
        with pytest.raises(ConfigError, match="90 °C is outside what"):
            await given(90.0)

    assert result.done
    assert plant.commanded("supply_degc") == [35.0]
