"""All registers of a device that describes itself, again and again: what a recording of it holds."""

from typing import Final

from drivers.modbus.inquiry import Inquiry
from drivers.modbus.requests import Answered
from drivers.modbus.scan import scan_unit
from drivers.modbus.sunspec.chain import BASES, Chain, FoundModel, read_holding
from ems.model.device import SunSpecSpec
from ems.ports import Clock

# what one request may ask of any device (models are longer)
_MOST_REGISTERS: Final = 100


class ChainReadout:
    """Finds the models of a device once, and asks for all of their registers as often as it is told."""

    def __init__(self, inquiry: Inquiry, spec: SunSpecSpec, *, clock: Clock) -> None:
        self._inquiry = inquiry
        self._clock = clock
        self._bases = BASES if spec.base is None else (spec.base,)
        self._most_registers = min(_MOST_REGISTERS, spec.max_registers)
        self._chain: Chain | None = None

    async def ask(self) -> None:
        """Ask for all registers; after a model that was not answered the chain is walked anew the next time."""
        if self._chain is None:
            found = await scan_unit(self._inquiry, (), clock=self._clock, bases=self._bases)
            self._chain = None if found.breaks_off else found.sunspec
        for model in () if self._chain is None else self._chain.models:
            if not await self._ask(model):
                self._chain = None
                return

    async def _ask(self, model: FoundModel) -> bool:
        for first in range(model.at, model.end, self._most_registers):
            request = read_holding(first, min(self._most_registers, model.end - first))
            if not isinstance(await self._inquiry.ask(request), Answered):
                return False
        return True
