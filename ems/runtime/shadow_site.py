"""The site that a controller in shadow mode controls: what is measured, with a model in the place of what it commands.

The control cycle is the one that commands a site. Its image comes from here, and its devices are these: commands move
the model and nothing else. The real devices are only read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from ems.accounting.counterfactual import (
    ModelSite,
    Orders,
    advanced,
    begun,
    followed,
    shown,
    site_document,
    site_of,
)
from ems.model.readings import Reading
from ems.model.setpoints import Outcome, WriteOutcome
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.ports import Clock, Device
from ems.runtime.image import ImageBuilder
from ems.runtime.plausibility import Plausibility

WITHHELD: Final = "shadow mode: nothing is written to any device"
# a longer step is a pause: of what happened in it nothing is known
_LONGEST_STEP_PERIODS: Final = 10.0


@dataclass(slots=True)
class _Commands:
    """What was commanded last, by asset."""

    power_kw: dict[str, float] = field(default_factory=dict)
    limit_kw: dict[str, float] = field(default_factory=dict)
    run: dict[str, bool] = field(default_factory=dict)

    def orders(self) -> Orders:
        return Orders(power_kw=dict(self.power_kw), limit_kw=dict(self.limit_kw), run=dict(self.run))


class ShadowDevice:
    """A device of the model: takes every command at once. It has the name of the real one, and no reading."""

    def __init__(self, device: Device, commands: _Commands, clock: Clock) -> None:
        self._id = device.device_id
        self._asset = device.asset_id
        self._commands = commands
        self._clock = clock
        self._outcome: WriteOutcome | None = None

    @property
    def device_id(self) -> str:
        """Return the name of the device in the configuration."""
        return self._id

    @property
    def asset_id(self) -> str:
        """Return the asset that the device serves."""
        return self._asset

    def reading(self) -> Reading | None:
        """Return None: what the model shows comes with the image."""
        return None

    def trouble(self) -> str | None:
        """Return None: a model is always there."""
        return None

    def outcome(self) -> WriteOutcome | None:
        """Return that the newest command was taken."""
        return self._outcome

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - renewed every cycle
        """Take a power into the site bus."""
        self._commands.power_kw[self._asset] = power_kw
        self._taken(f"power_kw: {power_kw:g} by the model", power_kw)

    def set_run(self, *, run: bool, valid_until_s: float) -> None:  # noqa: ARG002 - renewed every cycle
        """Start or stop."""
        self._commands.run[self._asset] = run
        self._taken(f"run: {run} by the model", None)

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - renewed every cycle
        """Take a power limit."""
        self._commands.limit_kw[self._asset] = limit_kw
        self._taken(f"limit_kw: {limit_kw:g} by the model", limit_kw)

    def _taken(self, detail: str, written_kw: float | None) -> None:
        self._outcome = WriteOutcome(
            device_id=self._id,
            outcome=Outcome.ACCEPTED,
            at_s=self._clock.monotonic_s(),
            detail=detail,
            written_kw=written_kw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Courses:
    """Where both courses are: the controller's and the site's own, through one model; None before they begin.

    `unknown_s` is the time since the begin in which a source was not known, and both stood still.
    """

    measured: SiteSnapshot
    model: ModelSite | None
    own: ModelSite | None
    unknown_s: float


class ShadowSite:
    """Makes the picture that the controller sees; `devices` are the real ones by the asset that they serve."""

    def __init__(self, site: Site, devices: Mapping[str, Device], clock: Clock) -> None:
        self._site = site
        self._builder = ImageBuilder(site, devices)
        self._plausibility = Plausibility(site, devices)
        self._commands = _Commands()
        self._model: ModelSite | None = None
        self._own: ModelSite | None = None
        self._last_s: float | None = None
        self._unknown_s = 0.0
        self._measured: SiteSnapshot | None = None
        self.devices: Mapping[str, Device] = {
            asset: ShadowDevice(device, self._commands, clock) for asset, device in devices.items()
        }

    def snapshot(self, *, at_s: float, utc: datetime) -> SiteSnapshot:
        """Freeze the picture of this instant: measured, with the model one step later."""
        measured = self._measured = self._plausibility.judge(self._builder.snapshot(at_s=at_s, utc=utc))
        dt_s = 0.0 if self._last_s is None else at_s - self._last_s
        self._last_s = at_s
        if self._model is None or self._own is None:
            self._model = self._own = begun(self._site, measured)
        elif dt_s > 0.0:
            self._step(self._model, self._own, measured, dt_s)
        return measured if self._model is None else shown(self._site, measured, self._model, self._commands.orders())

    def courses(self) -> Courses | None:
        """Return where both courses are, None before the first picture."""
        if self._measured is None:
            return None
        return Courses(measured=self._measured, model=self._model, own=self._own, unknown_s=self._unknown_s)

    def _step(self, model: ModelSite, own: ModelSite, measured: SiteSnapshot, dt_s: float) -> None:
        after = alike = None
        if dt_s <= _LONGEST_STEP_PERIODS * self._site.control.period_s:
            after = advanced(self._site, measured, model, self._commands.orders(), dt_s=dt_s)
            alike = followed(self._site, measured, own, dt_s=dt_s)
        if after is None or alike is None:
            self._unknown_s += dt_s
        else:
            self._model, self._own = after, alike

    def document(self, *, utc: datetime) -> dict[str, object] | None:
        """Return both courses for a restart, ready for JSON; None before they begin."""
        if self._model is None or self._own is None:
            return None
        return {
            "utc": utc.isoformat(),
            "unknown_s": self._unknown_s,
            "model": site_document(self._model),
            "own": site_document(self._own),
            "commands": asdict(self._commands),
        }

    def restore(self, document: Mapping[str, Any], *, utc: datetime) -> None:
        """Go on where a document of `document()` stopped; the pause counts as unknown.

        Raises:
            ValueError, TypeError, KeyError: It is not one, or of another site; nothing is changed.
        """
        model, own = site_of(document["model"]), site_of(document["own"])
        expected = {block.id for pool in self._site.batteries for block in pool.blocks}
        sets = {unit for kind in self._site.gensets for unit in kind.unit_ids}
        pv = {block for plant in self._site.pv for block in plant.block_ids}
        for course in (model, own):
            if (set(course.blocks), set(course.sets), set(course.pv_kw)) != (expected, sets, pv):
                raise ValueError("the courses are those of another site")
        pause_s = max(0.0, (utc - datetime.fromisoformat(document["utc"])).total_seconds())
        commands = document["commands"]
        self._unknown_s = float(document["unknown_s"]) + pause_s
        self._model, self._own = model, own
        self._commands.power_kw.update(_numbers(commands["power_kw"]))
        self._commands.limit_kw.update(_numbers(commands["limit_kw"]))
        self._commands.run.update({str(name): bool(value) for name, value in commands["run"].items()})


def silence_all(devices: Iterable[Device]) -> None:
    """Tell every driver that takes commands to write nothing."""
    for device in devices:
        everything: object = device
        silence = getattr(everything, "silence", None)
        if silence is not None:
            silence(WITHHELD)


def _numbers(document: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in document.items()}
