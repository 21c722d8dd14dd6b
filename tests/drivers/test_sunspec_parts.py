"""The pure parts of the SunSpec drivers: choice of models, counters, states, settings and their requests."""

import pytest

from drivers.device.values import Bad, Value
from drivers.modbus.sunspec.alarms import fill_alarms
from drivers.modbus.sunspec.chain import Chain, FoundModel
from drivers.modbus.sunspec.counters import WrappingCounter
from drivers.modbus.sunspec.definitions import model_definition
from drivers.modbus.sunspec.fields import Fields
from drivers.modbus.sunspec.meter import EnergyCounters
from drivers.modbus.sunspec.profile import Choice, choose
from drivers.modbus.sunspec.pv import PV_PROFILE
from drivers.modbus.sunspec.states import InverterState, inverter_state
from drivers.modbus.sunspec.storage import BMS_PROFILE, allowed_kw, has_alarm, setpoint_in_force_kw
from drivers.modbus.sunspec.values import PointValues
from drivers.modbus.sunspec.writing import counts, fault_of, setting, write_requests
from ems.model.counters import CounterMemory
from ems.model.device import ModelFamily, SunSpecSpec


def chain(*ids: int) -> Chain:
    return Chain(
        base=0, models=tuple(FoundModel(id=model_id, at=100 * n, length=50) for n, model_id in enumerate(ids, start=1))
    )


def chosen(found: Choice | Bad) -> dict[int, int]:
    assert isinstance(found, Choice), found
    return {model_id: model.at for model_id, model in found.models.items()}


def points(**values: Value) -> PointValues:
    """Return points by keys such as m701_W."""
    return PointValues({}, {key[1:].replace("_", ".", 1): value for key, value in values.items()}, {})


def test_the_newer_family_is_taken_where_a_device_has_both_and_its_controls_with_it() -> None:
    found = choose(chain(1, 103, 120, 121, 122, 123, 701, 702, 704), PV_PROFILE, SunSpecSpec())

    assert sorted(chosen(found)) == [122, 701, 702, 704]


def test_the_configuration_may_take_the_older_family() -> None:
    spec = SunSpecSpec(family=ModelFamily.OLD)

    found = choose(chain(1, 103, 120, 121, 122, 123, 701, 702, 704), PV_PROFILE, spec)

    assert sorted(chosen(found)) == [103, 120, 121, 122, 123]


@pytest.mark.parametrize("model_id", [101, 102, 103, 111, 112, 113])
def test_every_inverter_model_serves(model_id: int) -> None:
    found = choose(chain(1, model_id, 121, 123), PV_PROFILE, SunSpecSpec())

    assert sorted(chosen(found)) == [model_id, 121, 123]


def test_of_several_models_of_one_id_the_configuration_must_name_one() -> None:
    found = choose(chain(1, 103, 103, 123, 123), PV_PROFILE, SunSpecSpec())

    assert found == Bad("it has 2 models 103: [device.sunspec] instance must say which one is meant")


def test_the_models_beside_one_of_several_are_those_of_the_same_number_or_shared() -> None:
    found = choose(chain(1, 103, 103, 121, 123, 123), PV_PROFILE, SunSpecSpec(instance=2))

    assert chosen(found) == {103: 300, 121: 400, 123: 600}


@pytest.mark.parametrize(
    ("ids", "spec", "reason"),
    [
        ((1, 103), SunSpecSpec(instance=2), "instance 2 does not exist"),
        ((1, 103, 103, 123, 123, 123), SunSpecSpec(instance=1), "3 models 123 beside 2 models 103"),
        ((1, 203), SunSpecSpec(), "none of the models 701, 103, 102, 101, 113, 112, 111 (it has 1, 203)"),
        ((1, 103), SunSpecSpec(family=ModelFamily.DER), "none of the models 701 (it has 1, 103)"),
    ],
)
def test_a_choice_that_cannot_be_made_says_why(ids: tuple[int, ...], spec: SunSpecSpec, reason: str) -> None:
    found = choose(chain(*ids), PV_PROFILE, spec)

    assert isinstance(found, Bad)
    assert reason in found.reason


def test_a_battery_is_read_by_its_own_models_and_the_storage_model_beside_them() -> None:
    assert sorted(chosen(choose(chain(1, 701, 713, 802, 803), BMS_PROFILE, SunSpecSpec()))) == [713, 802, 803]
    assert sorted(chosen(choose(chain(1, 701, 702, 713), BMS_PROFILE, SunSpecSpec()))) == [702, 713]


