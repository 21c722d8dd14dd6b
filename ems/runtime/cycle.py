"""One control cycle around the pure step: image, decision, writes. The same code in production and simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from ems.control.guard import Clip, guarded_supplies
from ems.control.hand import hand_alarms, left_to_rules, with_supplies, written
from ems.control.load_shed import with_load_shed
from ems.control.nameplates import nameplate_alarms
from ems.control.state import ControlState, Mode
from ems.control.step import Decision, step
from ems.control.supplies import supply_setpoints
from ems.model.cluster import ClusterView
from ems.model.hand import NO_HANDS, HandMode, Hands
from ems.model.plan import Plan
from ems.model.readings import no_faults
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.model.setpoints import EnergiseSetpoint, GensetSetpoint, Setpoints, TieSetpoint
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.ports import (
    Clock,
    Cluster,
    ControlsTie,
    Curtails,
    Device,
    Energises,
    SetsPower,
    SetsSupply,
    Silences,
    StartsAndStops,
)
from ems.runtime.acts import Acts, Journal
from ems.runtime.control_alarms import control_alarms
from ems.runtime.image import ImageBuilder
from ems.runtime.obedience import Obedience
from ems.runtime.plausibility import Plausibility

# the asset of the point of common coupling
_PCC: Final = "pcc"
_TIE: Final = "pcc tie"
_NOISE_SIGMAS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleRecord:
    """What one cycle saw and decided; `dt_s` is the time since the one before.

    `probes` are setpoints of units that the decision does without, `missed` says by asset why it does. `alarms` are
    what control itself finds wrong, by name.
    """

    snapshot: SiteSnapshot
    decision: Decision
    plan: Plan | None
    dt_s: float
    probes: Setpoints = field(default_factory=Setpoints)
    missed: Mapping[str, str] = field(default_factory=no_faults)
    alarms: Mapping[str, str] = field(default_factory=no_faults)
    hands: Hands = NO_HANDS


class ImageSource(Protocol):
    """Freezes the picture of an instant."""

    def snapshot(self, *, at_s: float, utc: datetime) -> SiteSnapshot:
        """Return the picture at a time of the monotonic clock, and of the wall clock."""


class ControlCycle:
    """Runs cycles; keeps control's memory and renews what devices were told."""

    def __init__(
        self,
        site: Site,
        devices: Mapping[str, Device],
        clock: Clock,
        *,
        state: ControlState,
        journal: Journal | None = None,
        cluster: Cluster | None = None,
        image: ImageSource | None = None,
    ) -> None:
        """Take devices by the asset that they serve.

        Without a journal starts and stops go out at once, without a cluster nobody is known to obey a shed. Without an
        image of its own the picture is made of the devices' readings.
        """
        self._cluster = cluster
        self._site = site
        self._clock = clock
        self._image: ImageSource = ImageBuilder(site, devices) if image is None else image
        self._plausibility = Plausibility(site, devices)
        self._obedience = Obedience(site, devices)
        everything: Mapping[str, object] = devices
        self._power = {asset: device for asset, device in everything.items() if isinstance(device, SetsPower)}
        self._run = {asset: device for asset, device in everything.items() if isinstance(device, StartsAndStops)}
        self._limit = {asset: device for asset, device in everything.items() if isinstance(device, Curtails)}
        self._supply = {asset: device for asset, device in everything.items() if isinstance(device, SetsSupply)}
        self._energise = {
            asset: device for asset, device in everything.items() if isinstance(device, Energises) and device.has_start
        }
        self._tie = {asset: device for asset, device in everything.items() if isinstance(device, ControlsTie)}
        self._silenced = {asset: device for asset, device in everything.items() if isinstance(device, Silences)}
        self._supplies = supply_setpoints(site)
        self._scale_kw = _deadbands(site)
        self._written: dict[str, tuple[float, float]] = {}
        self.acts = Acts(journal, wait_s=site.control.period_s)
        self.state = state

    def run(self, plan: Plan | None, requests: OperatorRequests = NO_REQUESTS, hands: Hands = NO_HANDS) -> CycleRecord:
        """Run one cycle now, with what people ask for and what they have taken over."""
        now_s = self._clock.monotonic_s()
        before_s = self.state.last_s
        image = self._image.snapshot(at_s=now_s, utc=self._clock.utc())
        snapshot = self._obedience.judge(self._plausibility.judge(image), self.state.mode)
        state = replace(self.state, loop_delay_s=self._obedience.loop_delay_s)
        decided = step(self._site, snapshot, plan, state, requests, hands)
        # what comes after counts on what the rules counted on
        snapshot = left_to_rules(snapshot, hands)
        decision = with_load_shed(self._site, snapshot, decided, self._view(snapshot.utc))
        if self._supplies and decision.state.mode is not Mode.E_STOP:
            # cooling does not wait for a mode: it is commanded from the first cycle on
            clips: list[Clip] = []
            supplies = guarded_supplies(with_supplies(self._supplies, hands, now_s), self._site, clips)
            decision = replace(
                decision,
                setpoints=replace(decision.setpoints, supplies=supplies),
                clips=(*decision.clips, *clips),
            )
        self.state = decision.state
        self._obedience.asked(decision.setpoints)
        self.acts.begin(now_s)
        probes = Setpoints() if decision.context is None else self._obedience.probes(snapshot, decision.context)
        self.silence(hands, now_s)
        self._write(written(decision.setpoints, hands, now_s), now_s)
        self._write(written(probes, hands, now_s), now_s)
        self.acts.keep(self.state)
        dt_s = self._site.control.period_s if before_s is None else max(0.0, now_s - before_s)
        return CycleRecord(
            snapshot=snapshot,
            decision=decision,
            plan=plan,
            dt_s=dt_s,
            probes=probes,
            missed=self._obedience.missed,
            alarms={
                **self._plausibility.alarms(),
                **self._obedience.alarms(),
                **nameplate_alarms(self._site, snapshot),
                **control_alarms(self._site, decision, now_s=now_s),
                **hand_alarms(self._site, hands, now_s),
            },
            hands=hands,
        )

    def silence(self, hands: Hands, now_s: float) -> None:
        """Tell drivers which devices are OFF: no heartbeat, no arming, nothing that is still waiting."""
        for asset, device in self._silenced.items():
            setting = hands.setting(asset, now_s)
            is_off = setting is not None and setting.mode is HandMode.OFF
            device.silence(f"OFF by hand until {setting.until_utc:%Y-%m-%d %H:%M} UTC" if is_off and setting else None)

    def _view(self, utc: datetime) -> ClusterView:
        if self._cluster is None:
            return ClusterView(is_linked=False, least_kw=self._site.it.idle_kw)
        return self._cluster.view(utc)

    def _write(self, setpoints: Setpoints, now_s: float) -> None:
        """Hand changed setpoints, and those due for renewal, to their drivers; none of this waits."""
        until_s = now_s + self._site.control.setpoint_valid_s
        for block in setpoints.blocks:
            if block.id in self._power and self._due(block.id, block.power_kw, self._scale_kw[block.id], now_s):
                self._power[block.id].set_power(block.power_kw, valid_until_s=until_s)
        for genset in setpoints.gensets:
            if genset.id in self._run:
                self._write_run(genset, now_s, until_s)
            power_kw = genset.power_kw
            if power_kw is None or genset.id not in self._power:
                continue
            if self._due(genset.id, power_kw, self._scale_kw[genset.id], now_s):
                self._power[genset.id].set_power(power_kw, valid_until_s=until_s)
        for pv in setpoints.pv:
            if pv.id in self._limit and self._due(pv.id, pv.limit_kw, self._scale_kw[pv.id], now_s):
                self._limit[pv.id].set_limit(pv.limit_kw, valid_until_s=until_s)
        for unit in setpoints.supplies:
            if unit.id in self._supply and self._due(f"{unit.id} supply", unit.supply_degc, 0.0, now_s):
                self._supply[unit.id].set_supply(unit.supply_degc, valid_until_s=until_s)
        for start in setpoints.energise:
            self._write_energise(start, now_s, until_s)
        self._write_tie(setpoints.tie, now_s, until_s)

    def _write_tie(self, tie: TieSetpoint | None, now_s: float, until_s: float) -> None:
        """Renew permit and request; a new one goes out when the state behind it is on the disk."""
        device = self._tie.get(_PCC)
        if tie is None or device is None:
            return
        told = float(tie.permit_close) + 2.0 * float(tie.request_open)
        last = self._written.get(_TIE)

        def act() -> None:
            self._written[_TIE] = (told, now_s)
            device.set_tie(permit_close=tie.permit_close, request_open=tie.request_open, valid_until_s=until_s)

        if told > 0.0 and (last is None or last[0] != told):
            self.acts.do(_TIE, act, what=told)
        elif self._due(_TIE, told, 0.0, now_s):
            # a renewal, or permit and request taken back
            act()

    def _write_energise(self, start: EnergiseSetpoint, now_s: float, until_s: float) -> None:
        """Ask a PCS to start once the state is on the disk; it is asked again every heartbeat until it has."""
        key, unit = f"{start.id} energise", self._energise.get(start.id)
        last = self._written.get(key)
        if unit is None or (last is not None and now_s - last[1] < self._site.control.heartbeat_s):
            return

        def act() -> None:
            self._written[key] = (1.0, now_s)
            unit.energise(valid_until_s=until_s)

        self.acts.do(key, act, what=True)

    def _write_run(self, genset: GensetSetpoint, now_s: float, until_s: float) -> None:
        """Renew a start or stop at once; a new one goes out when the state behind it is on the disk."""
        key, unit = f"{genset.id} run", self._run[genset.id]
        last = self._written.get(key)

        def act() -> None:
            self._written[key] = (float(genset.run), now_s)
            unit.set_run(run=genset.run, valid_until_s=until_s)

        if last is None or bool(last[0]) is not genset.run:
            self.acts.do(key, act, what=genset.run)
        elif self._due(key, genset.run, 0.5, now_s):
            act()

    def _due(self, key: str, value: float, scale: float, now_s: float) -> bool:
        """Return whether a value differs from the last one by more than its deadband, or needs renewal."""
        last = self._written.get(key)
        if last is not None and abs(value - last[0]) <= scale and now_s - last[1] < self._site.control.heartbeat_s:
            return False
        self._written[key] = (float(value), now_s)
        return True


def _deadbands(site: Site) -> dict[str, float]:
    """Return by asset the change that is worth writing, kW."""
    share = site.control.deadband_frac
    # noise of the PCC's meter reaches the blocks in equal parts
    n_blocks = max(1, sum(pool.n_blocks for pool in site.batteries))
    noise_kw = _NOISE_SIGMAS * site.control.meter_sigma_kw / n_blocks
    scales = {block.id: max(share * pool.pcs_kw, noise_kw) for pool in site.batteries for block in pool.blocks}
    scales |= {unit: share * kind.rated_kw for kind in site.gensets for unit in kind.unit_ids}
    return scales | {block: share * plant.ac_kw for plant in site.pv for block in plant.block_ids}
