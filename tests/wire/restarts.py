"""A daemon that is killed or hangs, and what the plant hears of it: measured at the twin's devices."""

import random
from dataclasses import dataclass
from datetime import datetime

from tests.wire.running_site import Commanded, RunningSite
from tests.wire.scenarios import state

# the written powers and the sign of life; whatever else arrives moves something
_HARMLESS = frozenset({"power_kw", "heartbeat", "watchdog_s", "limit_kw", "supply_degc"})
# what was on its way when the daemon was killed
_UNDER_WAY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What one restart did; times from the kill, `bump_kw` the sum of changed setpoints of the first writes.

    `moved` are starts, stops and changes of mode that arrived before the plant was adopted.
    """

    first_write_s: float
    adopted_s: float
    bump_kw: float
    moved: tuple[Commanded, ...]


def killed(site: RunningSite, rng: random.Random, *, longest_wait_s: float = 8.0) -> Restart:
    """SIGKILL the daemon at a random instant, start it again and wait until it controls."""
    site.pass_time(rng.uniform(0.2, longest_wait_s))
    began_s = site.now_s()
    before = _powers(site.commands(began_s - 30.0))
    site.kill("daemon")
    site.listener.newest.clear()
    site.start_daemon()
    return after(site, began_s, before)


def after(site: RunningSite, began_s: float, before: dict[str, float]) -> Restart:
    """Wait until a daemon that was killed or hung at `began_s` controls again, and return what it did."""
    since_s = began_s + _UNDER_WAY_S
    site.until(lambda: _lives(site.commands(since_s)), "a power setpoint or heartbeat")
    site.until(lambda: state(site).get("mode") in ("island", "grid") and _adopted_s(site) > since_s, "control")
    taken = site.commands(since_s)
    first = min(command.at_s for command in taken if command.name in {"power_kw", "heartbeat"})
    adopted_s = _adopted_s(site)
    found = _powers([command for command in taken if command.at_s < adopted_s])
    return Restart(
        first_write_s=(first - began_s) / site.speed,
        adopted_s=(adopted_s - began_s) / site.speed,
        bump_kw=sum(abs(kw - before.get(device, kw)) for device, kw in found.items()),
        moved=tuple(c for c in taken if c.name not in _HARMLESS and c.at_s < adopted_s - _UNDER_WAY_S),
    )


def powers_before(site: RunningSite) -> dict[str, float]:
    """Return the newest power setpoint of each device."""
    return _powers(site.commands(site.now_s() - 30.0))


def _powers(commands: list[Commanded]) -> dict[str, float]:
    """Return the newest power setpoint of each device."""
    return {command.device: command.value for command in commands if command.name == "power_kw"}


def _lives(commands: list[Commanded]) -> bool:
    return any(command.name in {"power_kw", "heartbeat"} for command in commands)


def _adopted_s(site: RunningSite) -> float:
    """Return when the mode of the newest `state` began, by the site's clock."""
    newest = state(site)
    shown = (datetime.fromisoformat(newest["ts"]) - site.start).total_seconds()
    return shown - float(newest["mode_for_s"])
