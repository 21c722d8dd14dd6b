"""Runs of deferrable work: shares of a class started and paused one after the other, each with its own clock (E16)."""

from collections.abc import Iterator
from typing import NamedTuple

from ems.dispatch.check.findings import TIME_TOLERANCE_H, Violation, above, is_firm, tolerance_kw
from ems.model.plan import OfferStep, Plan
from ems.model.problem import OfferProblem, OfferRuns, PlanningProblem

# of the whole class
_TOLERANCE_FRAC = 1e-4
_TOLERANCE_KWH = 1e-3


class _Part(NamedTuple):
    """A share of the class, and from when on it may pause, or start again."""

    free_h: float
    share_frac: float


def offer_runs(problem: PlanningProblem, offer: OfferProblem, plan: Plan, o: int) -> Iterator[Violation]:
    """Power follows the share that runs, and shares keep their least runs and pauses; nothing after the deadline."""
    runs = offer.runs
    parts = [step.offers[o] for step in plan.steps]
    if runs is None:
        for t, part in enumerate(parts):
            if part.running_frac is not None or part.started_frac:
                yield Violation(step=t, what=f"{offer.id} runs by no rule", value=part.started_frac, limit=0.0)
        return
    shares = [part.running_frac for part in parts]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        yield Violation(step=None, what=f"{offer.id} steps with a running share", value=len(known), limit=len(shares))
        return
    yield from _powers(problem, offer, runs, parts, known)
    yield from _turns(problem, offer, runs, parts, known)


def restarts_kwh(offer: OfferProblem, plan: Plan, o: int) -> float:
    """Return what the starts of a class take on top of the energy that is due."""
    return 0.0 if offer.runs is None else offer.runs.restart_kwh * _starts(offer, plan, o)


def _starts(offer: OfferProblem, plan: Plan, o: int) -> float:
    return sum(step.offers[o].started_frac for step in plan.steps[: offer.deadline_step])


def _powers(
    problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns, parts: list[OfferStep], shares: list[float]
) -> Iterator[Violation]:
    """What is cut is what the share that rests would draw; a whole class may end within its last step."""
    for t, (part, share) in enumerate(zip(parts, shares, strict=True)):
        if not -_TOLERANCE_FRAC <= share <= 1.0 + _TOLERANCE_FRAC:
            yield Violation(step=t, what=f"{offer.id} running share", value=share, limit=min(1.0, max(0.0, share)))
        if runs.whole and is_firm(problem, t) and min(share, 1.0 - share) > _TOLERANCE_FRAC:
            yield Violation(step=t, what=f"{offer.id} running share of a whole", value=share, limit=round(share))
        span_kw = _span_kw(offer, t)
        least_kw = most_kw = span_kw * (1.0 - share)
        if runs.whole:
            most_kw += span_kw * (1.0 - shares[t + 1] if t + 1 < len(shares) else 1.0)
        nearest_kw = min(max(part.cut_kw, least_kw), most_kw)
        if abs(part.cut_kw - nearest_kw) > tolerance_kw(span_kw):
            yield Violation(step=t, what=f"{offer.id} cut_kw beside its runs", value=part.cut_kw, limit=nearest_kw)


def _turns(
    problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns, parts: list[OfferStep], shares: list[float]
) -> Iterator[Violation]:
    """Replay starts and pauses, the longest in its state first."""
    run_h = _least_run_h(problem, offer, runs)
    running = [_Part(_held_until_h(problem, offer, runs, run_h), runs.running_frac)]
    rest_left_h = 0.0 if runs.since_h is None else runs.min_pause_h - runs.since_h
    resting = [_Part(rest_left_h, 1.0 - runs.running_frac)]
    before, started = runs.running_frac, 0.0
    for t in range(min(offer.deadline_step, len(parts))):
        now_h, start_frac = problem.grid.offset_h[t], parts[t].started_frac
        pause_frac = start_frac - (shares[t] - before)
        before, started = shares[t], started + start_frac
        for name, value in (("starting", start_frac), ("pausing", pause_frac)):
            if value < -_TOLERANCE_FRAC:
                yield Violation(step=t, what=f"{offer.id} share {name}", value=value, limit=0.0)
        early = [
            ("minimum pause", _take(resting, start_frac, now_h)),
            ("minimum run", _take(running, pause_frac, now_h)),
        ]
        running.append(_Part(now_h + run_h, start_frac))
        resting.append(_Part(now_h + runs.min_pause_h, pause_frac))
        for name, share in early:
            yield from above(
                t, f"{offer.id} share moved within its {name}", share, 0.0, tolerance=10.0 * _TOLERANCE_FRAC
            )
    if runs.max_pauses is not None:
        allowed = runs.max_pauses + 1.0 - runs.running_frac
        tolerance = _TOLERANCE_FRAC * (1 + len(parts))
        yield from above(None, f"{offer.id} starts", started, allowed, tolerance=tolerance)


def _take(parts: list[_Part], share_frac: float, now_h: float) -> float:
    """Take a share out, the longest in its state first; return how much of it is not free yet, or is not there."""
    wanted = max(0.0, share_frac)
    early = 0.0
    while parts and wanted > 0.0:
        first = parts.pop(0)
        taken = min(first.share_frac, wanted)
        wanted -= taken
        if first.free_h > now_h + TIME_TOLERANCE_H:
            early += taken
        if first.share_frac > taken:
            parts.insert(0, first._replace(share_frac=first.share_frac - taken))
    return early + wanted


def _held_until_h(problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns, run_h: float) -> float:
    """Return until when what runs at the start is held: its least run, as long as the energy due lasts."""
    if runs.since_h is None:
        return 0.0
    left_kwh = _due_above_kwh(problem, offer)
    for t, hours in enumerate(problem.grid.duration_h[: offer.deadline_step]):
        if problem.grid.offset_h[t] >= run_h - runs.since_h - TIME_TOLERANCE_H:
            break
        left_kwh -= hours * runs.running_frac * _span_kw(offer, t)
        if left_kwh < -_TOLERANCE_KWH:
            return problem.grid.offset_h[t]
    return run_h - runs.since_h


def _least_run_h(problem: PlanningProblem, offer: OfferProblem, runs: OfferRuns) -> float:
    """Return the least run: of a whole class no longer than its energy lasts."""
    most_kw = max((_span_kw(offer, t) for t in range(offer.deadline_step)), default=0.0)
    if not runs.whole or most_kw <= 0.0:
        return runs.min_run_h
    return min(runs.min_run_h, (_due_above_kwh(problem, offer) + runs.restart_kwh) / most_kw)


def _due_above_kwh(problem: PlanningProblem, offer: OfferProblem) -> float:
    least_kwh = sum(
        hours * offer.min_kw[t] for t, hours in enumerate(problem.grid.duration_h) if t < offer.deadline_step
    )
    return max(0.0, offer.energy_kwh - least_kwh)


def _span_kw(offer: OfferProblem, t: int) -> float:
    """Return what lies between the least power and what the class asks for; nothing after the deadline."""
    return max(0.0, offer.max_kw[t] - offer.min_kw[t]) if t < offer.deadline_step else 0.0
