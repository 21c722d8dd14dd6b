"""Finds and loads register maps: TOML files that describe the registers of one kind of device.

A site's own maps come before the shipped ones. A map that is wrong in form or contradicts itself is refused
with file, key and what is allowed; nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from drivers.device.mapfiles import find_file, found, map_of_device, names_in, read_toml
from drivers.device.schemaproblems import problems
from drivers.modbus.actionlint import form_findings
from drivers.modbus.codelint import code_findings
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapbuild import build_map
from drivers.modbus.maplint import find_contradictions
from drivers.modbus.mapproblems import SCHEMA
from drivers.modbus.mapschema import MapFile
from drivers.modbus.racklint import rack_findings
from ems.errors import ConfigError
from ems.model.device import DeviceSpec

SHIPPED: Final = Path(__file__).resolve().parents[1] / "maps"


def load_map(name: str, directories: Sequence[Path]) -> RegisterMap:
    """Return the register map of that name.

    Raises:
        ConfigError: No directory has it, or the file is wrong; carries every problem that was found.
    """
    return read_map(map_file(name, directories))


def read_map(file: Path) -> RegisterMap:
    """Return the register map in a file.

    Raises:
        ConfigError: The file is wrong; carries every problem that was found.
    """
    return _checked(read_toml(file), file)


def device_map(spec: DeviceSpec, directories: Sequence[Path]) -> RegisterMap | None:
    """Return the register map of a device: that of its name, or the one written beside it; None if it has none.

    Raises:
        ConfigError: As `load_map`; of a map beside the device the keys are those of devices.toml.
    """
    return map_of_device(
        spec, "registers", spec.registers, load=lambda name: load_map(name, directories), build=_checked
    )


def _checked(table: Mapping[str, object], file: Path) -> RegisterMap:
    try:
        tables = MapFile.model_validate(table)
    except ValidationError as error:
        raise ConfigError(*problems(file, error, SCHEMA)) from error
    if wrong := (*form_findings(tables), *rack_findings(tables)):
        raise ConfigError(*(found(file, *finding) for finding in wrong))
    register_map = build_map(tables)
    without_effect = (found(file, *finding) for finding in code_findings(tables))
    if contradictions := (*without_effect, *find_contradictions(register_map, file)):
        raise ConfigError(*contradictions)
    return register_map


def map_names(directories: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of all maps that can be loaded, the shipped ones included."""
    return names_in((*directories, SHIPPED))


def map_file(name: str, directories: Sequence[Path]) -> Path:
    """Return the file of the map of that name, a site's own before a shipped one.

    Raises:
        ConfigError: No directory has it.
    """
    return find_file(name, (*directories, SHIPPED), what="register map")
