"""Finds what the control keys and sequences of a register map contradict."""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.device.fields import DeviceClass, FieldKind, ReadingField, reading_fields
from drivers.device.needs import Finding
from drivers.modbus.coding import WRITE_MULTIPLE, WRITE_SINGLE, Table
from drivers.modbus.keys import Action, Condition, SequenceCommand
from drivers.modbus.keyschema import ActionTable
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapactions import missing_actions
from drivers.modbus.mapschema import MapFile

_N_ADDRESSES: Final = 0x10000
_FLAGS: Final = frozenset({"true", "false"})
_ASKED_FOR: Final[Mapping[str, frozenset[str]]] = {
    DeviceClass.GENSET: frozenset({"run", "reset_alarms"}),
    DeviceClass.PCS: frozenset({"energise"}),
}


def form_findings(tables: MapFile) -> Iterator[Finding]:
    """Yield what the tables of a map contradict before they are built."""
    for key, name in missing_actions(tables):
        yield key, f"there is no action '{name}'", ", ".join(sorted(tables.actions)) or "[actions] first"
    for name, table in tables.actions.items():
        yield from _action_form(f"actions.{name}", table, tables)
    for name, sequence in tables.sequences.items():
        if name in tables.commands:
            yield f"sequences.{name}", f"[commands.{name}] is the same command", "one of the two"
        if sequence.needs is not None and (sequence.needs.ask is None) != (not sequence.needs.ask_from):
            yield f"sequences.{name}.needs", "ask and ask_from belong together", "both, or none of them"


def _action_form(key: str, table: ActionTable, tables: MapFile) -> Iterator[Finding]:
    if (table.words is None) == (table.key is None):
        yield key, "an action has either words or a key", "one of the two"
    if table.key is not None and (table.write_fc or tables.endpoint.write_fc) != WRITE_MULTIPLE:
        yield f"{key}.write_fc", "a key and its complement go out in one request", "16"
    if table.returns is not None and tables.returns is None:
        yield f"{key}.returns", "the map does not say where the answer is shown", "[returns] with at and errors"


def action_findings(register_map: RegisterMap) -> Iterator[Finding]:
    """Yield what actions and sequences of a map contradict."""
    fields = reading_fields(register_map.device_class)
    taken = {
        number: name
        for name, command in register_map.commands.items()
        for number in range(command.at.register, command.end)
    }
    for name, action in register_map.actions.items():
        yield from _writes(f"actions.{name}", action, taken)
        if action.after is not None:
            yield from _condition(f"actions.{name}.after", action.after.condition, fields)
        if action.unless is not None:
            yield from _condition(f"actions.{name}.unless", action.unless, fields)
    known = _ASKED_FOR.get(register_map.device_class, frozenset())
    for name, sequence in register_map.sequences.items():
        if name not in known:
            message = f"nothing asks a {register_map.device_class} for it"
            yield f"sequences.{name}", message, ", ".join(sorted(known)) or "no sequences"
        for key, condition in _conditions(sequence):
            yield from _condition(f"sequences.{name}.{key}", condition, fields)
        both = sequence.shows[True].labels & sequence.shows[False].labels
        if both:
            yield f"sequences.{name}.shows", f"{', '.join(sorted(both))} cannot mean true and false", None
    if register_map.sequences and register_map.fallback is None:
        yield "fallback", "a device that is commanded must state what it does without a controller", "[fallback] text"


def _writes(key: str, action: Action, taken: Mapping[int, str]) -> Iterator[Finding]:
    for write in action.writes:
        if write.at.table is not Table.HOLDING or write.end > _N_ADDRESSES:
            yield f"{key}.at", "it ends behind the last register", "addresses 0 to 65535"
        if write.function == WRITE_SINGLE and len(write.words) != 1:
            yield f"{key}.write_fc", "function 6 writes one register", "16"
        for number in range(write.at.register, write.end):
            if number in taken:
                yield f"{key}.at", f"it is written to the registers of commands.{taken[number]}", None
                break


def _conditions(sequence: SequenceCommand) -> Iterator[tuple[str, Condition]]:
    yield "shows", sequence.shows[True]
    yield "shows", sequence.shows[False]
    if sequence.needs is not None:
        yield "needs", sequence.needs.wait.condition
        if sequence.needs.ask_from is not None:
            yield "needs.ask_from", sequence.needs.ask_from
    if sequence.latched is not None:
        yield "latched", sequence.latched


def _condition(key: str, condition: Condition, fields: Mapping[str, ReadingField]) -> Iterator[Finding]:
    field = fields.get(condition.field)
    if field is None:
        yield f"{key}.field", f"the reading has no '{condition.field}'", ", ".join(sorted(fields))
        return
    if field.kind not in {FieldKind.FLAG, FieldKind.LABEL}:
        yield f"{key}.field", f"'{condition.field}' is no state", "a flag or one of a list of names"
        return
    known = frozenset(field.labels or ()) or _FLAGS
    if strange := condition.labels - known:
        yield key, f"{condition.field} is never {', '.join(sorted(strange))}", ", ".join(sorted(known))
