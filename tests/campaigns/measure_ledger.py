"""What the ledger costs: one interval of a site with 50 meters, and the check of a year."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ems.accounting.ledger import Factors, LedgerState, next_record
from ems.accounting.metering import MeteredInterval
from ems.app.ledger import verified
from ems.runtime.evidence import Evidence
from ems.runtime.ledger_store import LedgerStore
from ems.studies.signed_ledger import SignedLedger
from tests.accounting.intervals import metered
from tests.campaigns.rows import Row
from tests.control.scene import small

_SITE = "weak-grid-campus"
_FACTORS = Factors(diesel_kgco2e_per_l=2.7, grid_kgco2e_per_kwh=0.4)
_N_METERS = 50
_YEAR = 35_040
_DAY = 96
_WORK_MS, _CHECK_S = 50.0, 60.0


def measure_ledger(*, n_year: int = _YEAR) -> Iterator[Row]:
    """Write a day to the disk as the daemon does, and check a year of records."""
    with TemporaryDirectory() as home:
        mean_ms = _written_day(Path(home))
        yield Row(
            id="ledger.interval",
            what=f"processor time of a record of {_N_METERS} meters, from meters to disk, mean of a day with its seal",
            value=mean_ms,
            unit="ms",
            target=f"< {_WORK_MS:g}",
            met=mean_ms < _WORK_MS,
        )
    with TemporaryDirectory() as home:
        file = Path(home) / "ledger.jsonl"
        _written_year(file, n_year)
        begin_s = time.process_time()
        verdict = verified(file, pubkey=None, first=None, last=None)
        took_s = time.process_time() - begin_s
        yield Row(
            id="ledger.verify",
            what=f"processor time of the check of {n_year} records, {file.stat().st_size / 2**20:.0f} MiB",
            value=took_s,
            unit="s",
            target=f"< {_CHECK_S:g}",
            met=verdict.passed and took_s < _CHECK_S,
        )


def _written_day(directory: Path) -> float:
    """Return the processor time of one record, all threads counted."""
    site, state = small(_SITE), LedgerState()
    evidence = Evidence(directory / "evidence.db")
    ledger = LedgerStore(evidence, site=site.id, state_directory=directory)
    evidence.start()
    intervals = [_interval(number) for number in range(_DAY)]
    begin_s = time.process_time()
    for interval in intervals:
        record, state = next_record(site, interval, state, _FACTORS)
        ledger(record)
    evidence.close()
    return 1e3 * (time.process_time() - begin_s) / _DAY


def _written_year(file: Path, n_records: int) -> None:
    site, state = small(_SITE), LedgerState()
    ledger = SignedLedger(file, site=site.id)
    for number in range(n_records):
        record, state = next_record(site, _interval(number), state, _FACTORS)
        ledger.add(record)
    ledger.close(whole=True)


def _interval(number: int) -> MeteredInterval:
    """Return a quarter hour of fifty meters; the storage is used both ways."""
    each = {f"pv{unit:02}": 10_000 + unit + number % 11 for unit in range(_N_METERS - 4)}
    pv_wh = sum(each.values())
    way = "charge" if number % 2 else "discharge"
    energies = {"pv": pv_wh, "import": 20_000, "it": 400_000, "cooling": 40_000, way: 30_000}
    found = metered(energies, number=number, stored_start_kwh=9000.0)
    meters = {"pv_wh": each, "import_wh": {"pcc": 20_000}, "it_wh": {"it": 400_000}, "cooling_wh": {"cooling": 40_000}}
    return replace(found, meters={**meters, f"{way}_wh": {"block01": 30_000}})
