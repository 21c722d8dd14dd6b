"""`ems devices verify`: every device of a site, one after the other, and the report for the engineer to sign."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from drivers.modbus.mapfile import map_file
from drivers.mqtt.topicmapfile import topic_map_file
from ems.app.commissioning.checks import Check
from ems.app.commissioning.report import DeviceSection, SiteReport, report_html
from ems.app.commissioning.targets import Target
from ems.app.commissioning.verify_device import Rules, verify_device
from ems.app.outputs import check_directory
from ems.errors import ConfigError, ConfigProblem
from ems.ports import Clock

DISTRIBUTION = "gpu-microgrid-ems"
REPORT_FILES = ("commissioning.html", "commissioning.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What was found; `passed` says that no check has failed."""

    document: dict[str, object]
    text: str
    passed: bool
    files: tuple[Path, ...] = field(default=())


def chosen(targets: Sequence[Target], devices: Sequence[str]) -> tuple[Target, ...]:
    """Return the devices that are asked for, all without a name.

    Raises:
        ConfigError: The configuration does not have one of them.
    """
    known = {target.spec.id: target for target in targets}
    if unknown := [name for name in devices if name not in known]:
        message = f"the configuration has no device '{unknown[0]}'"
        raise ConfigError(ConfigProblem(file="--device", message=message, allowed=", ".join(known)))
    return tuple(known[name] for name in devices) if devices else tuple(targets)


async def verify(
    targets: Sequence[Target], rules: Rules, *, out: Path | None, clock: Clock, told: Callable[[str], None]
) -> VerifyResult:
    """Verify devices one after the other; `told` hears of each check, the report goes into `out`.

    Raises:
        ConfigError: `out` cannot be written, or a map cannot be found.
        StateError: The audit file cannot be written.
    """
    if out is not None:
        check_directory(out, REPORT_FILES)
    began = _stamp(clock)
    sections = []
    for target in targets:
        told(target.title)
        checks, identity = await verify_device(target, rules, clock=clock)
        for check in checks:
            told(f"  {check.verdict:8} {check.name}: {check.detail}")
        sections.append(_section(target, checks, identity))
    files = targets[0].files if targets else None
    report = SiteReport(
        site="" if files is None else files.site.site.id,
        name="" if files is None else files.site.site.name,
        began=began,
        ended=_stamp(clock),
        software=f"{DISTRIBUTION} {version(DISTRIBUTION)}, Python {platform.python_version()}",
        audit=str(rules.audit.file),
        devices=tuple(sections),
    )
    document = asdict(report) | {"version": 1, "passed": report.passed, "counts": report.counts}
    written = () if out is None else _write(report, document, out)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items())
    text = f"{len(sections)} devices: {counts}" + "".join(f"\n  {file}" for file in written)
    return VerifyResult(document=document, text=text, passed=report.passed, files=written)


def _section(target: Target, checks: tuple[Check, ...], identity: Mapping[str, str]) -> DeviceSection:
    spec = target.spec
    map_name, source, digest = _map_facts(target)
    return DeviceSection(
        device=spec.id,
        asset=spec.asset,
        driver=spec.driver,
        endpoint=target.endpoint,
        framing=target.framing,
        unit=spec.unit,
        rated_kw=target.rated_kw,
        watchdog_s=spec.watchdog_s,
        map=map_name,
        map_source=source,
        map_sha256=digest,
        identity=dict(identity),
        checks=checks,
    )


def _map_facts(target: Target) -> tuple[str | None, str | None, str | None]:
    """Return name, document and check sum of a device's map; a map that is refused has been reported as a check."""
    try:
        if (topic_map := target.topic_map()) is not None:
            if target.spec.map is None:
                return "written beside the device", topic_map.source, None
            file = topic_map_file(target.spec.map, target.maps)
            return target.spec.map, topic_map.source, hashlib.sha256(file.read_bytes()).hexdigest()
        register_map = target.register_map()
        if register_map is None:
            return None, None, None
        if target.spec.map is None:
            return "written beside the device", register_map.source, None
        file = map_file(target.spec.map, target.maps)
        return target.spec.map, register_map.source, hashlib.sha256(file.read_bytes()).hexdigest()
    except (ConfigError, OSError):
        return target.spec.map, None, None


def _write(report: SiteReport, document: Mapping[str, object], out: Path) -> tuple[Path, ...]:
    page, data = (out / name for name in REPORT_FILES)
    page.write_text(report_html(report), encoding="utf-8")
    data.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return page, data


def _stamp(clock: Clock) -> str:
    return clock.utc().isoformat(timespec="seconds").replace("+00:00", "Z")
