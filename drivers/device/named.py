"""Values by name without a table of their own for every answer: names stay, only the values are new."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Self

from drivers.device.values import Value


class Names:
    """Names in their order, each once, and the place of each."""

    __slots__ = ("order", "places")

    def __init__(self, order: Iterable[str]) -> None:
        self.order = tuple(order)
        self.places = {name: place for place, name in enumerate(self.order)}

    def __len__(self) -> int:
        return len(self.order)

    def are_distinct(self) -> bool:
        """Return whether no name stands there twice."""
        return len(self.places) == len(self.order)


class NamedValues(Mapping[str, Value | None]):
    """The values of one answer or of one round, in the order of their names."""

    __slots__ = ("names", "row")

    def __init__(self, names: Names, row: tuple[Value | None, ...]) -> None:
        self.names = names
        self.row = row

    @classmethod
    def of(cls, values: Mapping[str, Value | None]) -> Self:
        """Return a table as named values."""
        return cls(Names(values), tuple(values.values()))

    def __getitem__(self, name: str) -> Value | None:
        return self.row[self.names.places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self.names.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.names.order)

    def __len__(self) -> int:
        return len(self.row)

    def __repr__(self) -> str:
        return repr(self.table())

    def items(self) -> ItemsView[str, Value | None]:
        """Return names with values."""
        return self.table().items()

    def values(self) -> ValuesView[Value | None]:
        """Return the values."""
        return self.table().values()

    def table(self) -> dict[str, Value | None]:
        """Return them as a table of the caller's own."""
        return dict(zip(self.names.order, self.row, strict=True))


class Joint:
    """Joins the answers of a round; a value that comes in several of them counts as in the last."""

    def __init__(self) -> None:
        self._of: tuple[Names, ...] = ()
        self._names = Names(())

    def values(self, several: Sequence[NamedValues]) -> NamedValues:
        """Return the values of all answers together."""
        if len(several) == 1:
            return several[0]
        of = tuple(values.names for values in several)
        if of != self._of:
            # names compare by identity: each part of a round keeps its own
            self._of, self._names = of, Names(name for names in of for name in names.order)
        if self._names.are_distinct():
            return NamedValues(self._names, sum((values.row for values in several), ()))
        table: dict[str, Value | None] = {}
        for values in several:
            table |= values.table()
        return NamedValues.of(table)


def table_of(values: Mapping[str, Value | None]) -> dict[str, Value | None]:
    """Return values as a table of the caller's own."""
    return values.table() if isinstance(values, NamedValues) else dict(values)


def row_of(values: Mapping[str, Value | None]) -> tuple[Value | None, ...]:
    """Return values in the order of their names."""
    return values.row if isinstance(values, NamedValues) else tuple(values.values())
