"""A daemon in shadow mode beside a site that nobody commands: it decides, compares, and writes nothing at all."""

import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wire.running_site import RunningSite

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def said(site: RunningSite, topic: str) -> dict[str, Any]:
    return site.listener.value(f"shadow/{topic}") or {}


def n_writes(site: RunningSite) -> int:
    counted: int = site.steer(do="totals")["n_writes"]
    return counted


def controlling(site: RunningSite) -> None:
    site.until(lambda: said(site, "state").get("mode") in ("island", "grid"), "control of the model")
    site.until(lambda: said(site, "plan").get("source") is not None, "a plan")


def test_nothing_is_written_to_any_device_in_restarts_and_faults_either(tmp_path: Path, dusk: datetime) -> None:
    with RunningSite(tmp_path, site="edge-node", speed=5.0, start=dusk, options=("--shadow",)) as site:
        controlling(site)
        assert said(site, "health")["shadow"] is True
        site.until(lambda: any(topic.startswith("shadow/setpoint/") for topic in site.listener.newest), "a setpoint")
        (setpoint, *_) = [
            heard.value for topic, heard in site.listener.newest.items() if topic.startswith("shadow/setpoint/")
        ]
        assert "shadow mode" in setpoint["excluded"]

        link = next(iter(site.links.values()))
        site.steer(do="mute", link=link)
        site.pass_time(20.0)
        site.steer(do="heal", link=link)
        site.kill("daemon")
        site.listener.newest.clear()
        site.start_daemon()
        controlling(site)
        site.processes["daemon"].send_signal(signal.SIGHUP)
        site.until(lambda: '"reload"' in site.log("daemon"), "the reload")
        site.listener.newest.clear()
        controlling(site)
        assert site.end("daemon") == 0

        assert n_writes(site) == 0
        # whoever commands keeps the topics of the site
        assert {topic.partition("/")[0] for topic in site.listener.newest} <= {"shadow"}
        assert (site.directory / "var" / "shadow" / "state.db").exists()
        assert not (site.directory / "var" / "state.db").exists()
