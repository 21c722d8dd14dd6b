"""Failures of single parts of a running site. Each is caused for real, and each must leave the load served."""

import os
import signal
from typing import Any

from ems.contract.catalogue import topic_of
from tests.wire.running_site import RunningSite


def solver_killed(site: RunningSite) -> None:
    """SIGKILL the solver's process: a new one takes over and plans go on."""
    site.until_controlling()
    before = health(site)
    os.kill(before["solver_pid"], signal.SIGKILL)
    site.until(lambda: health(site)["n_solver_restarts"] > before["n_solver_restarts"], "a new solver process")
    site.until(lambda: health(site)["plans_made"] > before["plans_made"], "plans after the kill")
    site.until(lambda: told(site, "planning", "solver's process was started again"), "the event of the restart")
    assert "started again" in site.log("daemon")
    assert health(site)["pid"] == before["pid"]
    served(site)


def is_kept(topic: str) -> bool:
    """Return whether a broker keeps the topic for whoever comes later; alarms that are over are withdrawn."""
    row = topic_of(topic)
    return row is not None and row.retain and row.pattern != "alarm/<id>"


def broker_killed(site: RunningSite) -> None:
    """SIGKILL the broker and start an empty one: control goes on, everything retained comes back."""
    site.until_controlling()
    ticks, connects = health(site)["n_ticks"], health(site)["mqtt"]["n_connects"]
    topics = {topic for topic in site.listener.newest if is_kept(topic)}
    site.kill("broker")
    site.pass_time(30.0)
    assert site.processes["daemon"].poll() is None
    site.listener.newest.clear()
    site.start_broker()
    site.until(lambda: topics <= set(site.listener.newest), "every retained topic again")
    site.until(lambda: health(site)["n_ticks"] >= ticks + 25, "the cycles of the meantime")
    site.until(lambda: health(site)["mqtt"]["n_connects"] > connects, "the new connection in health")
    assert "mqtt_lost" in site.log("daemon")
    assert "mqtt_connected" in site.log("daemon")
    served(site)


def daemon_killed(site: RunningSite) -> None:
    """SIGKILL the daemon: the plant holds itself, the broker tells, and a new daemon adopts what it finds."""
    site.until_controlling()
    site.pass_time(60.0)
    before = site.energies()
    site.kill("daemon")
    site.until(lambda: "offline" in site.listener.statuses, "the last will")
    site.pass_time(20.0)
    site.listener.newest.clear()
    site.start_daemon()
    site.until_controlling()
    assert site.listener.statuses[-1] == "online"
    assert told(site, "daemon", "started")
    after = site.energies()
    assert after["genset_starts"] == before["genset_starts"], "a restart must not start sets"
    served(site)


def endpoint_refuses(site: RunningSite, *, device_id: str) -> None:
    """Close one device's endpoint: it is reported lost, its values are unknown, the rest carries on."""
    site.until_controlling()
    link = site.links[device_id]
    site.steer(do="refuse", link=link)
    site.until(lambda: device_id in health(site)["lost_devices"], "the lost device in health")
    site.until(lambda: told(site, "device", f"{device_id} does not answer"), "the event of the loss")
    site.pass_time(60.0)
    served(site)
    site.steer(do="heal", link=link)
    site.until(lambda: device_id not in health(site)["lost_devices"], "the device's return")
    site.until(lambda: told(site, "device", f"{device_id} answers"), "the event of the return")
    site.pass_time(10.0)
    served(site)


def endpoint_mute(site: RunningSite, *, device_id: str) -> None:
    """Let one endpoint accept connections and say nothing: worse than refusing, and treated the same."""
    site.until_controlling()
    site.steer(do="mute", link=site.links[device_id])
    site.until(lambda: device_id in health(site)["lost_devices"], "the silent device in health")
    site.pass_time(30.0)
    served(site)


def endpoint_lost(site: RunningSite, *, device_id: str, **faults: object) -> None:
    """Spoil what one endpoint says until nothing of it can be used: it is reported, borne, and found again."""
    site.until_controlling()
    link = site.links[device_id]
    site.steer(do="faults", link=link, faults=faults)
    site.until(lambda: device_id in health(site)["lost_devices"], "the device that tells nothing in health")
    site.pass_time(60.0)
    served(site)
    site.steer(do="heal", link=link)
    site.until(lambda: device_id not in health(site)["lost_devices"], "the device's return")
    site.pass_time(10.0)
    served(site)


def endpoint_annoying(site: RunningSite, *, device_id: str, **faults: object) -> None:
    """Let one endpoint do wrong what it answers, now and then or to commands only: the load is served all along."""
    site.until_controlling()
    site.steer(do="faults", link=site.links[device_id], faults=faults)
    site.pass_time(90.0)
    served(site)
    site.steer(do="heal", link=site.links[device_id])
    site.pass_time(30.0)
    assert site.processes["daemon"].poll() is None
    assert device_id not in health(site)["lost_devices"]
    served(site)


def everything_at_once(site: RunningSite) -> None:
    """Kill solver and broker and close an endpoint together: control needs none of them."""
    site.until_controlling()
    before = health(site)
    site.steer(do="refuse", link=site.links["bess01-pcs"])
    os.kill(before["solver_pid"], signal.SIGKILL)
    site.kill("broker")
    site.pass_time(90.0)
    served(site)
    site.listener.newest.clear()
    site.start_broker()
    site.until(lambda: health(site)["n_ticks"] > before["n_ticks"] + 60, "cycles that went on")
    site.until(lambda: "bess01-pcs" in health(site)["lost_devices"], "the lost device in health")
    site.until(lambda: health(site)["plans_made"] > before["plans_made"], "plans after the kill")
    served(site)


def grid_lost(site: RunningSite) -> None:
    """Open the grid: the mode follows the measured breaker to island and back, the load does not notice."""
    site.until_controlling()
    site.until(lambda: state(site)["mode"] == "grid", "grid mode")
    site.steer(do="grid", state="lost")
    site.until(lambda: state(site)["mode"] == "island", "island mode")
    site.pass_time(60.0)
    served(site)
    site.steer(do="grid", state="present")
    twin = site.files.twin
    assert twin is not None
    assert twin.outages is not None
    # the relay waits before it closes: longer than the patience of a test at five times real time
    site.pass_time(twin.outages.reclose_s)
    site.until(lambda: state(site)["mode"] == "grid", "grid mode again")
    served(site)


def state(site: RunningSite) -> dict[str, Any]:
    """Return the newest `state`."""
    return site.listener.value("state") or {}


def health(site: RunningSite) -> dict[str, Any]:
    """Return the newest `health`; wait for the first."""
    site.until(lambda: site.listener.value("health") is not None, "health")
    return site.listener.value("health") or {}


def told(site: RunningSite, kind: str, words: str) -> bool:
    """Return whether an event was published."""
    return any(event["kind"] == kind and words in event["text"] for event in list(site.listener.events))


def served(site: RunningSite) -> None:
    """Fail unless the load got everything that it wanted so far."""
    energies = site.energies()
    assert energies["load_it"] > 0.0
    assert energies["unserved"] == 0.0, energies
