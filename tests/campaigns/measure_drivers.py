"""What polling costs: requests per second of processor time, against the wire twin in a process of its own."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ems.app.clocks import SharedTime
from ems.app.demo_site import copy_site, free_ports
from ems.app.devices import Fleet, build_fleet
from ems.config.build import build_site, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.runtime.clock import SystemClock, wall_origin
from tests.campaigns.rows import Row


def measure_drivers(*, wall_s: float = 10.0) -> Iterator[Row]:
    """Poll every device of the desert site at its native periods."""
    with TemporaryDirectory() as home:
        directory = Path(home) / "site"
        files = load_files(site_directory("desert-offgrid"))
        copy_site(files, directory, broker_host="127.0.0.1", broker_port=free_ports(1)[0], protocol="5")
        shared = SharedTime(start=datetime(2025, 1, 8, 20, tzinfo=UTC), origin=wall_origin(), speed=1.0)
        command = [sys.executable, "-m", "ems.cli", "twin", str(directory), "--clock", shared.text()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as twin:
            assert twin.stdout is not None
            assert json.loads(twin.stdout.readline()) == {"ready": True}
            copied = load_files(directory)
            site = build_site(copied)
            fleet = build_fleet(site, build_wiring(copied), SystemClock(), directories=copied.search)
            yield from asyncio.run(_poll(fleet, wall_s))
            assert twin.stdin is not None
            twin.stdin.close()


async def _poll(fleet: Fleet, wall_s: float) -> Iterator[Row]:
    tasks = [asyncio.create_task(link.run()) for link in fleet.links]
    # connecting is over
    await asyncio.sleep(2.0)
    requests, used_s = _requests(fleet), time.process_time()
    await asyncio.sleep(wall_s)
    n_requests, cpu_s = _requests(fleet) - requests, time.process_time() - used_s
    lost = [device.device_id for device in fleet.devices.values() if device.trouble() is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    what = f"{len(fleet.devices)} devices on {len(fleet.links)} links"
    return iter(
        [
            Row(id="drivers.rate", what=f"requests at native periods, {what}", value=n_requests / wall_s, unit="1/s"),
            Row(id="drivers.core", what=f"share of one core for polling, {what}", value=cpu_s / wall_s, unit="share"),
            Row(id="drivers.per_core", what="requests per core second", value=n_requests / cpu_s, unit="1/s"),
            Row(
                id="drivers.lost",
                what="devices that did not answer",
                value=float(len(lost)),
                unit="",
                target="0",
                met=not lost,
            ),
        ]
    )


def _requests(fleet: Fleet) -> int:
    return sum(link.status().n_requests for link in fleet.links)
