"""Tells systemd that the daemon is ready, alive or stopping; does nothing where systemd did not ask for it.

The protocol is one datagram to the socket named in NOTIFY_SOCKET (sd_notify(3)).
"""

import os
import socket
from contextlib import suppress
from typing import Final

# building a large site anew takes seconds without a cycle
_RELOAD_US: Final = 60_000_000


class SystemdNotifier:
    """Sends state datagrams; never raises, never blocks."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # an abstract socket's name begins with a NUL byte, which the environment writes as @
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._ready = False
        self._extended = False
        self._watchdog_us = os.environ.get("WATCHDOG_USEC", "")

    def ready(self) -> None:
        """Say once that the daemon works."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def alive(self, status: str) -> None:
        """Feed the watchdog; call it after a completed control cycle and never from a timer."""
        if self._extended:
            self._extended = False
            self._send(f"WATCHDOG_USEC={self._watchdog_us}")
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def waiting(self, status: str) -> None:
        """Say why the watchdog is not fed; it goes on counting."""
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a new configuration is being read; until the next cycle the watchdog is given more time."""
        self._ready = False
        self._send("RELOADING=1")
        if self._watchdog_us.isdigit():
            self._extended = True
            self._send(f"WATCHDOG_USEC={max(_RELOAD_US, int(self._watchdog_us))}")

    def stopping(self) -> None:
        """Say that the daemon goes down on purpose."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            channel.sendto(text.encode(), self._address)
