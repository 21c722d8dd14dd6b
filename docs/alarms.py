"""docs/alarms.md: the catalogue of alarms, from the definitions themselves."""

from collections.abc import Iterator
from typing import Final

from ems.control.alarms import CATALOGUE
from ems.model.annunciation import AlarmDefinition, AlarmGroup, Priority

_HEAD: Final = """# Alarms

Generated from `ems/control/alarms/` by `make docs`; do not edit. How alarms appear on MQTT is in [mqtt.md](mqtt.md)
(`alarm/<id>`, and `alarms` in `health`), how to handle them in [operations.md](operations.md#alarms). Words and states
follow ISA-18.2.

The name of an alarm is its kind, and after a colon what it concerns: `device_lost:gen03-ctl`. It begins when what it
tells of has lasted for the first delay, and ends when that has been away for the second; where a deadband is given, the
value must be back by that much of its span. Delays are seconds of the site's time.

| state | means |
| --- | --- |
| `active` | it stands, and nobody has acknowledged it |
| `acknowledged` | it stands, and people know |
| `cleared` | it is over, and nobody has acknowledged it |
| `normal` | it is over and acknowledged; it leaves the list after a minute |
| `shelved` | people have put it aside for a while; then it comes back by itself |
| `out_of_service` | people have put it aside until they bring it back |

| priority | people act | told in a flood | may be put aside |
| --- | --- | --- | --- |
| `critical` | within minutes: people or all load are at stake | singly | no |
| `high` | within the hour: a function or the reserve is lost | in a summary | yes |
| `medium` | within the day | in a summary | yes |
| `low` | at the next visit | in a summary | yes |
"""


def alarms_page() -> str:
    """Return docs/alarms.md."""
    return "\n".join((_HEAD, *_overview(), *(line for group in AlarmGroup for line in _group(group)))).rstrip() + "\n"


def _overview() -> Iterator[str]:
    counts = {
        priority: sum(definition.priority is priority for definition in CATALOGUE.values()) for priority in Priority
    }
    words = ", ".join(f"{n} {priority.value}" for priority, n in counts.items())
    yield f"The catalogue has {len(CATALOGUE)} kinds: {words}.\n"


def _group(group: AlarmGroup) -> Iterator[str]:
    yield f"## Group {group.value}\n"
    for definition in CATALOGUE.values():
        if definition.group is group:
            yield from _entry(definition)


def _entry(definition: AlarmDefinition) -> Iterator[str]:
    yield f"### `{definition.kind}`\n"
    yield f"{definition.means[:1].upper()}{definition.means[1:]}.\n"
    yield "| | |"
    yield "| --- | --- |"
    yield f"| priority | {definition.priority.value} |"
    yield f"| probable cause | {definition.cause} |"
    yield f"| consequence | {definition.consequence} |"
    yield f"| what to do | {definition.action} |"
    yield f"| delays | begins after {definition.on_delay_s:g} s, ends after {definition.off_delay_s:g} s |"
    if definition.deadband_pct:
        yield f"| deadband | {definition.deadband_pct:g} % |"
    how = "must be acknowledged" if definition.needs_acknowledgement else "leaves by itself when it is over"
    yield f"| list | {how} |"
    if definition.told_as is not None:
        yield f"| event | of kind `{definition.told_as}` |"
    yield ""