def test_a_counter_goes_on_over_its_end_and_follows_one_that_was_set_back() -> None:
    counter = WrappingCounter(32)

    totals = [counter.total_wh(raw * 10.0, wh_per_count=10.0) for raw in (0xFFFF_FFF0, 0x10, 0x20, 5)]

    assert totals == [0xFFFF_FFF0 * 10, (2**32 + 0x10) * 10, (2**32 + 0x20) * 10, (2**32 + 5) * 10]


@pytest.mark.parametrize(
    ("measured", "key", "code", "state"),
    [
        (103, "m103_St", 1, InverterState.OFF),
        (103, "m103_St", 4, InverterState.RUNNING),
        (103, "m103_St", 8, InverterState.STANDBY),
        (103, "m103_St", 9, None),
        (701, "m701_InvSt", 0, InverterState.OFF),
        (701, "m701_InvSt", 3, InverterState.RUNNING),
        (701, "m701_InvSt", 7, InverterState.STANDBY),
        (701, "m701_InvSt", 8, None),
    ],
)
def test_the_states_of_the_two_families_differ_by_one(
    measured: int, key: str, code: int, state: InverterState | None
) -> None:
    assert inverter_state(points(**{key: code}), measured) is state


def test_the_codes_of_both_families_are_those_of_the_standard() -> None:
    old, der = model_definition(103), model_definition(701)
    assert old is not None
    assert der is not None

    names = {InverterState.RUNNING: "MPPT"}
    for code, name in old.points["St"].symbols.items():
        state = inverter_state(points(m103_St=code), 103)
        assert state is not None
        assert names.get(state, state.name) == name
    for code, name in der.points["InvSt"].symbols.items():
        state = inverter_state(points(m701_InvSt=code), 701)
        assert state is not None
        assert state.name == name


@pytest.mark.parametrize(
    ("shown", "setpoint_kw"),
    [
        ({"m704_WSetEna": 1, "m704_WSetMod": 1, "m704_WSet": -250_000}, -250.0),
        ({"m704_WSetEna": 1, "m704_WSetMod": 0, "m704_WSetPct": -12.5, "m702_WMax": 2_000_000}, -250.0),
        ({"m704_WSetEna": 0, "m704_WSetMod": 1, "m704_WSet": -250_000}, None),
        ({"m704_WSetEna": 1, "m704_WSetMod": 0, "m704_WSetPct": -12.5}, None),
    ],
)
def test_the_setpoint_in_force_follows_enable_and_mode(shown: dict[str, Value], setpoint_kw: float | None) -> None:
    assert setpoint_in_force_kw(points(**shown)) == setpoint_kw


@pytest.mark.parametrize(
    ("shown", "limit_kw"),
    [
        ({"m802_WChaRteMax": 1_500_000}, 1500.0),
        ({"m802_WChaRteMax": 1_500_000, "m802_AChaMax": 1000, "m802_V": 800.0}, 800.0),
        ({"m802_AChaMax": 1000, "m802_V": 800.0}, 800.0),
        ({"m802_AChaMax": 0, "m802_V": 800.0, "m802_WChaRteMax": 1_500_000}, 0.0),
        ({"m702_WChaRteMax": 900_000}, 900.0),
        ({}, None),
    ],
)
def test_a_battery_takes_what_its_rating_and_its_present_current_allow(
    shown: dict[str, Value], limit_kw: float | None
) -> None:
    assert allowed_kw(points(**shown), ("802.WChaRteMax", "702.WChaRteMax"), "802.AChaMax") == limit_kw


@pytest.mark.parametrize(
    ("shown", "alarm"),
    [
        ({"m802_Evt1": 0}, False),
        # over-temperature warning
        ({"m802_Evt1": 1 << 2}, False),
        # over-temperature alarm
        ({"m802_Evt1": 1 << 1}, True),
        ({"m802_Evt1": 0, "m802_State": 99}, True),
        ({"m713_Sta": 1}, False),
        ({"m713_Sta": 2}, True),
        ({"m802_Evt1": 0, "m714_Prt[2].DCSta": 3}, True),
        ({}, None),
    ],
)
def test_warnings_are_no_alarm_and_a_battery_that_reports_nothing_is_unknown(
    shown: dict[str, Value], *, alarm: bool | None
) -> None:
    assert has_alarm(points(**shown)) is alarm


