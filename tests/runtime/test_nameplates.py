"""A device that names a smaller rating than the configuration gives its asset is never asked for more than its own."""

from dataclasses import replace

from ems.control.guard.gensets import guarded_gensets
from ems.control.guard.rules import Clip, GuardContext
from ems.control.nameplates import nameplate_alarms
from ems.control.state import Mode
from ems.model.readings import PcsReading, Reading
from ems.model.setpoints import GensetSetpoint
from tests.control.scene import healthy, running, shipped
from tests.faults.port_site import CAMPUS, CAMPUS_NOON, DESERT, NIGHT, PortSite


def test_a_converter_of_a_smaller_rating_is_told_and_its_limits_are_those_of_its_nameplate() -> None:
    site = PortSite(CAMPUS, CAMPUS_NOON)
    block = site.site.batteries[0].blocks[0].id

    def smaller(reading: Reading) -> Reading:
        assert isinstance(reading, PcsReading)
        return replace(reading, rated_kw=100.0)

    site.spoilt[block].change = smaller
    record = site.run(20)

    state = next(each for each in record.snapshot.blocks if each.id == block)
    assert record.alarms[f"nameplate:{block}"].startswith(f"{block}: the device is rated 100 kW, pcs_kw in assets.toml")
    assert (state.max_charge_kw, state.max_discharge_kw) == (100.0, 100.0)
    asked = [each.power_kw for each in record.decision.setpoints.blocks if each.id == block]
    assert asked
    assert all(abs(power_kw) <= 100.0 for power_kw in asked)


def test_devices_that_name_what_is_configured_or_nothing_are_no_alarm() -> None:
    site = PortSite(DESERT, NIGHT)

    def as_configured(reading: Reading) -> Reading:
        assert isinstance(reading, PcsReading)
        return replace(reading, rated_kw=0.995 * site.site.batteries[0].pcs_kw)

    site.spoilt["bess01"].change = as_configured

    assert not [name for name in site.run(10).alarms if name.startswith("nameplate:")]


def test_a_set_of_a_smaller_rating_is_asked_for_no_more_than_that() -> None:
    site = shipped(DESERT)
    kind = site.gensets[0]
    unit, smaller_kw = kind.unit_ids[0], 0.5 * kind.rated_kw
    snapshot = healthy(site)
    snapshot = replace(
        snapshot,
        gensets=tuple(
            replace(running(each, smaller_kw), rated_kw=smaller_kw) if each.id == unit else each
            for each in snapshot.gensets
        ),
    )
    clips: list[Clip] = []

    (allowed,) = guarded_gensets(
        (GensetSetpoint(id=unit, run=True, power_kw=kind.rated_kw),),
        site,
        snapshot,
        GuardContext(mode=Mode.ISLAND, dt_s=1.0, stored_kwh=1e4, floor_kwh=0.0, r0_margin_kw=0.0),
        clips,
    )

    assert allowed.power_kw == smaller_kw
    assert [clip.asset_id for clip in clips] == [unit]
    assert list(nameplate_alarms(site, snapshot)) == [f"nameplate:{unit}"]
