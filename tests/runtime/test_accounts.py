"""Accounts over a restart: the ledger of two runs is that of one, whenever the first was killed."""

import json
from dataclasses import replace

import pytest

from ems.control.state import ControlState
from ems.model.carbon_budget import BudgetPeriod, CarbonAllowance
from ems.runtime.accounts import Accounts
from ems.runtime.cycle import ControlCycle
from tests.runtime.fakes import PortSite

Record = dict[str, object]
STEP_S = 60.0
BUDGET = CarbonAllowance(kgco2e=2400.0, period=BudgetPeriod.DAY, excess_price_per_t=1.0, timezone="UTC")


@pytest.mark.parametrize("killed_after", [1, 7, 14, 15, 16, 29])
def test_a_kill_in_the_middle_of_an_interval_loses_no_energy(killed_after: int) -> None:
    whole = _Run()
    whole.observe(31)
    first = _Run()
    first.observe(killed_after)

    second = _Run(before=first)
    second.observe(31 - killed_after)

    assert len(whole.lines) == 2
    assert first.lines + second.lines == whole.lines
    assert second.accounts.energy() == whole.accounts.energy()


def test_minutes_without_a_controller_are_in_the_interval_that_was_open() -> None:
    whole = _Run()
    whole.observe(31)
    first = _Run()
    first.observe(5)

    first.pass_time(6)
    second = _Run(before=first)
    second.observe(20)

    lines = first.lines + second.lines
    assert [line["flags"] for line in lines] == [[], []]
    assert [(line["start"], line["end"]) for line in lines] == [(line["start"], line["end"]) for line in whole.lines]
    served_wh = round(1000.0 * second.plant_site.plant.totals.load_it)
    booked_wh = sum(_it_wh(line) for line in lines)
    # the thirtieth minute is the last that a record holds, a meter counts whole Wh
    last_wh = round(1000.0 * second.plant_site.plant.load.it_kw * STEP_S / 3600.0)
    assert booked_wh == pytest.approx(served_wh - last_wh, abs=3)


def test_the_carbon_budget_counts_on_over_a_restart() -> None:
    whole, first = _Run(budget=BUDGET), _Run(budget=BUDGET)
    whole.observe(47)
    first.observe(20)
    second = _Run(before=first, budget=BUDGET)
    second.observe(27)
    spent, totals = second.accounts.carbon_spent(), second.accounts.carbon()

    assert spent is not None
    assert spent == whole.accounts.carbon_spent()
    assert totals is not None
    assert totals.budget is not None
    assert spent.kgco2e == pytest.approx(totals.scope1_kgco2e + totals.scope2_kgco2e)
    assert totals.budget.kgco2e == spent.kgco2e
    # three quarters of an hour of a day
    assert totals.budget.accrued_kgco2e == pytest.approx(2400.0 * 0.75 / 24.0)


def test_a_site_without_a_carbon_budget_counts_none() -> None:
    run = _Run()
    run.observe(31)
    totals = run.accounts.carbon()

    assert run.accounts.carbon_spent() is None
    assert totals is not None
    assert totals.budget is None


def test_a_document_without_an_open_interval_begins_a_new_one() -> None:
    first = _Run()
    first.observe(20)
    document = {name: value for name, value in first.accounts.document().items() if name not in ("open", "operation")}

    second = Accounts(first.plant_site.site, interval_min=15, carbon=None, sink=lambda _: None)
    second.restore(document)

    kept = second.document()
    assert {name: value for name, value in kept.items() if name != "operation"} == {**document, "open": None}


def test_a_damaged_open_interval_is_refused_and_changes_nothing() -> None:
    first = _Run()
    first.observe(20)
    second = Accounts(first.plant_site.site, interval_min=15, carbon=None, sink=lambda _: None)
    fresh = second.document()

    with pytest.raises((ValueError, TypeError, KeyError)):
        second.restore({**first.accounts.document(), "open": {"start": "yesterday"}})

    assert second.document() == fresh


class _Run:
    """A controller at the edge node, by minutes; a later run finds the plant and the document of the one before."""

    def __init__(self, *, before: "_Run | None" = None, budget: CarbonAllowance | None = None) -> None:
        self.lines: list[Record] = []
        self.plant_site: PortSite = PortSite() if before is None else before.plant_site
        site = self.plant_site.site
        budgeted = replace(site, economics=replace(site.economics, carbon_budget=budget))
        self.accounts = Accounts(budgeted, interval_min=15, carbon=None, sink=self.lines.append)
        if before is not None:
            self.accounts.restore(json.loads(json.dumps(before.accounts.document())))
        state = ControlState() if before is None else before.cycle.state
        self.cycle: ControlCycle = ControlCycle(
            self.plant_site.site, self.plant_site.devices, self.plant_site.clock, state=state
        )

    def observe(self, n_minutes: int) -> None:
        for _ in range(n_minutes):
            self.accounts.observe(self.cycle.run(None))
            self.pass_time(1)

    def pass_time(self, n_minutes: int) -> None:
        self.plant_site.advance(STEP_S * n_minutes)


def _it_wh(line: Record) -> int:
    energy = line["energy_wh"]
    assert isinstance(energy, dict)
    return int(energy["sinks"]["it"])


def test_a_document_with_spoiled_counts_of_operation_changes_nothing() -> None:
    first = _Run()
    first.observe(20)
    document = {**first.accounts.document(), "operation": {"units": 7, "pollutants_g": {}}}
    second = Accounts(first.plant_site.site, interval_min=15, carbon=None, sink=lambda _: None)
    before = second.document()

    with pytest.raises(TypeError, match="operation"):
        second.restore(document)

    assert second.document() == before