def test_counts_are_rounded_toward_zero_and_a_rounding_error_is_none() -> None:
    assert [counts(value, -1) for value in (0.3, 0.39, -0.39)] == [3, 3, -3]
    assert counts(1234.0, 2) == 12
    assert counts(1.0, None) == Bad("its scale factor is not known")


@pytest.mark.parametrize(
    ("name", "count", "fits"),
    [
        ("WMaxLimPct", 10_000, True),
        ("WMaxLimPct", 0xFFFF, False),
        ("WMaxLimPct", -1, False),
        ("WSet", -0x80000000, False),
        ("WSet", -0x7FFFFFFF, True),
        ("WSetRvrtTms", 0xFFFFFFFF, False),
    ],
)
def test_a_count_that_does_not_fit_or_means_not_implemented_is_refused(name: str, count: int, *, fits: bool) -> None:
    assert (fault_of(setting(704, name, count)) is None) is fits


def test_neighbours_are_written_in_one_request_and_the_enabling_one_last() -> None:
    model = FoundModel(id=704, at=1000, length=65)
    parts = [
        setting(704, "WSetRvrt", -1),
        setting(704, "WSetEnaRvrt", 1),
        setting(704, "WSetRvrtTms", 12),
        setting(704, "WSetMod", 1),
        setting(704, "WSet", 70_000),
        setting(704, "WSetEna", 1),
    ]

    apart = write_requests(model, parts, last="WSetEna", stepwise=False, filler={})
    together = write_requests(model, parts, last="WSetEna", stepwise=False, filler={"WSetPct": 3, "WSetPctRvrt": 4})
    stepwise = write_requests(model, parts, last="WSetEna", stepwise=True, filler={"WSetPct": 3})

    assert [(write.at.register, write.registers) for write in apart] == [
        (1030, (1, 0, 12)),
        (1022, (1, 1, 1, 4464, 0xFFFF, 0xFFFF)),
    ]
    assert [(write.at.register, write.registers) for write in together] == [
        (1022, (1, 1, 1, 4464, 0xFFFF, 0xFFFF, 3, 4, 1, 0, 12)),
    ]
    assert [write.at.register for write in stepwise] == [1026, 1030, 1031, 1023, 1024, 1022]


@pytest.mark.parametrize(
    ("model_id", "point", "events", "warnings", "faults"),
    [
        (802, "Evt1", 1 << 2 | 1 << 5 | 1 << 20, ("over temp",), ("over charge current", "contactor")),
        (802, "Evt1", 1 << 27, (), ()),
        (701, "Alrm", 1 << 0 | 1 << 16, (), ("ground fault", "manufacturer")),
    ],
)
def test_events_are_alarms_by_the_names_of_the_definition(
    model_id: int, point: str, events: int, warnings: tuple[str, ...], faults: tuple[str, ...]
) -> None:
    fields = Fields(points(**{f"m{model_id}_{point}": events}))

    fill_alarms(fields, model_id, point)

    assert (fields.values["warnings"], fields.values["faults"]) == (warnings, faults)


def test_a_device_without_events_tells_of_no_alarms_and_is_not_at_fault() -> None:
    fields = Fields(points())

    fill_alarms(fields, 103, "Evt1")

    assert (fields.values["warnings"], fields.values["faults"]) == (None, None)
    assert fields.bad == {}


def test_events_that_were_not_read_are_unknown_with_a_reason() -> None:
    fields = Fields(PointValues({}, {"802.Evt1": None}, {"802.Evt1": "no answer"}))

    fill_alarms(fields, 802, "Evt1")

    assert fields.bad == dict.fromkeys(("warnings", "faults"), "802.Evt1: no answer")


def test_a_meter_counts_on_from_where_an_earlier_run_has_ended() -> None:
    earlier = {"TotWhImp": CounterMemory(shown_wh=2.0**32 - 10.0, added_wh=0.0)}
    counters = EnergyCounters(SunSpecSpec(power_sign=1), earlier)
    fields = Fields(points(m203_TotWhImp=5.0, m203_TotWh_SF=0))

    counters.fill_import("import_wh", fields, 203)

    assert fields.values["import_wh"] == 2**32 + 5
    assert counters.memories() == {"TotWhImp": CounterMemory(shown_wh=5.0, added_wh=2.0**32)}
