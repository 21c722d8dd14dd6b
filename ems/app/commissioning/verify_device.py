"""Verifies one device: reads it, moves it a little, lets it fall back, and puts back what was there before."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from drivers.modbus.link import ModbusLink
from drivers.mqtt.link import MqttLink
from ems.app.commissioning.audit import AuditLog, HandCommand
from ems.app.commissioning.checks import (
    Check,
    Step,
    Verdict,
    curtailment_step,
    has_followed,
    judged_curtailment,
    judged_droop_step,
    judged_fallback,
    judged_heartbeat,
    judged_limits,
    judged_step,
    keeps_limit,
    step_name,
    storage_steps,
)
from ems.app.commissioning.endpoints import running
from ems.app.commissioning.hand import Hand
from ems.app.commissioning.targets import Target
from ems.errors import ConfigError, DeviceUnreachableError, DriverError
from ems.model.setpoints import Outcome
from ems.ports import (
    Clock,
    Curtails,
    Device,
    Identified,
    KeepsHeartbeat,
    LimitsPower,
    Reverts,
    SetsPower,
    StartsAndStops,
)

# storage and PV follow a setpoint within this, ramp and 3 s of verification included
_FOLLOW_S: Final = 10.0
# so long a droop stands before the frequency is looked at
_DROOP_S: Final = 5.0
# devices notice the silence after their watchdog time, hold for some more, and then ramp: this many watchdog times
# and polls must be enough to see it begin
_FALLBACK_WATCHDOGS: Final = 5.0
_FALLBACK_POLLS: Final = 3.0
_LOOK_S: Final = 0.1
# a setpoint counts as given up when it has moved by this share of the step
_LEFT_FRAC: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a device is verified; `ask` is shown what is about to happen to it and says whether it may."""

    ask: Callable[[str], bool]
    audit: AuditLog
    forced: str
    step_frac: float


async def verify_device(target: Target, rules: Rules, *, clock: Clock) -> tuple[tuple[Check, ...], Mapping[str, str]]:
    """Return the checks of a device in their order, and the texts by which it named itself.

    Nothing that the device does raises; a configuration that its driver refuses is a failed check, too.
    """
    try:
        link = target.new_link(clock)
        device = target.build(link, clock)
    except ConfigError as error:
        return (Check(name="configuration", verdict=Verdict.FAILED, detail=str(error)),), {}
    verification = _Verification(target, device, link, rules, clock)
    async with running(link):
        await verification.run()
    return tuple(verification.checks), verification.identity


