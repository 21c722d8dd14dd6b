"""Prices of the grid at an instant: real-time where they are known, else the contract's."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ems.errors import ConfigError
from ems.model.forecast import PriceForecast
from ems.model.site import Site

# gives the newest prices of the market's client, None without a file; raises ConfigError for one that is not readable
PriceSource = Callable[[], PriceForecast | None]
_INSTANT = timedelta(seconds=1.0)


class SitePrices:
    """The site's prices; `source` None: it has no real-time tariff."""

    def __init__(self, site: Site, source: PriceSource | None = None) -> None:
        self._site = site
        self._source = source
        self._last: PriceForecast | None = None

    def newest(self) -> tuple[PriceForecast | None, str | None]:
        """Return the real-time prices, and what is wrong where the site should have some."""
        if self._source is None:
            return None, None
        try:
            self._last = self._source()
        except ConfigError as error:
            self._last = None
            return None, f"the prices cannot be read: {error}"
        return self._last, None if self._last is not None else "there are no real-time prices"

    def import_price_per_kwh(self, instant: datetime) -> float | None:
        """Return what an imported kWh costs, by the prices that were read last; None without a grid."""
        if self._site.grid is None:
            return None
        known = None if self._last is None else self._last.import_price_per_kwh.mean(instant, instant + _INSTANT)
        return self._site.grid.tariff.price_per_kwh(instant) if known is None else known
