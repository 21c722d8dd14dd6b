"""What a twin of any protocol does alike: serve the devices that the plant has, for as long as it is entered."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

from ems.model.device import DeviceSpec

D = TypeVar("D")


def placed(devices: Iterable[DeviceSpec], plant: Mapping[str, D]) -> Iterator[tuple[DeviceSpec, D]]:
    """Yield the devices of a configuration that the plant has, by their ids; the others are not served."""
    for spec in devices:
        if (device := plant.get(spec.id)) is not None:
            yield spec, device


class StandingTwin(ABC):
    """Stands while it is entered; `_stand_up` says what that takes."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    @abstractmethod
    async def _stand_up(self, stack: AsyncExitStack) -> None:
        """Put up what is served; the stack takes it down again."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._stand_up(stack)
            # from here on it stays up until we are left
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
