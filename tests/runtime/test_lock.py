import os
import subprocess
import sys
from pathlib import Path

import pytest

from ems.errors import StateError
from ems.runtime.lock import only_daemon

_HOLDER = """
import sys, time
from pathlib import Path
from ems.runtime.lock import only_daemon
with only_daemon(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_daemon_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        with pytest.raises(StateError, match=f"another daemon \\(process {holder.pid}\\)"), only_daemon(tmp_path):
            pass

        holder.kill()
        holder.wait()

    # the kernel has given the lock back, however the holder ended
    with only_daemon(tmp_path):
        assert (tmp_path / "daemon.lock").read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateError, match="cannot be made"), only_daemon(tmp_path / "file" / "state"):
        pass


def test_a_lock_that_cannot_be_made_does_not_keep_control_away(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").mkdir()

    with only_daemon(tmp_path):
        pass
