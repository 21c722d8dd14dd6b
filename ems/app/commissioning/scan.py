"""`ems devices scan`: what answers at an endpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from drivers.modbus.inquiry import Inquiry
from drivers.modbus.layout import RegisterMap
from drivers.modbus.link import ModbusLink
from drivers.modbus.mapfile import load_map, map_names
from drivers.modbus.scan import Examination, UnitFound
from ems.app.commissioning.endpoints import Reach, endpoint_link, parse_units, running
from ems.errors import ConfigError
from ems.ports import Clock
from ems.runtime.clock import SystemClock

# where a device that nobody has configured answers: 1, else what pure TCP devices take
_USUAL_UNITS: Final = (1, 0, 255)
_TEXTS: Final = ("manufacturer", "model", "serial", "firmware")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What a scan found, as one JSON document and as text; `answered` says whether any unit did."""

    document: dict[str, object]
    text: str
    answered: bool


async def scan(
    endpoint: str,
    *,
    units: str | None,
    reach: Reach,
    maps: Sequence[Path] = (),
    clock: Clock | None = None,
) -> ScanResult:
    """Ask the units of an endpoint who they are, over one connection.

    Raises:
        ConfigError: The endpoint or the list of units cannot be understood.
    """
    clock = clock or SystemClock()
    link = ModbusLink(endpoint_link(endpoint, reach), clock=clock, searching=True)
    asked = _USUAL_UNITS if units is None else parse_units(units)
    known = _sound_maps(maps)
    found: list[UnitFound] = []
    examinations = [Examination(Inquiry(unit, link), clock, opens=unit == asked[0]) for unit in asked]
    async with running(link):
        if units is None:
            # a device that names itself at once is not looked for in other units first
            examinations = await _marked_first(examinations)
        for examination in examinations:
            found.append(await examination.run(known))
            if units is None and found[-1].answers:
                break
            if not examination.has_connected:
                # nobody listens there: more units would each cost another attempt
                found += [replace(found[-1], unit=unit) for unit in asked[len(found) :]]
                break
    answering = [unit for unit in found if unit.answers]
    shown = found if units is not None else answering or found
    document: dict[str, object] = {
        "endpoint": endpoint,
        "framing": reach.framing,
        "units": [_unit_document(unit) for unit in shown],
    }
    lines = _nobody(shown) if not any(each.has_connected for each in examinations) else _all_lines(shown)
    text = "\n".join((f"{endpoint} ({reach.framing})", *lines))
    return ScanResult(document=document, text=text, answered=bool(answering))


async def _marked_first(examinations: Sequence[Examination]) -> list[Examination]:
    """Return the first unit that shows the SunSpec marker alone, all where none does."""
    for examination in examinations:
        if await examination.has_marker():
            return [examination]
        if examination.answers or not examination.has_connected:
            break
    return list(examinations)


def _sound_maps(directories: Sequence[Path]) -> list[RegisterMap]:
    """Return the maps that can be loaded; `ems devices maps lint` says what is wrong with the others."""
    maps = []
    for name in map_names(directories):
        try:
            maps.append(load_map(name, directories))
        except ConfigError:
            continue
    return maps


def _unit_document(found: UnitFound) -> dict[str, object]:
    chain = found.sunspec
    return {
        "unit": found.unit,
        "sunspec": None if chain is None else {"base": chain.base, "models": list(chain.ids)},
        **{name: found.texts.get(name) for name in _TEXTS},
        "maps": list(found.maps),
        "errors": list(found.errors),
    }


def _nobody(found: Sequence[UnitFound]) -> Iterator[str]:
    """Yield once what holds for every unit of an endpoint that takes no connection."""
    yield "no connection"
    yield from (f"  {error}" for error in dict.fromkeys(error for unit in found for error in unit.errors))


def _all_lines(found: Sequence[UnitFound]) -> Iterator[str]:
    for unit in found:
        yield from _unit_lines(unit)


def _unit_lines(found: UnitFound) -> list[str]:
    if not found.answers:
        return [f"unit {found.unit}: no answer", *(f"  {error}" for error in found.errors)]
    texts = ", ".join(f"{name} {found.texts[name]}" for name in _TEXTS if name in found.texts)
    lines = [f"unit {found.unit}: {texts or 'answers, but does not name itself'}"]
    if found.sunspec is not None:
        models = " ".join(map(str, found.sunspec.ids)) or "none"
        end = ", where its chain breaks off" if found.breaks_off else ""
        lines.append(f"  SunSpec at {found.sunspec.base}, models {models}{end}")
    lines.append(f"  maps that fit: {', '.join(found.maps) or 'none'}")
    return [*lines, *(f"  error: {error}" for error in found.errors)]
