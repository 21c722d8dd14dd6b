"""Shadow mode: the daemon reads, plans and decides beside whatever controls the site, and writes nothing to a device.

Its drivers are told to be silent and its connections let no write pass; its state, its topics and its names at brokers
are its own, so that it can run beside a controller that commands.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from ems.config.build import Wiring
from ems.config.files import ConfigFiles
from ems.contract.topics import SHADOW
from ems.forecast.yearly import YearTable
from ems.model.site import Site
from ems.ports import Device
from ems.runtime.daemon import Shadow
from ems.runtime.persistence import StateStore
from ems.runtime.prices import SitePrices
from ems.runtime.shadow_books import ShadowBooks
from ems.runtime.shadow_site import ShadowSite, silence_all
from ems.runtime.steady import SteadyClock

# below the state directory of the daemon that commands
STATE: Final = SHADOW


def shadow_wiring(wiring: Wiring) -> Wiring:
    """Return the wiring of a controller that never commands: no lease, and a name of its own at every broker."""
    brokers = tuple(replace(broker, client_id=f"{broker.client_id}-{SHADOW}") for broker in wiring.brokers)
    return replace(wiring, brokers=brokers, leases=())


def without_anchor(files: ConfigFiles) -> ConfigFiles:
    """Return the files without the place where the evidence of the site is anchored, which a shadow leaves alone."""
    ledger = files.persistence.ledger.model_copy(update={"anchor_file": None})
    return replace(files, persistence=files.persistence.model_copy(update={"ledger": ledger}))


def no_evidence(_record: dict[str, object]) -> None:
    """Keep no ledger record: what a model did is no evidence of what a site did."""


def shadow_of(
    site: Site,
    devices: Mapping[str, Device],
    clock: SteadyClock,
    store: StateStore,
    directory: Path,
    *,
    interval_min: int,
    carbon: YearTable | None,
    prices: SitePrices,
) -> Shadow:
    """Return the model in the place of the site and its books, as far as they had come; every driver is silent."""
    silence_all(devices.values())
    model = ShadowSite(site, devices, clock)
    books = ShadowBooks(site, model, store, directory, interval_min=interval_min, carbon=carbon, prices=prices)
    books.restore(utc=clock.utc())
    return Shadow(site=model, books=books)
