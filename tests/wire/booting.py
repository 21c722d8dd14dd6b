"""A real systemd as PID 1 of a namespace of its own, with the settings of the shipped unit."""

import configparser
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docs.pages import ROOT
from tests.wire.restarts import Restart, after, powers_before
from tests.wire.running_site import RunningSite

SYSTEMD = Path("/lib/systemd/systemd")
UNIT = ROOT / "deploy/systemd/ems.service"
# what decides about hangs and restarts; the sandbox and the user need an installed system
TAKEN_FROM_UNIT = (
    "Type",
    "NotifyAccess",
    "Restart",
    "RestartSec",
    "RestartPreventExitStatus",
    "TimeoutStartSec",
    "WatchdogSec",
    "WatchdogSignal",
    "KillMode",
)
_BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
cp {unit} /run/systemd/system/ems.service
touch {console}
mount --bind {console} /dev/console
export container=ems-test
exec {systemd} --system --unit=ems.service
"""


def why_not() -> str | None:
    """Return why this machine cannot boot a systemd in a namespace, None if it can."""
    if os.geteuid() != 0:
        return "systemd in a namespace needs root"
    if not SYSTEMD.exists() or shutil.which("unshare") is None:
        return "systemd or unshare is not installed"
    probe = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--uts", "--ipc", "--cgroup", "true"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    return None if probe.returncode == 0 else f"no namespaces here: {probe.stderr.decode(errors='replace').strip()}"


def hang(site: RunningSite) -> Restart:
    """SIGSTOP the daemon: it neither works nor ends, and only the watchdog notices."""
    before, began_s = powers_before(site), site.now_s()
    site.listener.newest.clear()
    os.kill(daemon_pid(site), signal.SIGSTOP)
    return after(site, began_s, before)


@contextmanager
def booted(site: RunningSite) -> Iterator[None]:
    """Run the site's daemon as a service of a systemd that is entered; end both afterwards."""
    unit = site.home / "ems.service"
    unit.write_text(_unit_text(site), encoding="utf-8")
    script = _BOOT.format(unit=unit, console=site.home / "console.log", systemd=SYSTEMD)
    with subprocess.Popen(
        [
            *("unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts", "--ipc", "--cgroup"),
            *("sh", "-ec", script),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as init:
        try:
            yield
        finally:
            # the kernel ends everything in the namespace with its first process
            with suppress(ProcessLookupError):
                os.killpg(init.pid, signal.SIGKILL)
            init.wait(10)


def _unit_text(site: RunningSite) -> str:
    shipped = configparser.ConfigParser(strict=False, interpolation=None)
    shipped.optionxform = str  # type: ignore[method-assign, assignment]
    shipped.read_string(UNIT.read_text(encoding="utf-8"))
    settings = "\n".join(f"{name}={shipped['Service'][name]}" for name in TAKEN_FROM_UNIT)
    log = site.home / "daemon.log"
    return (
        "[Unit]\nDefaultDependencies=no\n"
        f"StartLimitIntervalSec={shipped['Unit']['StartLimitIntervalSec']}\n"
        f"[Service]\n{settings}\n"
        f"WorkingDirectory={ROOT}\nEnvironment=PYTHONPATH={ROOT}\n"
        f"StandardError=append:{log}\nStandardOutput=null\n"
        f"ExecStart={' '.join(site.daemon_command())}\n"
    )


def daemon_pid(site: RunningSite) -> int:
    """Return the daemon's process id outside of the namespace."""
    wanted = [word.encode() for word in site.daemon_command()[1:]]
    for _ in range(100):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[1 : 1 + len(wanted)] == wanted:
                    return int(entry.name)
        time.sleep(0.1)
    raise AssertionError("the daemon does not run")
