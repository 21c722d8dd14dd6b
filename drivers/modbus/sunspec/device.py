"""What all SunSpec devices do alike: find their models, poll the points of their profile, make readings of them."""

from collections.abc import Callable, Collection, Generator, Mapping
from typing import Final

from drivers.device.assembly import Family, R, Values
from drivers.device.capabilities import implemented_by
from drivers.device.fields import DeviceClass, reading_fields
from drivers.device.sample import Sample
from drivers.device.values import Bad
from drivers.modbus.attached import AttachedDevice
from drivers.modbus.handshake import UsableAnswer
from drivers.modbus.requests import Request
from drivers.modbus.sunspec.chain import FoundModel
from drivers.modbus.sunspec.fields import Fields
from drivers.modbus.sunspec.opening import Armed, Found, Opening, read_points
from drivers.modbus.sunspec.points import plan_points
from drivers.modbus.sunspec.profile import Choice, Profile
from drivers.modbus.sunspec.values import PointValues
from ems.model.capability import Capability
from ems.model.device import DeviceSpec
from ems.ports import DriverEnvironment

# counters of life, which count seconds (model 715 point DERHb, model 802 point Hb), and how long one may stand still
_LIFE: Final[Mapping[int, str]] = {715: "DERHb", 802: "Hb"}
_STALE_AFTER_S: Final = 5.0
# of every model that is polled its id is read along: it tells whether the model is still where it was found
_ID: Final = "ID"
# what moves without anything being measured: the controller's own counters, and timers
_NOT_MEASURED: Final = ("ControllerHb", "CtrlHb", "Rem")

# fills the fields of a reading from the points of the chosen models
View = Callable[[Fields, Choice], None]


class SunSpecDevice(AttachedDevice[R]):
    """A device that is read through its SunSpec models.

    Raises:
        ConfigError: The link does not exist.
    """

    def __init__(
        self, spec: DeviceSpec, environment: DriverEnvironment, family: Family[R], *, profile: Profile, view: View
    ) -> None:
        self._device_class: DeviceClass = family.device_class
        self._profile = profile
        self._view = view
        self._found: Found | None = None
        self._loose: Mapping[str, str] = {}
        # what the newest reading was made of
        self._points = PointValues({}, {}, {})
        self._opening = Opening(spec.sunspec, profile, found=self._lay_out, more=self._more_steps)
        super().__init__(spec, environment, family, script=self._opening.run, interpret=self._fields)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what the device can be relied on for, as far as its models show what that needs."""
        fields = reading_fields(self._device_class).keys()
        return implemented_by(self, shown=fields, has_heartbeat=self._has_heartbeat(), has_fallback=True)

    def _has_heartbeat(self) -> bool:
        return False

    def _lay_out(self, found: Found) -> None:
        """Plan the polls for the models that were found."""
        self._found = found
        longest = self._spec.sunspec.max_registers
        fast = plan_points(_wanted(found.choice, self._profile.fast), max_registers=longest)
        slow = plan_points(_wanted(found.choice, self._profile.slow), max_registers=longest)
        self._loose = {**fast.loose, **slow.loose}
        self._poll(fast=fast.parts, slow=slow.parts)

    def _more_steps(self, found: Found, identity: Mapping[str, str]) -> Generator[Request, UsableAnswer, Armed]:  # noqa: ARG002 - for devices that are commanded
        """Find out whether the device has a life counter; commanded devices do more."""
        self._life_counter = None
        for model_id, name in _LIFE.items():
            model = found.choice.models.get(model_id)
            if model is None or name not in self._profile.fast.get(model_id, ()):
                continue
            points = yield from read_points(plan_points({model: {name}}, max_registers=2))
            if not isinstance(points, Bad) and points.has(f"{model_id}.{name}"):
                self._life_counter = f"{model_id}.{name}", _STALE_AFTER_S
                break
        return Armed()

    def _fields(self, values: Values, bad: Mapping[str, str]) -> tuple[Values, Mapping[str, str]]:
        self._points = PointValues(self._loose, values, bad)
        fields = Fields(self._points)
        if self._found is not None:
            self._view(fields, self._found.choice)
        return fields.values, fields.bad

    def _fast_read(self, sample: Sample) -> None:
        if not self._has_moved(sample):
            super()._fast_read(sample)

    def _slow_read(self, sample: Sample) -> None:
        if not self._has_moved(sample):
            super()._slow_read(sample)

    def _has_moved(self, sample: Sample) -> bool:
        """Return whether a model is not where it was found; then the device is asked for its models anew."""
        for key, value in sample.values.items():
            model_id, _, name = key.partition(".")
            if name == _ID and value != int(model_id) and key not in sample.bad:
                self._failure = f"where its model {model_id} was found stands {value}"
                self._opening.forget()
                self._fast.stop()
                self._slow.stop()
                self._handshake.start(sample.at_s)
                return True
        return False

    def _measured(self, base: Sample) -> Values:
        moving = {key: value for key, value in base.values.items() if not key.endswith(_NOT_MEASURED)}
        found = self._found
        power = None if found is None else base.values.get(f"{found.choice.measured}.W")
        return {**moving, "power_kw": power}


def _wanted(choice: Choice, points: Mapping[int, Collection[str]]) -> dict[FoundModel, Collection[str]]:
    return {choice.models[model_id]: {*names, _ID} for model_id, names in points.items() if model_id in choice.models}
