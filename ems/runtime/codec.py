"""Problems, plans and worker messages as JSON, as this program writes them; pydantic reads the plain dataclasses."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ems.model.forecast import EvenSeries, WeatherForecast
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.pv import PvPlant
from ems.model.site import Place

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """Ask the worker for the plan of a problem; `relaxed`: of its linear relaxation, rounded and repaired."""

    problem: PlanningProblem
    relaxed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PvRequest:
    """Ask the worker to turn a weather forecast into available PV power."""

    plants: tuple[PvPlant, ...]
    place: Place
    weather: WeatherForecast


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """One line to the worker; exactly one part is given."""

    number: int
    solve: SolveRequest | None = None
    pv: PvRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAnswer:
    """One line from the worker; `error` says what went wrong there."""

    number: int
    plan: Plan | None = None
    pv: tuple[EvenSeries, ...] | None = None
    error: str | None = None


# building an adapter walks the whole type, so each is built once
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type[_T]) -> TypeAdapter[_T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(value: object, *, indent: int | None = None) -> bytes:
    """Return any of the values above as JSON; NaN and infinity do not occur in valid ones."""
    return _adapter(type(value)).dump_json(value, indent=indent)


def from_json(kind: type[_T], text: bytes, *, strict: bool = False) -> _T:
    """Read a value; `strict` refuses texts in the place of numbers and the like.

    Raises:
        ValidationError: The text is no JSON or not of this kind (pydantic's own error).
    """
    return _adapter(kind).validate_json(text, strict=strict)
