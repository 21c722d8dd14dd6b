"""The cooling plant in the image: its units, what follows from them, and what stays unknown."""

from dataclasses import replace
from typing import TypeVar

import pytest

from ems.control.state import ControlState
from ems.model.cooling_units import CduState, ChillerState, DryCoolerState, n_available
from ems.model.load import CoolingPlant
from ems.model.readings import CduReading, ChillerReading, CoolingReading, DryCoolerReading, Reading
from ems.model.snapshot import CoolingState
from ems.runtime.cooling_image import cooling_state
from ems.runtime.cycle import ControlCycle
from tests.control.scene import shipped
from tests.runtime.fakes import PortSite

PLANT: CoolingPlant = shipped("liquid-cooled-hall").cooling
_R = TypeVar("_R", bound=Reading)
CDU = CduReading(
    device_id="cdu",
    at_s=0.0,
    supply_degc=40.0,
    return_degc=49.0,
    facility_supply_degc=36.0,
    facility_return_degc=45.0,
    flow_m3_per_h=30.0,
    differential_kpa=100.0,
    pump_pct=70.0,
    valve_pct=50.0,
    leak=False,
    heat_kw_th=300.0,
    low_flow=False,
    running=True,
    alarm=False,
)
CHILLER = ChillerReading(
    device_id="chiller", at_s=0.0, running=True, capacity_pct=None, supply_degc=18.0, return_degc=23.0, alarm=False
)
COOLER = DryCoolerReading(
    device_id="cooler",
    at_s=0.0,
    fan_pct=40.0,
    ambient_degc=20.0,
    supply_degc=36.0,
    return_degc=45.0,
    load_kw=5.0,
    alarm=False,
)


class Fresh:
    """Fresh readings of the whole hall; a test replaces or removes some."""

    def __init__(self, **changes: Reading | None) -> None:
        self.by_asset: dict[str, Reading | None] = {
            **{f"cdu{n:02}": CDU for n in range(1, 5)},
            **{f"chiller{n:02}": CHILLER for n in range(1, 3)},
            **{f"dry_cooler{n:02}": COOLER for n in range(1, 4)},
            **changes,
        }

    def of(self, asset: str, kind: type[_R]) -> _R | None:
        reading = self.by_asset.get(asset)
        return reading if isinstance(reading, kind) else None


def image(**changes: Reading | None) -> CoolingState:
    return cooling_state(PLANT, Fresh(**changes), controller="cooling_plant")


def test_without_a_controller_the_units_tell_of_the_plant() -> None:
    state = image(
        cdu03=replace(CDU, supply_degc=42.5),
        dry_cooler01=replace(COOLER, ambient_degc=23.0),
    )

    assert state.ambient_degc == pytest.approx(21.0)
    assert state.supply_degc == 42.5
    # 4 x 500 kW of CDUs for a share of 0.85 of the heat; 2 x 600 and 3 x 700 kW give it off
    assert state.capacity_kw_th == pytest.approx(min(2000.0 / 0.85, 3300.0))


def test_a_controller_of_the_plant_goes_before_its_units() -> None:
    plc = CoolingReading(
        device_id="plc", at_s=0.0, ambient_degc=10.0, supply_degc=39.0, return_degc=48.0, capacity_kw_th=1700.0
    )

    state = image(cooling_plant=plc)

    assert (state.ambient_degc, state.supply_degc, state.capacity_kw_th) == (10.0, 39.0, 1700.0)


@pytest.mark.parametrize("fault", [{"leak": True}, {"low_flow": True}, {"alarm": True}, {"running": False}])
def test_a_cdu_with_a_fault_takes_nothing(fault: dict[str, bool]) -> None:
    state = image(cdu02=replace(CDU, **fault))  # type: ignore[arg-type]  # flags by name

    assert n_available(state.cdus) == 3
    assert state.capacity_kw_th == pytest.approx(1500.0 / 0.85)


def test_a_unit_that_is_not_heard_is_not_counted_and_not_blamed() -> None:
    state = image(cdu02=None)

    assert [cdu.available for cdu in state.cdus] == [True, None, True, True]
    assert state.capacity_kw_th == pytest.approx(1500.0 / 0.85)


def test_where_no_unit_of_a_kind_is_heard_the_capacity_is_unknown() -> None:
    silent = {f"cdu{n:02}": None for n in range(1, 5)}

    state = image(**silent)

    assert state.capacity_kw_th is None
    assert state.supply_degc is None
    assert state.ambient_degc == 20.0


@pytest.mark.parametrize(
    ("unit", "available"),
    [
        (CduState(id="u"), None),
        (CduState(id="u", leak=False), True),
        (CduState(id="u", leak=False, low_flow=True), False),
        (ChillerState(id="u", alarm=False, enabled=None), True),
        (ChillerState(id="u", alarm=False, enabled=False), False),
        (ChillerState(id="u", running=False, enabled=True), True),
        (DryCoolerState(id="u", fan_pct=40.0), None),
        (DryCoolerState(id="u", alarm=True), False),
    ],
)
def test_a_unit_works_while_nothing_bad_is_known_of_it_and_it_says_anything(
    unit: CduState | ChillerState | DryCoolerState, *, available: bool | None
) -> None:
    assert unit.available is available


def test_the_hall_in_process_is_read_unit_by_unit_and_commanded() -> None:
    hall = PortSite("liquid-cooled-hall")
    cycle = ControlCycle(hall.site, hall.devices, hall.clock, state=ControlState())

    records = []
    for _ in range(3):
        records.append(cycle.run(None))
        hall.advance(1.0)

    cooling = records[-1].snapshot.cooling
    available = [n_available(units) for units in (cooling.cdus, cooling.chillers, cooling.dry_coolers)]
    assert available == [4, 2, 3]
    assert {unit.id: unit.supply_degc for unit in records[-1].decision.setpoints.supplies} == {
        **{f"cdu{n:02}": 40.0 for n in range(1, 5)},
        "chiller01": 18.0,
        "chiller02": 18.0,
    }
    assert [cdu.setpoint_degc for cdu in hall.plant.cooling_units.cdus] == [40.0] * 4
    assert cooling.ambient_degc == pytest.approx(hall.plant.ambient_degc, abs=0.2)
