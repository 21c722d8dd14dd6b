"""Which of a device's models serve a class of reading, and which of their points are read how often. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from drivers.device.values import Bad
from drivers.modbus.sunspec.chain import Chain, FoundModel
from ems.model.device import ModelFamily, SunSpecSpec

Points = Mapping[int, Collection[str]]
# families in the order in which they are taken where the configuration leaves the choice
_FAMILIES: Final = (ModelFamily.DER, ModelFamily.OLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a class of reading is made of.

    `measured` has the models of each family of which one is needed, the preferred first, and `beside` those that are
    used with one of its family only. What is `shared` is read beside any; `fast` and `slow` name the points that are
    read of a model, if the device has it.
    """

    measured: Mapping[ModelFamily, tuple[int, ...]]
    beside: Mapping[ModelFamily, frozenset[int]] = field(default_factory=dict)
    shared: frozenset[int] = frozenset()
    fast: Points
    slow: Points

    def with_measured(self, model_id: int) -> frozenset[int]:
        """Return every model that may be read where this one is the measuring one."""
        excluded = {each for ids in self.measured.values() for each in ids}
        for family, ids in self.beside.items():
            if model_id not in self.measured.get(family, ()):
                excluded |= ids
        return frozenset({*self.fast, *self.slow}) - (excluded - self.shared) | {model_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The models of a device that serve a profile, by id; `measured` is the one that the reading stands on."""

    measured: int
    models: Mapping[int, FoundModel]


def choose(chain: Chain, profile: Profile, spec: SunSpecSpec) -> Choice | Bad:
    """Return the models to use, or why the configuration or the device does not allow to tell."""
    found = _measured(chain, profile, spec.family)
    if isinstance(found, Bad):
        return found
    several = chain.all_of(found)
    if spec.instance is None and len(several) > 1:
        return Bad(f"it has {len(several)} models {found}: [device.sunspec] instance must say which one is meant")
    number = spec.instance or 1
    if number > len(several):
        return Bad(f"it has {len(several)} models {found}: instance {number} does not exist")
    models: dict[int, FoundModel] = {}
    for model_id in sorted(profile.with_measured(found) & set(chain.ids)):
        same = chain.all_of(model_id)
        if len(same) not in {1, len(several)}:
            return Bad(f"it has {len(same)} models {model_id} beside {len(several)} models {found}")
        models[model_id] = same[number - 1] if len(same) > 1 else same[0]
    return Choice(measured=found, models=models)


def _measured(chain: Chain, profile: Profile, family: ModelFamily) -> int | Bad:
    families = [each for each in _FAMILIES if each in profile.measured and family in {each, ModelFamily.AUTO}]
    for each in families:
        for model_id in profile.measured[each]:
            if model_id in chain.ids:
                return model_id
    wanted = ", ".join(str(model_id) for each in families for model_id in profile.measured[each])
    has = ", ".join(map(str, chain.ids))
    return Bad(f"it has none of the models {wanted or f'of family {family}'} (it has {has})")
