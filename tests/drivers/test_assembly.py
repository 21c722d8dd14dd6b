import pytest

from drivers.device.assembly import Assembler, Family
from drivers.device.fields import DeviceClass
from drivers.device.plausibility import Band
from drivers.device.sample import Sample
from drivers.device.values import Value
from ems.model.readings import GensetPhase, GensetReading

RATED_KW = 2000.0


def sample(at_s: float, **values: Value | None) -> Sample:
    return Sample(values=values, bad={name: "no good" for name, value in values.items() if value is None}, at_s=at_s)


def assembler() -> Assembler[GensetReading]:
    family = Family(
        device_class=DeviceClass.GENSET,
        reading=GensetReading,
        bands=(Band(field="power_kw", low_frac=-0.02, low_hint=": check the sign"),),
    )
    return Assembler(family, device_id="g1", rated_kw=RATED_KW, slow_limit_s=15.0)


def test_a_reading_carries_the_time_of_its_fast_values_and_the_slow_values_with_them() -> None:
    reading = assembler().assemble(
        sample(100.0, phase="running", power_kw=900.0, breaker_closed=True, remote=True, setpoint_kw=950.0),
        sample(90.0, energy_wh=5, run_h=2.0, n_starts=3, fuel_used_l=4.0),
    )

    assert reading == GensetReading(
        device_id="g1",
        at_s=100.0,
        phase=GensetPhase.RUNNING,
        power_kw=900.0,
        setpoint_kw=950.0,
        breaker_closed=True,
        remote=True,
        energy_wh=5,
        fuel_used_l=4.0,
        run_h=2.0,
        n_starts=3,
    )


def test_slow_values_that_were_not_read_for_three_periods_are_unknown() -> None:
    reading = assembler().assemble(sample(100.0, power_kw=900.0), sample(84.0, energy_wh=5))

    assert reading.energy_wh is None
    assert reading.bad == {"energy_wh": "not read for 16.0 s"}


def test_fields_that_the_map_does_not_have_are_unknown_without_being_bad() -> None:
    reading = assembler().assemble(sample(100.0, power_kw=900.0), None)

    assert reading.phase is None
    assert reading.bad == {}


def test_points_that_are_no_fields_leave_no_trace_in_the_reading() -> None:
    reading = assembler().assemble(sample(100.0, power_kw=900.0, life_counter=None, run_request=1.0), None)

    assert reading.bad == {}


@pytest.mark.parametrize(
    ("power_kw", "reason"),
    [
        (3000.0, None),
        (-40.0, None),
        (3000.1, "3000.1 kW is above 150% of the rated 2000 kW"),
        (-40.1, "-40.1 kW is below -2% of the rated 2000 kW: check the sign"),
    ],
)
def test_a_power_that_the_nameplate_rules_out_is_refused_and_not_repaired(power_kw: float, reason: str | None) -> None:
    reading = assembler().assemble(sample(100.0, power_kw=power_kw), None)

    assert reading.power_kw == (power_kw if reason is None else None)
    assert reading.bad.get("power_kw") == reason
