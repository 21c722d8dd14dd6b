"""What a row of the failure table asks for, what was found, and the verdict."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Twin(StrEnum):
    """On what a scenario runs: the plant in process, daemon and twin over the wire, or parts of the daemon alone."""

    PORT = "port"
    WIRE = "wire"
    PARTS = "parts"


class SkippedRow(Exception):  # noqa: N818 - it is no error: this machine cannot run the row
    """A row that cannot run here, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a scenario measured, None where it did not; `wrong` are requirements not met, `told` is what was seen."""

    detect_s: float | None = None
    state: str | None = None
    unserved_kwh: float | None = None
    told: str
    wrong: tuple[str, ...] = ()
    # unserved energy of each case, where the row has several
    cases: tuple[tuple[str, float | None], ...] = ()


Scenario = Callable[[], Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row F01 to F42 of the failure table.

    `bound_s` is the longest time to detection, None where the table has none. `states` are the published modes that
    are safe for this row; empty where the row is none of modes.
    """

    id: str
    failure: str
    site: str
    twin: Twin
    bound_s: float | None
    required: str
    safe: str
    scenario: Scenario
    states: tuple[str, ...] = ()
    start: str = ""
    slow: bool = False


class Word(StrEnum):
    """The verdicts."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a row, as it is printed and kept."""

    id: str
    word: Word
    failure: str
    site: str
    twin: Twin
    bound_s: float | None
    detect_s: float | None
    state: str | None
    unserved_kwh: float | None
    text: str
    took_s: float
    cases: tuple[tuple[str, float | None], ...] = ()
    # processes that wanted a core of the machine, per core, at the end of the row
    load_frac: float | None = None

    def line(self) -> str:
        """Return the row for people."""
        if self.word is Word.SKIP:
            return f"{self.id} SKIP {self.text}"
        seen = "" if self.detect_s is None else f"detect {self.detect_s:.1f} s"
        bound = "" if self.bound_s is None or self.detect_s is None else f" (<= {self.bound_s:g})"
        mode = "" if self.state is None else f"state {self.state.upper()}"
        unserved = "" if self.unserved_kwh is None else f"unserved {self.unserved_kwh:.3g} kWh"
        figures = ", ".join(part for part in (seen + bound, mode, unserved) if part)
        return f"{self.id} {self.word} {figures}{': ' if figures else ''}{self.text}"

    def document(self) -> dict[str, object]:
        """Return the row as it is kept."""
        return asdict(self)


def judged(fault: Fault, found: Found, *, took_s: float) -> Verdict:
    """Hold what was found against the row."""
    wrong = list(found.wrong)
    if fault.bound_s is not None and found.detect_s is not None and found.detect_s > fault.bound_s:
        wrong.append(f"noticed after {found.detect_s:.1f} s, {fault.bound_s:g} s allowed")
    if fault.states and found.state is not None and found.state not in fault.states:
        wrong.append(f"ends in {found.state}, safe is {' or '.join(fault.states)}")
    if found.unserved_kwh is not None and found.unserved_kwh > 0.0:
        wrong.append(f"{found.unserved_kwh:.3g} kWh unserved")
    return Verdict(
        id=fault.id,
        word=Word.FAIL if wrong else Word.PASS,
        failure=fault.failure,
        site=fault.site,
        twin=fault.twin,
        bound_s=fault.bound_s,
        detect_s=found.detect_s,
        state=found.state,
        unserved_kwh=found.unserved_kwh,
        text="; ".join((*wrong, found.told)) if wrong else found.told,
        took_s=took_s,
        cases=found.cases,
    )


def failed(fault: Fault, why: str, *, took_s: float, word: Word = Word.FAIL) -> Verdict:
    """Return the verdict of a scenario that did not come to its end."""
    return Verdict(
        id=fault.id,
        word=word,
        failure=fault.failure,
        site=fault.site,
        twin=fault.twin,
        bound_s=fault.bound_s,
        detect_s=None,
        state=None,
        unserved_kwh=None,
        text=why,
        took_s=took_s,
    )
