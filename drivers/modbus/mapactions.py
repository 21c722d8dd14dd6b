"""Builds control keys and the commands made of them from the tables of a register-map file.

What refers to an action that the map does not have is found here; all else that contradicts itself in `actionlint`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.modbus.coding import Address, Table
from drivers.modbus.keys import Action, Condition, Precondition, RawWrite, ReturnValue, SequenceCommand, Wait
from drivers.modbus.keyschema import (
    ActionTable,
    ConditionTable,
    NeedsTable,
    SequenceTable,
    WaitTable,
    WriteFunction,
    WriteTable,
)
from drivers.modbus.mapschema import MapFile

_ALL_BITS: Final = 0xFFFF


def action(name: str, table: ActionTable, tables: MapFile) -> Action:
    """Return a control key with everything that is written for it, in its order."""
    write_fc = tables.endpoint.write_fc
    writes = [_write(tables.unlock, write_fc)] if tables.unlock else []
    writes.append(RawWrite(at=_address(table.at), words=_words(table), function=table.write_fc or write_fc))
    if table.then is not None:
        writes.append(_write(table.then, write_fc))
    return Action(
        name=name,
        writes=tuple(writes),
        returns=_returns(table, tables),
        after=_wait(table.after) if table.after else None,
        unless=_condition(table.unless) if table.unless else None,
    )


def sequence_command(name: str, table: SequenceTable, actions: Mapping[str, Action]) -> SequenceCommand:
    """Return a command made of actions; actions that the map does not have are left out, see `missing_actions`."""
    return SequenceCommand(
        name=name,
        actions={
            True: tuple(actions[step] for step in table.true if step in actions),
            False: tuple(actions[step] for step in table.false if step in actions),
        },
        once=frozenset(table.once),
        shows={
            True: Condition(field=table.shows.field, labels=frozenset(table.shows.true)),
            False: Condition(field=table.shows.field, labels=frozenset(table.shows.false)),
        },
        settle_s=table.settle_s,
        needs=_precondition(table.needs, actions) if table.needs else None,
        latched=_condition(table.latched) if table.latched else None,
    )


def missing_actions(tables: MapFile) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of every action that is used and does not exist."""
    for name, table in tables.sequences.items():
        used = [(f"sequences.{name}.true", step) for step in table.true]
        used += [(f"sequences.{name}.false", step) for step in table.false]
        if table.needs is not None and table.needs.ask is not None:
            used.append((f"sequences.{name}.needs.ask", table.needs.ask))
        yield from ((key, step) for key, step in used if step not in tables.actions)


def _words(table: ActionTable) -> tuple[int, ...]:
    """Return the registers of an action: a key never goes out without its own complement."""
    if table.key is not None:
        return table.key, _ALL_BITS - table.key
    return tuple(table.words or ())


def _returns(table: ActionTable, tables: MapFile) -> ReturnValue | None:
    if table.returns is None or tables.returns is None:
        return None
    return ReturnValue(
        at=_address(tables.returns.at),
        words=tuple(table.returns),
        errors={int(code): text for code, text in tables.returns.errors.items()},
    )


def _write(table: WriteTable, write_fc: WriteFunction) -> RawWrite:
    return RawWrite(at=_address(table.at), words=tuple(table.words), function=table.write_fc or write_fc)


def _precondition(table: NeedsTable, actions: Mapping[str, Action]) -> Precondition:
    return Precondition(
        wait=_wait(table),
        ask=actions.get(table.ask) if table.ask else None,
        ask_from=Condition(field=table.field, labels=frozenset(table.ask_from)) if table.ask_from else None,
    )


def _wait(table: WaitTable) -> Wait:
    return Wait(condition=_condition(table), within_s=table.within_s)


def _condition(table: ConditionTable) -> Condition:
    return Condition(field=table.field, labels=frozenset(table.is_))


def _address(at: str) -> Address:
    table, register = at.split(":")
    return Address(table=Table(table), register=int(register))