class _Verification:
    def __init__(self, target: Target, device: Device, link: ModbusLink | MqttLink, rules: Rules, clock: Clock) -> None:
        self.checks: list[Check] = []
        self.identity: Mapping[str, str] = {}
        self._target = target
        self._device = device
        self._link = link
        self._rules = rules
        self._clock = clock
        self._hand = Hand(device, target, clock)

    async def run(self) -> None:
        try:
            await self._hand.ready()
        except DeviceUnreachableError as error:
            self._add("reachable", Verdict.FAILED, str(error))
            return
        # slow values and a second round, so that what moves has moved
        await self._clock.sleep(2.0 * self._target.spec.slow_s)
        self._reached()
        self._named()
        self._valued()
        if not self._hand.commands:
            return
        self._armed()
        if (reason := self._hand.withheld()) is not None:
            self._add("commands", Verdict.FAILED, f"the device takes no commands: {reason}")
            return
        if self._hand.power_command is not None and isinstance(self._device, LimitsPower):
            self.checks.append(judged_limits(self._device.power_limits(), rated_kw=self._target.rated_kw))
            self._refuses_beyond()
        await self._commanded()

    def _reached(self) -> None:
        statistics = self._link.statistics()
        latency_s = statistics.latency.quantile_s(0.5)
        figures = {
            "requests": str(statistics.n_requests),
            "errors": str(sum(statistics.n_errors.values())),
            "answer time": "unknown" if latency_s is None else f"{1000.0 * latency_s:.0f} ms",
        }
        self._add(
            "reachable",
            Verdict.PASSED,
            "the device is heard" if self._target.is_behind_broker else "the unit answers",
            figures,
        )

    def _named(self) -> None:
        found = self._device.identity() if isinstance(self._device, Identified) else None
        self.identity = found or {}
        if found:
            self._add("identity", Verdict.PASSED, "the device names itself", dict(found))
        else:
            self._add("identity", Verdict.NOT_RUN, "the device does not tell who it is")

    def _valued(self) -> None:
        reading = self._device.reading()
        trouble = self._device.trouble()
        if reading is None or trouble is not None:
            self._add("values", Verdict.FAILED, trouble or "no reading")
        elif reading.bad:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in reading.bad.items())
            self._add("values", Verdict.FAILED, f"{len(reading.bad)} values are bad: {reasons}")
        else:
            self._add("values", Verdict.PASSED, "every value is plausible and fresh", self._figures())

    def _figures(self) -> dict[str, str]:
        names = ("power_kw", "setpoint_kw", "limit_kw", "load_kw", "soc_pct", "frequency_hz")
        units = {"kw": "kW", "pct": "%", "hz": "Hz"}
        shown = {name: self._number(name) for name in names}
        return {
            name.rpartition("_")[0]: f"{value:.1f} {units[name.rpartition('_')[2]]}"
            for name, value in shown.items()
            if value is not None
        }

    def _armed(self) -> None:
        if not isinstance(self._device, Reverts):
            return
        fallback = self._device.fallback()
        figures = {
            "after": "unknown" if fallback.after_s is None else f"{fallback.after_s:g} s",
            "stated": fallback.text,
        }
        match fallback.armed:
            case True:
                self._add("fall-back armed", Verdict.PASSED, "the device says so", figures)
            case False:
                self._add("fall-back armed", Verdict.FAILED, "the device says that it is not", figures)
            case None:
                self._add("fall-back armed", Verdict.NOT_RUN, "the device cannot tell", figures)

    def _refuses_beyond(self) -> None:
        """Try a setpoint beyond the limits: it must be refused before anything is written."""
        name = self._hand.power_command
        if name is None or not isinstance(self._device, LimitsPower):
            return
        try:
            self._hand.check(name, self._device.power_limits().highest_kw + 1.0)
        except ConfigError:
            self._add("limits kept", Verdict.PASSED, "a setpoint beyond the limits is refused, nothing is written")
        else:
            self._add("limits kept", Verdict.FAILED, "a setpoint beyond the limits is not refused")

    async def _commanded(self) -> None:
        """Move the device, and let it fall back, each if the person agrees."""
        if isinstance(self._device, StartsAndStops):
            self._add("step", Verdict.NOT_RUN, "a set is not started by this tool: run it by hand and watch it")
            return
        if self._hand.power_command is None:
            detail = (
                "a plant answers a supply temperature in many minutes: set it with `ems devices write` and watch it"
            )
            self._add("step", Verdict.NOT_RUN, detail)
            return
        name, steps = self._steps()
        if not steps:
            return
        former_kw = self._former_kw(name)
        if former_kw is None:
            self._add("step", Verdict.NOT_RUN, "the device does not show its setpoint, which could not be put back")
            return
        moves = ", ".join(f"{step.setpoint_kw:.1f} kW" for step in steps)
        if not await self._agreed(f"{self._target.spec.id}: move {name} from {former_kw:.1f} to {moves}, then back"):
            self._add("step", Verdict.NOT_RUN, "not agreed to")
            return
        try:
            for step in steps:
                await self._step(name, step)
            if isinstance(self._device, KeepsHeartbeat):
                self.checks.append(judged_heartbeat(self._device.heartbeat_s, self._device.heartbeat_age_s()))
            # devices fall back to no power: from a step that ends there nothing would be seen to change
            await self._fall_back(name, max(steps, key=lambda step: abs(step.setpoint_kw)))
        finally:
            await self._restore(name, former_kw)

    def _steps(self) -> tuple[str, tuple[Step, ...]]:
        device, power_kw = self._device, self._number("power_kw")
        rated_kw, step_frac = self._target.rated_kw, self._rules.step_frac
        if power_kw is None or not isinstance(device, LimitsPower):
            self._add("step", Verdict.NOT_RUN, "the device does not show its power")
            return "", ()
        if isinstance(device, SetsPower):
            present_kw = self._number("setpoint_kw")
            steps = storage_steps(
                power_kw if present_kw is None else present_kw,
                device.power_limits(),
                rated_kw=rated_kw,
                step_frac=step_frac,
            )
            if not steps:
                self._add("step", Verdict.NOT_RUN, "the limits leave no room for a step")
            return "power_kw", steps
        if isinstance(device, Curtails):
            step = curtailment_step(power_kw, device.power_limits(), rated_kw=rated_kw, step_frac=step_frac)
            if step is None:
                self._add("limit obeyed", Verdict.NOT_RUN, "too little sun to see a limit: repeat this at noon")
            return "limit_kw", () if step is None else (step,)
        return "", ()

    def _former_kw(self, name: str) -> float | None:
        return self._number("limit_kw" if name == "limit_kw" else "setpoint_kw")

    async def _step(self, name: str, step: Step) -> None:
        if name == "power_kw" and self._is_forming():
            await self._droop_step(name, step)
            return
        before_kw = self._number("power_kw") or 0.0
        began_s = self._clock.monotonic_s()

        def arrived() -> bool:
            after_kw = self._number("power_kw")
            if name == "limit_kw":
                return keeps_limit(after_kw, step.setpoint_kw, rated_kw=self._target.rated_kw)
            return has_followed(before_kw, after_kw, step)

        done = await self._hold(name, step.setpoint_kw, for_s=_FOLLOW_S, until=arrived)
        if done is not None:
            self._add(step_name(name, step), Verdict.FAILED, done)
            return
        took_s = self._clock.monotonic_s() - began_s
        after_kw = self._number("power_kw")
        if name == "limit_kw":
            rated_kw = self._target.rated_kw
            self.checks.append(judged_curtailment(before_kw, after_kw, step, rated_kw=rated_kw, took_s=took_s))
            return
        self.checks.append(judged_step(before_kw, after_kw, step, forming=self._is_forming(), took_s=took_s))
        # the next step begins where this one did
        back_kw = step.setpoint_kw - step.delta_kw
        await self._hold(name, back_kw, for_s=_FOLLOW_S, until=lambda: self._is_back(before_kw, step))

    async def _droop_step(self, name: str, step: Step) -> None:
        """Move the droop of a unit that forms an island there and back, and look at the frequency."""
        frequencies = [self._number("frequency_hz")]
        for setpoint_kw in (step.setpoint_kw, step.setpoint_kw - step.delta_kw):
            fault = await self._hold(name, setpoint_kw, for_s=_DROOP_S)
            if fault is not None:
                self._add(step_name(name, step), Verdict.FAILED, fault)
                return
            frequencies.append(self._number("frequency_hz"))
        before_hz, moved_hz, back_hz = frequencies
        self.checks.append(judged_droop_step(step, before_hz=before_hz, moved_hz=moved_hz, back_hz=back_hz))

    def _is_back(self, before_kw: float, step: Step) -> bool:
        power_kw = self._number("power_kw")
        return power_kw is not None and abs(power_kw - before_kw) <= _LEFT_FRAC * abs(step.delta_kw)

    async def _fall_back(self, name: str, step: Step) -> None:
        """Fall silent with a setpoint standing, and see the device give it up."""
        after_s = self._device.fallback().after_s if isinstance(self._device, Reverts) else None
        if after_s is None or not isinstance(self._device, Reverts):
            self._add("fall-back", Verdict.NOT_RUN, "nothing says after which silence the device falls back")
            return
        question = f"{self._target.spec.id}: fall silent for {after_s:g} s and see it fall back"
        if not await self._agreed(question):
            self._add("fall-back", Verdict.NOT_RUN, "not agreed to")
            return
        fault = await self._hold(name, step.setpoint_kw, for_s=0.0)
        if fault is not None:
            self._add("fall-back", Verdict.FAILED, fault)
            return
        silent_s = self._clock.monotonic_s()
        poll_s = self._target.spec.fast_s + self._target.link.timeout_s
        limit_s = _FALLBACK_WATCHDOGS * after_s + _FALLBACK_POLLS * poll_s
        left_after_s: float | None = None
        with suppress(TimeoutError):
            async with self._clock.timeout(limit_s):
                while not self._has_left(name, step):
                    await self._clock.sleep(_LOOK_S)
                left_after_s = self._clock.monotonic_s() - silent_s
        waited_s = self._clock.monotonic_s() - silent_s
        self.checks.append(judged_fallback(left_after_s=left_after_s, after_s=after_s, waited_s=waited_s))

    def _is_forming(self) -> bool:
        return getattr(self._device.reading(), "forming", None) is True

    def _has_left(self, name: str, step: Step) -> bool:
        shown_kw = self._former_kw(name)
        return shown_kw is not None and abs(shown_kw - step.setpoint_kw) > _LEFT_FRAC * abs(step.delta_kw)

    async def _restore(self, name: str, former_kw: float) -> None:
        """Put back the setpoint that was there, whatever has happened since."""
        fault = await self._hold(name, former_kw, for_s=0.0)
        figures = {"setpoint": f"{former_kw:.1f} kW"}
        if fault is None:
            self._add("put back", Verdict.PASSED, "the former setpoint stands again", figures)
        else:
            self._add("put back", Verdict.FAILED, f"the former setpoint does not stand: {fault}", figures)

    async def _hold(
        self, name: str, value: float, *, for_s: float, until: Callable[[], bool] | None = None
    ) -> str | None:
        """Command a value, noted in the audit file; return why it was not taken."""
        command = HandCommand(
            tool="ems devices verify",
            site=None if self._target.files is None else self._target.files.site.site.id,
            device=self._target.spec.id,
            endpoint=self._target.link.id,
            unit=self._target.spec.unit,
            command=name,
            value=value,
            forced=self._rules.forced,
        )
        number = self._rules.audit.begin(command)
        try:
            outcome = await self._hand.hold(name, value, for_s=for_s, until=until)
        except (DriverError, asyncio.CancelledError) as error:
            self._rules.audit.end(number, command, outcome=Outcome.LOST.value, detail=str(error) or "interrupted")
            if isinstance(error, asyncio.CancelledError):
                raise
            return str(error)
        self._rules.audit.end(number, command, outcome=outcome.outcome.value, detail=outcome.detail)
        return None if outcome.outcome is Outcome.ACCEPTED else f"{outcome.outcome.value}: {outcome.detail}"

    async def _agreed(self, question: str) -> bool:
        # the person may take a while; the link goes on meanwhile
        return await asyncio.to_thread(self._rules.ask, question)

    def _number(self, name: str) -> float | None:
        value = getattr(self._device.reading(), name, None)
        # + 0.0: a device that counts the other way shows minus zero
        return value + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _add(self, name: str, verdict: Verdict, detail: str, figures: Mapping[str, str] | None = None) -> None:
        self.checks.append(Check(name=name, verdict=verdict, detail=detail, figures=figures or {}))
