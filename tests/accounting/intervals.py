"""Metered intervals and snapshots with counters."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ems.accounting.metering import MeteredInterval
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import healthy

START = datetime(2026, 6, 10, 20, 0, tzinfo=UTC)


def metered(
    wh: Mapping[str, int],
    *,
    number: int = 0,
    fuel_l: float = 0.0,
    stored_start_kwh: float | None = None,
    stored_kwh: float | None = None,
    flags: tuple[str, ...] = (),
) -> MeteredInterval:
    """Return a quarter hour; energies that are not given are zero."""
    start = START + timedelta(minutes=15 * number)
    names = ("pv", "genset", "import", "export", "discharge", "charge", "it", "cooling", "aux")
    energies: dict[str, Any] = {f"{name}_wh": wh.get(name, 0) for name in names}
    return MeteredInterval(
        start_utc=start,
        end_utc=start + timedelta(minutes=15),
        fuel_l=fuel_l,
        stored_start_kwh=stored_start_kwh,
        stored_kwh=stored_kwh,
        flags=flags,
        meters={},
        **energies,
    )


def counted(site: Site, utc: datetime, wh: Mapping[str, int | None]) -> SiteSnapshot:
    """Return a picture whose counters stand at given values; `pv` and `it` and the like, or a unit's name."""
    picture = replace(healthy(site), utc=utc)
    loads = {
        name: replace(load, energy_wh=wh.get(name, 0))
        for name, load in (("it", picture.it), ("cooling", picture.cooling_load), ("aux", picture.aux))
    }
    return replace(
        picture,
        pv=tuple(replace(pv, energy_wh=wh.get(pv.id, 0)) for pv in picture.pv),
        gensets=tuple(replace(genset, energy_wh=wh.get(genset.id, 0)) for genset in picture.gensets),
        blocks=tuple(
            replace(block, discharge_wh=wh.get(f"{block.id} out", 0), charge_wh=wh.get(f"{block.id} in", 0))
            for block in picture.blocks
        ),
        it=loads["it"],
        cooling_load=loads["cooling"],
        aux=loads["aux"],
    )
