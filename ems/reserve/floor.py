"""The SoC that steady operation keeps."""

from ems.model.site import Site
from ems.reserve.energy import reserve_kwh


def soc_floor_pct(site: Site, *, load_kw: float, full_kwh: float) -> float:
    """Return the SoC that steady operation keeps: technical minimum, E_res and SoC uncertainty, or what people ask for.

    `full_kwh` is the present full capacity of all pools together; the first pool's limits stand for all.
    """
    pool = site.batteries[0]
    energy = reserve_kwh(
        site.reserve, load_kw=load_kw, gensets=site.gensets, discharge_eff_frac=pool.discharge_eff_frac
    )
    needed_pct = pool.soc_tech_min_pct + pool.soc_error_pct + 100.0 * energy / full_kwh
    return max(site.reserve.least_soc_pct, needed_pct)
