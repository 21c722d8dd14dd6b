"""`ems devices maps lint`: what is wrong with maps, and what is odd in those that are right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.device.doubts import Texts, twin_doubts
from drivers.device.mapfiles import DEVICES_FILE, found, read_toml
from drivers.device.needs import Finding
from drivers.modbus import mapdoubts
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapfile import SHIPPED, map_file, read_map
from drivers.mqtt import topicdoubts, topicmapfile
from drivers.mqtt.topics import TopicMap
from ems.app.commissioning.targets import Target, site_targets
from ems.app.located import located
from ems.errors import ConfigError, ConfigProblem

AnyMap = RegisterMap | TopicMap
_SITE_FILES: Final = ("site.toml", DEVICES_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """How many maps are right, and what a person should look at again in them."""

    n_maps: int
    warnings: tuple[ConfigProblem, ...]

    @property
    def document(self) -> dict[str, object]:
        """Return it as JSON."""
        warnings = [
            {"file": each.file, "line": each.line, "key": each.key, "message": each.message, "allowed": each.allowed}
            for each in self.warnings
        ]
        return {"maps": self.n_maps, "problems": [], "warnings": warnings}

    @property
    def text(self) -> str:
        """Return it for a terminal."""
        told = f"{self.n_maps} maps, nothing wrong"
        return "\n".join([told, *(f"look again: {each.sentence()}" for each in self.warnings)])


def lint_maps(path: Path | None) -> Lint:
    """Check a map file, all of a directory (None: the shipped ones), or all that a site's devices use.

    Raises:
        ConfigError: With everything that is wrong, or the path does not exist, or the directory has no map.
    """
    where = path or SHIPPED
    is_site = any((where / name).is_file() for name in _SITE_FILES)
    files = _files_of_site(where) if is_site else _files(where)
    if problems := [problem for file in files for problem in _problems(file)]:
        raise ConfigError(*problems)
    maps = [(file, _read(file)) for file in files]
    beside = _beside_devices(where) if is_site else ()
    warnings = [*_doubts(maps), *(each for _, doubts in beside for each in doubts)]
    return Lint(n_maps=len(maps) + len(beside), warnings=tuple(located(each) for each in warnings))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = _maps_in(path) or _maps_in(path / "maps")
    if not files:
        message = "has no maps" if path.is_dir() else "does not exist"
        raise ConfigError(ConfigProblem(file=str(path), message=message, allowed="a map file or a directory of maps"))
    return files


def _files_of_site(where: Path) -> list[Path]:
    """Return the files of the site's own maps, used or not, and of the others that its devices use."""
    own = _maps_in(where / "maps")
    if any(_problems(file) for file in own):
        # a configuration with a broken map could not be loaded, and would not say more
        return own
    used = {_file_of(target) for target in site_targets(str(where)) if target.spec.map is not None}
    return [*own, *sorted(used - set(own))]


def _file_of(target: Target) -> Path:
    name = target.spec.map or ""
    find = topicmapfile.topic_map_file if target.is_behind_broker else map_file
    return find(name, target.maps)


def _beside_devices(where: Path) -> list[tuple[str, list[ConfigProblem]]]:
    """Return the maps that stand in devices.toml, each once, with what is odd in them.

    Raises:
        ConfigError: One of them is wrong.
    """
    found_: list[tuple[str, list[ConfigProblem]]] = []
    seen: list[object] = []
    for target in site_targets(str(where)):
        given = target.spec.registers or target.spec.topics
        each = target.register_map() or target.topic_map() if given else None
        if each is not None and given not in seen:
            seen.append(given)
            table = "registers" if target.spec.registers else "topics"
            doubts = [
                _problem(where / DEVICES_FILE, (f"device '{target.spec.id}'.{table}.{key}", message, allowed))
                for key, message, allowed in _of_map(each)
            ]
            found_.append((each.id, doubts))
    return found_


def _maps_in(directory: Path) -> list[Path]:
    return [*sorted(directory.glob("*.toml")), *sorted((directory / topicmapfile.FOLDER).glob("*.toml"))]


def _problems(file: Path) -> list[ConfigProblem]:
    try:
        _read(file)
    except ConfigError as error:
        return [located(problem) for problem in error.problems]
    return []


def _read(file: Path) -> AnyMap:
    table = read_toml(file)
    if topicmapfile.is_topic_map(table) or file.parent.name == topicmapfile.FOLDER:
        return topicmapfile.topic_map_of(table, file)
    return read_map(file)


def _doubts(maps: Sequence[tuple[Path, AnyMap]]) -> Iterator[ConfigProblem]:
    for file, each in maps:
        yield from (_problem(file, finding) for finding in _of_map(each))
    for kind in (RegisterMap, TopicMap):
        texts = {_texts(each).map_id: (file, _texts(each)) for file, each in maps if isinstance(each, kind)}
        for map_id, finding in twin_doubts([text for _, text in texts.values()]):
            yield _problem(texts[map_id][0], finding)


def _of_map(each: AnyMap) -> Iterator[Finding]:
    return mapdoubts.map_doubts(each) if isinstance(each, RegisterMap) else topicdoubts.topic_doubts(each)


def _texts(each: AnyMap) -> Texts:
    return mapdoubts.texts_of(each) if isinstance(each, RegisterMap) else topicdoubts.texts_of(each)


def _problem(file: Path, finding: Finding) -> ConfigProblem:
    return found(file, *finding)
