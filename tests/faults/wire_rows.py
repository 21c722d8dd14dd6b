"""The rows that need daemon, broker and wire: links, processes, files."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from tests.faults.result import Found, SkippedRow
from tests.wire import booting, restarts, scenarios
from tests.wire.running_site import RunningSite
from tests.wire.scenarios import health, state

DUSK: Final = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)
_BUMP_FRAC: Final = 0.02


@contextmanager
def running(site: str = "desert-offgrid", *, start: datetime = DUSK, speed: float = 1.0) -> Iterator[RunningSite]:
    """Run a site until the end of the scenario; it controls when the scenario begins."""
    with TemporaryDirectory() as home, RunningSite(Path(home), site=site, speed=speed, start=start) as here:
        here.until_controlling()
        here.pass_time(10.0)
        yield here


def found(site: RunningSite, detect_s: float | None, text: str, *wrong: str | None) -> Found:
    """Return what was measured up to now."""
    return Found(
        detect_s=detect_s,
        state=state(site).get("mode"),
        unserved_kwh=site.energies()["unserved"],
        told=text,
        wrong=tuple(each for each in wrong if each is not None),
    )


def shown_after(site: RunningSite, shows: Callable[[], object], since_s: float, what: str) -> float:
    """Return how long after an instant something shows, by the site's clock."""
    site.until(shows, what)
    return site.now_s() - since_s


def _shown_s(site: RunningSite) -> float:
    """Return when the newest `state` was made, by the site's clock."""
    return (datetime.fromisoformat(state(site)["ts"]) - site.start).total_seconds()


def _unknown(site: RunningSite, device_id: str) -> bool:
    return any(problem["device"] == device_id for problem in state(site).get("problems", ()))


def _lost(device_id: str, text: str, **faults: object) -> Found:
    """Spoil an endpoint; the device's values must become unknown, the others carry on, and it comes back."""
    with running() as site:
        link, began_s = site.links[device_id], site.now_s()
        site.steer(do="faults", link=link, faults=faults)
        site.until(lambda: _unknown(site, device_id), "unknown values")
        detect_s = _shown_s(site) - began_s
        site.pass_time(30.0)
        mid = site.energies()["unserved"]
        site.steer(do="heal", link=link)
        site.until(lambda: not _unknown(site, device_id), "the return of the device")
        return found(site, detect_s, text, f"{mid:.3g} kWh unserved while it was away" if mid > 0.0 else None)


def one_pcs_lost() -> Found:
    """F01: nothing comes back from one PCS any more."""
    return _lost("bess01-pcs", "one PCS is excluded and taken back", mute=True)


def all_pcs_lost() -> Found:
    """F02: nothing comes back from any PCS; their droop carries the load."""
    with running() as site:
        pcs = [device for device in site.links if device.endswith("-pcs")]
        began_s = site.now_s()
        for link in {site.links[device] for device in pcs}:
            site.steer(do="mute", link=link)
        site.until(lambda: state(site).get("mode") == "degraded", "degraded mode")
        detect_s = _shown_s(site) - float(state(site)["mode_for_s"]) - began_s
        site.pass_time(30.0)
        return found(site, detect_s, f"{len(pcs)} PCS silent, droop carries the load")


def device_slow() -> Found:
    """F03: one device answers after 0.4 s; the cycles of control must not be late."""
    with running() as site:
        before = health(site)["n_ticks"]
        began_s = site.now_s()
        site.steer(do="faults", link=site.links["gen01-ctl"], faults={"delay_s": 0.4})
        site.pass_time(30.0)
        site.until(lambda: health(site)["n_ticks"] > before, "cycles")
        site.pass_time(5.0)
        n = health(site)["n_ticks"] - before
        spent_s = site.now_s() - began_s
        missed = spent_s - n
        late = f"{missed:.0f} cycles missing in {spent_s:.0f} s" if missed > 6.0 else None
        return found(site, None, f"{n} cycles in {spent_s:.0f} s beside it", late)


def device_frozen() -> Found:
    """F04: a PCS answers in time and shows old content."""
    return _lost("bess01-pcs", "as lost: its life counter stands still", frozen=True)


def answers_late() -> Found:
    """F07: every answer comes when the next request has been sent."""
    return _lost("gen01-ctl", "late answers are never taken for others", late_s=10.0)


def values_not_available() -> Found:
    """F08: every point of a BMS has the code for a value that is not available."""
    return _lost("bess-c01-bms", "unknown, never zero", sentinel=True)


def solver_stands_still() -> Found:
    """F10: the solver's process is stopped by a signal in the middle of its work."""
    with running(speed=5.0) as site:
        before = health(site)
        os.kill(before["solver_pid"], signal.SIGSTOP)
        try:
            site.until(
                lambda: health(site)["n_solver_restarts"] > before["n_solver_restarts"],
                "another solver process",
                patience_s=240.0,
            )
        finally:
            _go_on(before["solver_pid"])
        site.until(lambda: health(site)["plans_made"] > before["plans_made"], "plans afterwards")
        other = health(site)["pid"] != before["pid"]
        return found(site, None, "killed and replaced; control went on", "the daemon restarted" if other else None)


