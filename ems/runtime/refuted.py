"""Compares suspect powers with the meters: what does not fit the balance of the site is unknown."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

from ems.control.measurement import MAX_SPREAD_S, measure_powers
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, Problem, PvState, SiteSnapshot

# share of the load by which sources and meters may differ: losses and moments of sampling that are not the same
_TOLERANCE_FRAC: Final = 0.05

_State = TypeVar("_State", BlockState, GensetState, PvState)


def without_refuted(site: Site, image: SiteSnapshot, *, device_ids: Mapping[str, str]) -> SiteSnapshot:
    """Return an image without the powers of suspects if the sources together do not deliver what the meters count.

    `device_ids` has the devices by asset.
    """
    states: tuple[BlockState | GensetState | PvState, ...] = (*image.blocks, *image.gensets, *image.pv)
    suspects = [state.id for state in states if state.suspect]
    gap_kw = _gap_kw(site, image) if suspects else None
    if gap_kw is None:
        return image
    reason = f"its values may be frozen, and all sources together differ from the meters by {gap_kw:+.0f} kW"
    return replace(
        image,
        blocks=tuple(_refuted(state) for state in image.blocks),
        gensets=tuple(_refuted(state) for state in image.gensets),
        pv=tuple(_refuted(state) for state in image.pv),
        problems=(
            *image.problems,
            *(Problem(device_id=device_ids[asset], value="power_kw", reason=reason) for asset in suspects),
        ),
    )


def _gap_kw(site: Site, image: SiteSnapshot) -> float | None:
    """Return by how much the sources exceed the load that is metered, None where that is little or not known."""
    metered = (image.it.load_kw, image.cooling_load.load_kw, image.aux.load_kw)
    powers = measure_powers(site, image)
    sources = (powers.pv_kw, powers.gensets_kw, powers.storage_kw, powers.grid_kw)
    if None in metered or None in sources or powers.load_kw is None or image.spread_s > MAX_SPREAD_S:
        return None
    gap_kw = sum(power for power in sources if power is not None) - powers.load_kw
    return gap_kw if abs(gap_kw) > _TOLERANCE_FRAC * powers.load_kw else None


def _refuted(state: _State) -> _State:
    return replace(state, power_kw=None, controllable=False) if state.suspect else state
