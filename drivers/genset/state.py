"""What a genset is doing, from what its controller shows: state, breaker, phase for control. Pure.

Controllers name their states differently and leave some of them to be seen from other values: a failed start is a
standing engine with an alarm, a set on load is a running one with its breaker closed.
"""

from collections.abc import Mapping
from typing import Final

from drivers.device.values import Value
from ems.model.readings import EngineState, GensetPhase

DERIVED: Final = frozenset({"engine_state", "phase", "breaker_closed"})
# alarm of a start that failed, as GenComm's list of named alarms has it, and as texts of controllers begin
_START_ALARMS: Final = ("fail_to_start", "start fail")
# a set on the bus carries more than this share of its rating: load sharing gives every set its part
_CARRYING_FRAC: Final = 0.02

_STATES: Final[Mapping[GensetPhase, EngineState]] = {
    GensetPhase.STOPPED: EngineState.STOPPED,
    GensetPhase.STARTING: EngineState.CRANKING,
    GensetPhase.WARMING_UP: EngineState.WARMING_UP,
    GensetPhase.SYNCHRONISING: EngineState.RUNNING,
    GensetPhase.RUNNING: EngineState.RUNNING,
    GensetPhase.COOLING_DOWN: EngineState.COOLING_DOWN,
    GensetPhase.FAULT: EngineState.LOCKED_OUT,
}
_PHASES: Final[Mapping[EngineState, GensetPhase]] = {
    EngineState.STOPPED: GensetPhase.STOPPED,
    EngineState.PRE_START: GensetPhase.STARTING,
    EngineState.CRANKING: GensetPhase.STARTING,
    EngineState.WARMING_UP: GensetPhase.WARMING_UP,
    EngineState.RUNNING: GensetPhase.RUNNING,
    EngineState.ON_LOAD: GensetPhase.RUNNING,
    EngineState.UNLOADING: GensetPhase.COOLING_DOWN,
    EngineState.COOLING_DOWN: GensetPhase.COOLING_DOWN,
    EngineState.FAILED_TO_START: GensetPhase.FAULT,
    EngineState.LOCKED_OUT: GensetPhase.FAULT,
    EngineState.UNAVAILABLE: GensetPhase.FAULT,
}
_LATCHED: Final = frozenset({EngineState.FAILED_TO_START, EngineState.LOCKED_OUT})
_AT_REST: Final = frozenset({EngineState.STOPPED, EngineState.UNAVAILABLE, EngineState.LOCKED_OUT})


def complete(values: dict[str, Value | None], bad: dict[str, str], rated_kw: float) -> None:
    """Complete the values of a reading: whichever of state and phase the map gives, the other follows from it."""
    shown = _shown(values)
    if shown is None:
        reason = bad.get("engine_state") or bad.get("phase")
        for name in ("engine_state", "phase"):
            values[name] = None
            if reason is not None:
                bad[name] = reason
        return
    if "breaker_closed" not in values:
        values["breaker_closed"] = _feeds(shown, values.get("power_kw"), rated_kw)
        if values["breaker_closed"] is None and "power_kw" in bad:
            bad["breaker_closed"] = bad["power_kw"]
    state = _with_alarms(shown, values)
    if "phase" not in values or state in _LATCHED:
        values["phase"] = _phase(state, values.get("breaker_closed"), remote=values.get("remote"))
    if state is EngineState.RUNNING and values.get("breaker_closed") is True:
        state = EngineState.ON_LOAD
    if state is EngineState.STOPPED and values.get("remote") is False:
        state = EngineState.UNAVAILABLE
    values["engine_state"] = state
    if state in _AT_REST and "shutdowns" in bad:
        # it may rest because of an alarm that cannot be read: a start must not be asked for
        values["engine_state"], bad["engine_state"] = None, bad["shutdowns"]


def _shown(values: Mapping[str, Value | None]) -> EngineState | None:
    """Return the state that the controller shows, before anything else is taken into account."""
    if (state := values.get("engine_state")) is not None:
        return EngineState(str(state))
    phase = values.get("phase")
    return None if phase is None else _STATES[GensetPhase(str(phase))]


def _feeds(state: EngineState, power_kw: Value | None, rated_kw: float) -> bool | None:
    """Return whether a set without a register for its breaker feeds the bus, by the power that it delivers."""
    if state is EngineState.ON_LOAD:
        return True
    if state is not EngineState.RUNNING:
        return False
    return float(power_kw) > _CARRYING_FRAC * rated_kw if isinstance(power_kw, int | float) else None


def _with_alarms(state: EngineState, values: Mapping[str, Value | None]) -> EngineState:
    """Return what an engine at rest has come to by an alarm that stands."""
    standing = [*_names(values.get("shutdowns")), *_names(values.get("trips"))]
    if state not in _AT_REST or not standing:
        return state
    failed = any(name.lower().startswith(_START_ALARMS) for name in standing)
    return EngineState.FAILED_TO_START if failed else EngineState.LOCKED_OUT


def _names(value: Value | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _phase(state: EngineState, breaker_closed: Value | None, *, remote: Value | None) -> GensetPhase:
    """Return the phase that control knows; an engine that turns with an open breaker has still to synchronise."""
    if state is EngineState.UNAVAILABLE and remote is False:
        # switched off at its panel, which is no fault
        return GensetPhase.STOPPED
    if state is EngineState.RUNNING and breaker_closed is False:
        return GensetPhase.SYNCHRONISING
    return _PHASES[state]