def _go_on(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def solver_crashes() -> Found:
    """F11: the solver's process ends by a segmentation fault."""
    with running(speed=5.0) as site:
        before = health(site)
        os.kill(before["solver_pid"], signal.SIGSEGV)
        began_s = site.now_s()
        detect_s = shown_after(
            site, lambda: health(site)["n_solver_restarts"] > before["n_solver_restarts"], began_s, "another process"
        )
        site.until(lambda: health(site)["plans_made"] > before["plans_made"], "plans afterwards")
        other = health(site)["pid"] != before["pid"]
        return found(site, detect_s, "a new process plans", "the daemon restarted" if other else None)


def broker_down() -> Found:
    """F15: the broker is killed and comes back empty."""
    with running(speed=5.0) as site:
        scenarios.broker_killed(site)
        return found(site, None, "control went on; every retained topic came back")


def state_files_garbled() -> Found:
    """F18: the power fails; at the next start the logs of all databases are garbage, then the databases too."""
    with running() as site:
        before = site.energies()["genset_starts"]
        logs_only = _garbled_restart(site, ("-wal",))
        both = _garbled_restart(site, (".db", "-wal"))
        shown = _set_aside_alarms(site)
        started = site.energies()["genset_starts"] != before
        missing = both - shown
        return found(
            site,
            None,
            f"garbled logs: recovered; {len(both)} garbled databases: set aside and told, the plant adopted",
            f"no alarm for {', '.join(sorted(missing))}" if missing or not both else None,
            "garbled logs cost a database" if logs_only else None,
            "a set was started" if started else None,
        )


def _garbled_restart(site: RunningSite, endings: tuple[str, ...]) -> set[str]:
    """Kill the daemon, garble the files of its state directory with these endings, start it; return what went aside."""
    state_directory = site.directory / "var"
    site.kill("daemon")
    for file in state_directory.iterdir():
        if file.is_file() and file.name.endswith(endings):
            file.write_bytes(b"\x00garbage" * 600)
    site.listener.newest.clear()
    site.start_daemon()
    site.until_controlling()
    site.pass_time(12.0)
    names = {file.name for file in state_directory.glob("*.damaged-*")}
    return {name for name in names if not name.endswith(("-wal", "-shm"))}


def _set_aside_alarms(site: RunningSite) -> set[str]:
    """Return which damaged files the active alarms speak of."""
    alarms = [heard.value for topic, heard in site.listener.newest.items() if topic.startswith("alarm/file_damaged")]
    return {str(alarm["text"]).split(":")[0] for alarm in alarms if isinstance(alarm, dict) and alarm["active"]}


def daemon_killed() -> Found:
    """F24: the daemon is killed three times at random instants."""
    with running() as site:
        # the draws of one campaign, so that it can be repeated
        rng = Random(24)
        done = [restarts.killed(site, rng) for _ in range(3)]
        load_kw = float(state(site)["load_kw"])
        bump = max(each.bump_kw for each in done)
        moved = sum(len(each.moved) for each in done)
        first_s = max(each.first_write_s for each in done)
        return found(
            site,
            first_s,
            f"3 kills, first write after {first_s:.1f} s, bump {bump:.0f} kW",
            f"bump of {bump:.0f} kW" if bump > _BUMP_FRAC * load_kw else None,
            f"{moved} starts, stops or changes of mode before adoption" if moved else None,
        )


def daemon_hangs() -> Found:
    """F25: the daemon is stopped by a signal under real systemd."""
    if (why := booting.why_not()) is not None:
        raise SkippedRow(why)
    with running("edge-node") as site:
        site.kill("daemon")
        site.listener.newest.clear()
        with booting.booted(site):
            site.until(lambda: state(site).get("mode") in ("island", "grid"), "control under systemd")
            site.pass_time(8.0)
            done = booting.hang(site)
        return found(site, done.first_write_s, "killed by the watchdog and started again")


def nothing_grows() -> Found:
    """F41: ten minutes at speed 10 with a device that comes and goes: queues, files and tasks stay bounded."""
    with running(speed=10.0) as site:
        site.until(lambda: health(site)["n_ticks"] > 30, "cycles")
        before = health(site)["process"]
        for _ in range(5):
            site.steer(do="refuse", link=site.links["bess01-pcs"])
            site.pass_time(60.0)
            site.steer(do="heal", link=site.links["bess01-pcs"])
            site.pass_time(60.0)
        after = health(site)["process"]
        grown = [
            f"{name} from {before[name]} to {after[name]}"
            for name in before
            if name.startswith("n_") and isinstance(before[name], int) and after[name] > before[name] + 20
        ]
        return found(site, None, "files and tasks did not grow; `make soak` has the long run", *grown)
