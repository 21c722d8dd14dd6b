"""docs/modes.md: the mode table as a drawing and as tables, from the table itself."""

from collections.abc import Iterator
from typing import Final

from ems.control.modes.conditions import Condition
from ems.control.modes.table import TABLE, Exit, Held, Span, Write
from ems.control.state import BlackStartStep, Forming

_HEAD: Final = """# Modes

Generated from `ems/control/modes/table.py` by `make docs`; do not edit. What the modes mean to an operator is in
[operations.md](operations.md), the keys behind the spans of time are in [configuration.md](configuration.md)
(`control`, `modes` and `tie` of control.toml), the words in the [glossary](glossary.md).

A mode changes on measured conditions only, never because something was commanded. One change at most is made in a
cycle: the first exit of the row whose conditions have all held for their span. The state is kept over a restart as far
as people must lift it (an emergency stop, the hold of a black start) or as it counts (attempts to return); everything
else is measured anew in `INIT`, before anything is written.

Without `[tie]` in control.toml the relays of the PCC breaker close and open it by themselves: `PLANNED_ISLANDING` and
`RESYNC` are never entered then.
"""
_FORMING: Final = """## What forms the bus

`forming` in the topic `state` says what holds voltage and frequency, as the devices show it: `grid` (PCC closed, grid
with voltage), else `pcs` (a PCS that forms and is ready), else `genset` (a set that carries load), `none`, or null
where no device tells. A setpoint of zero changes nothing of it, and the guard's rule `G0` lets no command take the last
source away. An island is `battery`, `hybrid` or `gensets` by who forms it and who carries load (`island`).
"""
_BLACK_START: Final = """## Steps of a black start

Begun by itself when the stored energy covers technical minimum, SoC error and `black_start_kwh`, and no earth fault or
fire stands at the safety inputs; else by an operator. Each step must be confirmed within `black_start_step_s`; after
`n_black_start_tries` the site waits in `DEAD_BUS` for an operator. Loads without switchable feeders come back by
themselves, and a step then waits until the meters show them.
"""
_STEPS: Final = {
    BlackStartStep.ENERGISE: ("forming PCS are started, one at a time", "a PCS or a set forms the bus"),
    BlackStartStep.CONTROLS: ("controls and pumps", "cooling and auxiliaries draw power"),
    BlackStartStep.COOLING: ("cooling", "a coolant unit is known to take heat, or the plant draws power"),
    BlackStartStep.RACKS: ("racks", "IT draws half of what it draws at idle"),
    BlackStartStep.PV: ("PV, which is held at zero until here", "PV delivers, or has nothing to deliver"),
    BlackStartStep.GENSETS: ("sets that are wanted", "each of them carries load"),
    BlackStartStep.DONE: ("", "the island is formed"),
}
_FORMED_BY: Final = {
    Forming.GRID: "the grid",
    Forming.PCS: "grid-forming PCS",
    Forming.GENSET: "gensets",
    Forming.NONE: "nothing",
}


def modes_page() -> str:
    """Return docs/modes.md."""
    parts = (_HEAD, *_drawing(), "", *_modes(), "", *_permissions(), "", *_exits())
    return "\n".join((*parts, "", _FORMING, *_roles(), "", _BLACK_START, *_steps(), ""))


def _drawing() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> INIT"
    for row in TABLE:
        yield f'    state "{row.number} {row.mode.name}" as {row.mode.name}'
    for row in TABLE:
        for way in row.exits:
            # the stop and the loss of sight lead away from everywhere and would hide the rest
            if way.when[0].condition not in (Condition.E_STOP, Condition.BLIND):
                yield f"    {row.mode.name} --> {way.to.name}: {_short(way)}"
    yield "```"
    yield ""
    yield "Left out above: the exits to `E_STOP` from every mode and to `DEGRADED` where too little is known."


def _modes() -> Iterator[str]:
    yield "## What each mode is"
    yield ""
    yield "| | mode | as published | what it is |"
    yield "| --- | --- | --- | --- |"
    for row in TABLE:
        yield f"| {row.number} | `{row.mode.name}` | `{row.mode.value}` | {row.meaning} |"


def _permissions() -> Iterator[str]:
    yield "## What each mode may write"
    yield ""
    yield f"| mode | {' | '.join(write.value for write in Write)} |"
    yield f"| --- |{' --- |' * len(Write)}"
    for row in TABLE:
        yield f"| `{row.mode.name}` | {' | '.join('yes' if write in row.may else '' for write in Write)} |"
    yield ""
    yield "The guard's rule `G10` holds this after every source of setpoints."


def _exits() -> Iterator[str]:
    yield "## How each mode ends"
    yield ""
    yield "In the order in which the exits are tried."
    for row in TABLE:
        yield from ("", f"### {row.number} {row.mode.name}", "", "| to | when |", "| --- | --- |")
        yield from (_exit_row(way) for way in row.exits)


def _exit_row(way: Exit) -> str:
    text = " and ".join(_held(held) for held in way.when)
    return f"| `{way.to.name}` | {text}{' (time-out)' if way.is_time_out else ''} |"


def _held(held: Held) -> str:
    if held.condition is Condition.IN_MODE:
        return f"in the mode for `{held.span.value}`"
    return held.condition.value if held.span is Span.NOW else f"{held.condition.value} for `{held.span.value}`"


def _short(way: Exit) -> str:
    return "time-out" if way.is_time_out else way.when[0].condition.value.replace(":", ",")


def _roles() -> Iterator[str]:
    yield "| value | formed by |"
    yield "| --- | --- |"
    yield from (f"| `{role.value}` | {text} |" for role, text in _FORMED_BY.items())


def _steps() -> Iterator[str]:
    yield "| step | what comes back | confirmed by |"
    yield "| --- | --- | --- |"
    yield from (f"| `{step.value}` | {what} | {how} |" for step, (what, how) in _STEPS.items())
