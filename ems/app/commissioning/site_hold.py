"""Two masters on one device are dangerous: finds a daemon that holds the site, and keeps one from starting."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from ems.app.daemon import state_home
from ems.config.files import ConfigFiles
from ems.contract.topics import Topics
from ems.errors import StateError
from ems.gateway.broker import broker_settings
from ems.gateway.presence import daemon_is_online
from ems.runtime.lock import holder, only_daemon

# the StateDirectory of deploy/systemd/ems.service, which only the service itself is told
_SERVICE_STATE: Final = Path("/var/lib/gpu-microgrid-ems")


async def daemon_signs(files: ConfigFiles) -> tuple[str, ...]:
    """Return every sign that a daemon controls the site now; none if nothing shows one.

    Raises:
        ConfigError: A file that mqtt.toml names is missing.
    """
    signs = [
        f"process {process} holds {home}"
        for home in (state_home(files), _SERVICE_STATE)
        if (process := holder(home)) is not None
    ]
    topics = Topics(prefix=files.mqtt.mqtt.prefix, site_id=files.site.site.id)
    if await daemon_is_online(broker_settings(files, refresh_s=0.0), topics):
        signs.append(f"{topics.full('status')} is online")
    return tuple(dict.fromkeys(signs))


def refuse_two_masters(signs: tuple[str, ...], *, force: str) -> None:
    """Refuse to command devices beside a daemon, unless a reason is given.

    Raises:
        StateError: A daemon holds the site and there is no reason.
    """
    if signs and not force:
        raise StateError(
            f"a daemon controls this site ({'; '.join(signs)}): stop it first, or give --force with a reason"
        )


@contextmanager
def no_daemon_meanwhile(files: ConfigFiles) -> Iterator[None]:
    """Hold the state directory's lock where there is one to hold, so that no daemon starts in the middle."""
    with ExitStack() as stack:
        if (state_home(files) / "daemon.lock").exists() and holder(state_home(files)) is None:
            stack.enter_context(only_daemon(state_home(files)))
        yield
