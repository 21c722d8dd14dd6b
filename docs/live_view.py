"""Draws docs/figures/live-view.svg from a site that runs: `python -m docs.live_view HOST:PORT ems/desert-offgrid`.

The site may be a demo with a broker of its own (`ems demo --broker HOST:PORT`). It listens for some seconds and
draws what the terminal view would show.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from ems.hmi.client import BrokerAddress, follow_site
from ems.hmi.mirror import SiteMirror
from ems.hmi.terminal import picture

FILE = Path(__file__).parent / "figures" / "live-view.svg"
_WIDTH, _HEIGHT = 148, 42
_LISTEN_S = 60.0


async def listen(address: BrokerAddress, root: str) -> SiteMirror:
    """Return what a client knows after listening for a while."""
    mirror = SiteMirror()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LISTEN_S):
            await follow_site(address, root, mirror)
    return mirror


def draw(mirror: SiteMirror, *, title: str, timezone: str) -> None:
    """Write the picture of what a client knows."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_WIDTH, height=_HEIGHT, file=nowhere, force_terminal=True)
        console.print(picture(mirror, title, ZoneInfo(timezone)), height=_HEIGHT)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(console.export_svg(title="ems demo"), encoding="utf-8")


def main() -> None:
    """Listen and draw; the time zone and title are those of the shipped desert site."""
    host, _, port = sys.argv[1].rpartition(":")
    mirror = asyncio.run(listen(BrokerAddress(host=host, port=int(port)), sys.argv[2]))
    draw(mirror, title="Desert, off-grid, 10,000 GPUs", timezone="America/Los_Angeles")


if __name__ == "__main__":
    main()
