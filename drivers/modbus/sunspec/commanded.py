"""What commanded SunSpec devices do beyond being read: arm their reversion, write setpoints, count heartbeats."""

from collections.abc import Generator, Mapping
from typing import Final

from drivers.device.assembly import Family, R
from drivers.device.values import Bad, Value
from drivers.modbus.coding import WRITE_MULTIPLE, Address, Coding, PointType, Table
from drivers.modbus.commanded import RegisterCommanding
from drivers.modbus.handshake import UsableAnswer
from drivers.modbus.layout import Command
from drivers.modbus.recipes import counter_write
from drivers.modbus.requests import ExceptionAnswer, Request
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.control import ModelRecipe, Target
from drivers.modbus.sunspec.definitions import model_definition
from drivers.modbus.sunspec.device import SunSpecDevice, View
from drivers.modbus.sunspec.fields import Fields
from drivers.modbus.sunspec.opening import Armed, Found, read_points
from drivers.modbus.sunspec.points import plan_points
from drivers.modbus.sunspec.profile import Profile
from drivers.modbus.sunspec.states import is_remote
from drivers.modbus.sunspec.values import PointValues
from drivers.modbus.sunspec.writing import fault_of, shows, write_requests
from ems.model.capability import Fallback
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# a timer that starts anew at every write is refreshed at a third of its time
REFRESHES_PER_TIMER: Final = 3.0
# the controller's counters of life
_HEARTBEATS: Final[Mapping[int, str]] = {715: "ControllerHb", 802: "CtrlHb"}
_TYPES: Final = {"uint16": PointType.UINT16, "uint32": PointType.UINT32}
_ARMED: Final = "fallback_armed"
_NO_POINTS: Final = PointValues({}, {}, {})


