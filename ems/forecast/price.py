"""Prices of a real-time tariff, as the market's client writes them."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite

from ems.errors import ConfigError, ConfigProblem
from ems.model.forecast import EvenSeries, PriceForecast

_IMPORT, _EXPORT = "import_price_per_kwh", "export_price_per_kwh"
_HOUR_S = 3600.0


def parse_prices(text: str, *, file: str) -> PriceForecast:
    """Read a CSV with `time_utc`, `import_price_per_kwh` and, if there is one, `export_price_per_kwh`.

    A row holds from its time to the next row's; rows are even, an hour apart at most, and the last one is as long.

    Raises:
        ConfigError: Columns or values are missing, or the times are not even; nothing is repaired.
    """
    reader = csv.DictReader(io.StringIO(text))
    names = reader.fieldnames or ()
    if missing := [name for name in ("time_utc", _IMPORT) if name not in names]:
        raise _refused(file, f"column {', '.join(missing)} is missing", line=1)
    rows = list(_rows(reader, file, with_export=_EXPORT in names))
    if len(rows) < 2:
        raise _refused(file, "the file holds fewer than two prices")
    starts = [start for start, _, _ in rows]
    lengths = {(later - earlier).total_seconds() for earlier, later in pairwise(starts)}
    step_s = lengths.pop()
    if lengths or not 0.0 < step_s <= _HOUR_S:
        raise _refused(file, "the times are not even steps of an hour at most", key="time_utc")

    def series(values: list[float]) -> EvenSeries:
        return EvenSeries(start_utc=starts[0], step_s=step_s, values=tuple(values))

    return PriceForecast(
        import_price_per_kwh=series([price for _, price, _ in rows]),
        export_price_per_kwh=series([price for _, _, price in rows]) if _EXPORT in names else None,
    )


def _rows(reader: "csv.DictReader[str]", file: str, *, with_export: bool) -> Iterator[tuple[datetime, float, float]]:
    for row in reader:
        try:
            start = datetime.fromisoformat(row["time_utc"] or "")
            if start.tzinfo is None:
                raise ValueError(f"{row['time_utc']!r} has no offset to UTC")  # noqa: TRY301 - refused like any other
            bought = _price(row[_IMPORT])
            yield start.astimezone(UTC), bought, _price(row[_EXPORT]) if with_export else 0.0
        except (ValueError, TypeError, OverflowError) as error:
            raise _refused(file, str(error), line=reader.line_num) from error


def _price(text: str | None) -> float:
    value = float(text or "")
    if not isfinite(value):
        raise ValueError(f"{text!r} is no price")
    return value


def _refused(file: str, message: str, *, line: int | None = None, key: str | None = None) -> ConfigError:
    allowed = "rows of time_utc and prices per kWh, such as 2026-03-01T09:00:00Z,0.12"
    return ConfigError(ConfigProblem(file=file, line=line, key=key, message=message, allowed=allowed))