class CommandedSunSpecDevice(RegisterCommanding[R], SunSpecDevice[R]):
    """A SunSpec device that is commanded through one of `models`, the first that it has.

    Raises:
        ConfigError: The link does not exist, or the watchdog time is missing.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        environment: DriverEnvironment,
        family: Family[R],
        *,
        profile: Profile,
        view: View,
        models: tuple[int, ...],
        recipe: ModelRecipe,
    ) -> None:
        self._control_models = models
        self._recipe = recipe
        self._beats: tuple[Command, ...] = ()
        super().__init__(spec, environment, family, profile=profile, view=view)
        self._take_commands(family.power, (recipe,), refreshes_per_watchdog=REFRESHES_PER_TIMER)

    def find_target(self) -> Target | None:
        """Return the model that is written, None before the device was met."""
        return self._target(self._points)

    def fallback(self) -> Fallback:
        """Return what the device does when we go silent, after how long, and whether that is armed."""
        shown = super().fallback()
        armed = self._watchdog_armed if shown.armed is None else shown.armed
        return Fallback(text=shown.text, after_s=shown.after_s, armed=armed)

    def _fill_armed(self, fields: Fields) -> None:
        """Fill whether the device shows the reversion that it was given."""
        target = self._target(fields.points)
        if target is None or not self._spec.sunspec.revert_timer:
            fields.value(_ARMED, self._watchdog_armed)
            return
        model_id = target.model.id
        given = [part for part in self._recipe.arming(target) if fields.points.has(f"{model_id}.{part.point.name}")]
        fields.value(_ARMED, bool(given) and all(shows(fields.points, model_id, part) for part in given))

    def _target(self, points: PointValues) -> Target | None:
        choice = None if self._found is None else self._found.choice
        for model_id in self._control_models:
            if choice is not None and model_id in choice.models:
                # a timer of 0 s would be none at all
                revert_s = max(1, int(self._watchdog_s))
                return Target(model=choice.models[model_id], revert_s=revert_s, points=points)
        return None

    def _more_steps(self, found: Found, identity: Mapping[str, str]) -> Generator[Request, UsableAnswer, Armed]:
        yield from super()._more_steps(found, identity)
        beats = yield from self._find_heartbeats(found)
        if beats != self._beats:
            self._beats = beats
            self._keep_alive([counter_write(beat) for beat in beats])
        if self._target(_NO_POINTS) is None:
            wanted = " and no ".join(map(str, self._control_models))
            return Armed(fault=f"it has no model {wanted}, so it cannot be commanded")
        if not self._spec.sunspec.revert_timer:
            return Armed(fault=None if beats else "it has no heartbeat that it could fall back by")
        if not self._is_known(identity):
            return Armed()
        return (yield from self._arm(found))

    def _find_heartbeats(self, found: Found) -> Generator[Request, UsableAnswer, tuple[Command, ...]]:
        """Return the controller's counters that the device implements."""
        beats = []
        for model_id, name in _HEARTBEATS.items():
            model = found.choice.models.get(model_id)
            if model is not None and name in self._profile.fast.get(model_id, ()):
                points = yield from read_points(plan_points({model: {name}}, max_registers=2))
                if not isinstance(points, Bad) and points.has(f"{model_id}.{name}"):
                    beats.append(_heartbeat(model, name))
        return tuple(beats)

    def _arm(self, found: Found) -> Generator[Request, UsableAnswer, Armed]:
        """Write what the device does without us where it differs, and read it back; this does not enable anything."""
        points = yield from self._read_control(found)
        target = None if isinstance(points, Bad) else self._target(points)
        if isinstance(points, Bad) or target is None:
            return Armed(fault=f"its fall-back cannot be read: {points.reason if isinstance(points, Bad) else ''}")
        timer = f"{target.model.id}.{self._recipe.timer(target)}"
        if not points.has(timer):
            return Armed(fault=f"it has no revert timer ({timer}: {points.why_not(timer)})")
        wanted = [part for part in self._recipe.arming(target) if points.has(f"{target.model.id}.{part.point.name}")]
        if (fault := next((fault for part in wanted if (fault := fault_of(part)) is not None), None)) is not None:
            return Armed(fault=fault)
        different = [part for part in wanted if not shows(points, target.model.id, part)]
        for write in write_requests(target.model, different, last="", stepwise=True, filler={}):
            answer = yield write
            if isinstance(answer, ExceptionAnswer):
                return Armed(armed=False, fault=f"its fall-back cannot be set: {answer}")
        if different:
            points = yield from self._read_control(found)
        if isinstance(points, Bad):
            return Armed(armed=False, fault=f"its fall-back cannot be read back: {points.reason}")
        left = [part.point.name for part in wanted if not shows(points, target.model.id, part)]
        fault = f"its fall-back does not take: {', '.join(left)}" if left else None
        return Armed(armed=fault is None, fault=fault)

    def _read_control(self, found: Found) -> Generator[Request, UsableAnswer, PointValues | Bad]:
        """Read what the fall-back stands on: the model that is written, and what its percent count from."""
        models = {
            found.choice.models[model_id]: names
            for model_id in (*self._control_models, 702, 121, 120)
            if model_id in found.choice.models
            for names in [{*self._profile.fast.get(model_id, ()), *self._profile.slow.get(model_id, ())}]
        }
        return (yield from read_points(plan_points(models, max_registers=self._spec.sunspec.max_registers)))

    def _published(self, values: Mapping[str, Value | None], at_s: float) -> None:
        shown = {name: getattr(self._reading, name, None) for name in (self._recipe.readback, _ARMED)}
        super()._published({**values, **shown, "remote": is_remote(self._points)}, at_s)

    def _is_loose(self) -> bool:
        # what a device without values does not show may be there once it has some
        return super()._is_loose() or self._watchdog_fault is not None

    def _has_heartbeat(self) -> bool:
        return bool(self._beats)

    def _tells(self, field: str) -> bool:
        return field == _ARMED and hasattr(self._reading, _ARMED) and self._spec.sunspec.revert_timer


def _heartbeat(model: FoundModel, name: str) -> Command:
    definition = model_definition(model.id)
    if definition is None:
        raise ValueError(f"the standard has no model {model.id}")
    point = definition.points[name]
    return Command(
        name=name,
        at=Address(table=Table.HOLDING, register=model.at + point.offset),
        coding=Coding(type=_TYPES[point.type]),
        function=WRITE_MULTIPLE,
    )
