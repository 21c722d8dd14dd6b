"""Control's memory as a document, and back: times are stored as ages, because clocks start anew.

What the forecasts have learnt comes back from here too; it knows its own document.
"""

from dataclasses import asdict
from datetime import datetime
from typing import TypedDict

import structlog

from ems.control.state import BilledImport, BlackStartTrack, ControlState, GensetTrack, ResyncTrack, ShedTrack
from ems.model.cluster import ShedOrder, ShedReason
from ems.model.setpoints import Cause
from ems.runtime.accounts import Accounts
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.ledger_store import LedgerStore
from ems.runtime.persistence import StateStore


class _ModeMemory(TypedDict, total=False):
    e_stop_latched: bool
    resync: ResyncTrack
    black_start: BlackStartTrack


_TIMES = ("wanted_since_s", "carries_since_s", "rests_since_s", "failed_until_s")


def control_document(state: ControlState, *, now_s: float) -> dict[str, object]:
    """Return what a restart must know: sets and their clocks, the billed peak, energies, the last setpoints."""
    return {
        "gensets": {name: _track_document(track, now_s) for name, track in state.gensets.items()},
        "billed": {
            "interval_start_utc": _text(state.billed.interval_start_utc),
            "interval_kwh": state.billed.interval_kwh,
            "month_start_utc": _text(state.billed.month_start_utc),
            "peak_kw": state.billed.peak_kw,
            "until_utc": _text(state.billed.until_utc),
            "last_kw": state.billed.last_kw,
            "counter_wh": state.billed.counter_wh,
        },
        "stored_kwh": dict(state.stored_kwh),
        "full_utc": {name: instant.isoformat() for name, instant in state.full_utc.items()},
        "shed": _shed_document(state.shed, now_s),
        "grid_lost_ago_s": None if state.grid_lost_since_s is None else now_s - state.grid_lost_since_s,
        "mode": _mode_document(state, now_s),
    }


def restored_control(document: dict[str, object], *, saved_ago_s: float, now_s: float) -> ControlState:
    """Return the memory to begin with; the mode is always INIT, the plant is adopted as measured.

    Raises:
        ValueError, TypeError, KeyError: The document is not one of ours; the caller begins without it.
    """
    gensets = document["gensets"]
    billed = document["billed"]
    stored = document["stored_kwh"]
    if not isinstance(gensets, dict) or not isinstance(billed, dict) or not isinstance(stored, dict):
        raise TypeError("not a control document")
    origin_s = now_s - max(0.0, saved_ago_s)
    lost = document.get("grid_lost_ago_s")
    return ControlState(
        mode_since_s=now_s,
        gensets={str(name): _track(track, origin_s) for name, track in gensets.items()},
        billed=BilledImport(
            interval_start_utc=_instant(billed["interval_start_utc"]),
            interval_kwh=float(billed["interval_kwh"]),
            month_start_utc=_instant(billed["month_start_utc"]),
            peak_kw=float(billed["peak_kw"]),
            # documents of before these entries: the pause is not counted
            until_utc=_instant(billed.get("until_utc")),
            last_kw=None if (last_kw := billed.get("last_kw")) is None else float(last_kw),
            counter_wh=None if (counter_wh := billed.get("counter_wh")) is None else int(counter_wh),
        ),
        stored_kwh={str(name): float(kwh) for name, kwh in stored.items()},
        full_utc=_instants(document.get("full_utc")),
        grid_lost_since_s=origin_s - float(lost) if isinstance(lost, int | float) else None,
        shed=_shed(document.get("shed"), origin_s),
        **_modes(document.get("mode"), origin_s),
    )


def restore_accounts(accounts: Accounts, store: StateStore, ledger: LedgerStore) -> None:
    """Let the accounts go on where the last run stopped: after the newest record that is on the disk.

    The saved state has counters of a later moment than those kept with that record, and is taken where it counts the
    same records. Where it is older (the process ended between record and state) a record would be written twice, where
    it is newer (a record did not get to the disk) one would be lost.
    """
    found, kept = store.load("accounts"), ledger.carried
    saved = None if found is None else found[0]
    agree = kept is None or saved is None or saved.get("seq") == kept.get("seq")
    if not agree and not ledger.lost:
        structlog.get_logger("daemon").warning(
            "accounts_of_the_ledger",
            saved=saved and saved.get("seq"),
            kept=kept and kept.get("seq"),
        )
    document = saved if saved is not None and (agree or ledger.lost) else kept
    if document is None:
        return
    try:
        accounts.restore(document)
    except (ValueError, TypeError, KeyError) as error:
        structlog.get_logger("daemon").warning("accounts_not_restored", error=str(error))


def restore_forecasts(memory: ForecastMemory, store: StateStore, *, now: datetime) -> bool:
    """Let the forecasts go on with what earlier runs have learnt; return whether there was any.

    A document that is not usable leaves a warning and a memory that begins anew.
    """
    found = store.load("forecasts")
    if found is None:
        return False
    try:
        memory.restore(found[0], now=now)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        structlog.get_logger("daemon").warning("forecasts_not_restored", error=str(error))
        return False
    return True


def _mode_document(state: ControlState, now_s: float) -> dict[str, object]:
    """Return the mode with what outlives it; a restart adopts by measurement and only keeps what people must lift."""
    resync = state.resync
    return {
        "name": state.mode.value,
        "reason": state.mode_reason,
        "for_s": now_s - state.mode_since_s,
        "e_stop_latched": state.e_stop_latched,
        "resync_tries_ago_s": [now_s - at_s for at_s in resync.tries_s],
        "n_resync_failed": resync.n_failed,
        "resync_ended_ago_s": None if resync.ended_s is None else now_s - resync.ended_s,
        "black_start_step": state.black_start.step.value,
        "black_start_hold": state.black_start.hold,
    }


def _modes(document: object, origin_s: float) -> _ModeMemory:
    """Return what is kept of the mode; documents of before it have none."""
    if not isinstance(document, dict):
        return {}
    tries = document["resync_tries_ago_s"]
    hold = document["black_start_hold"]
    if not isinstance(tries, list):
        raise TypeError("not a mode's document")
    return {
        "e_stop_latched": bool(document["e_stop_latched"]),
        "resync": ResyncTrack(
            tries_s=tuple(origin_s - float(ago) for ago in tries),
            n_failed=int(document["n_resync_failed"]),
            ended_s=_since(document["resync_ended_ago_s"], origin_s),
        ),
        "black_start": BlackStartTrack(hold=None if hold is None else str(hold)),
    }


def _track_document(track: GensetTrack, now_s: float) -> dict[str, object]:
    document: dict[str, object] = asdict(track)
    for name in _TIMES:
        value = getattr(track, name)
        document[name] = None if value is None else now_s - value
    # a restart hears anew
    del document["unheard_since_s"]
    document["starts_s"] = [now_s - start for start in track.starts_s]
    document["cause"] = None if track.cause is None else track.cause.value
    return document


def _track(document: dict[str, object], origin_s: float) -> GensetTrack:
    times = {name: _since(document[name], origin_s) for name in _TIMES}
    starts = document["starts_s"]
    cause = document["cause"]
    power = document["power_kw"]
    if not isinstance(starts, list) or not isinstance(power, int | float):
        raise TypeError("not a genset's document")
    return GensetTrack(
        wanted=bool(document["wanted"]),
        starts_s=tuple(origin_s - float(start) for start in starts),
        cause=None if cause is None else Cause(str(cause)),
        power_kw=float(power),
        **times,
    )


def _shed_document(track: ShedTrack, now_s: float) -> dict[str, object]:
    order = track.order
    told = None
    if order is not None:
        told = asdict(order) | {
            "reason": order.reason.value,
            "until_utc": order.until_utc.isoformat(),
            "ordered_utc": order.ordered_utc.isoformat(),
        }
    return {
        "order": told,
        "calm_since_s": None if track.calm_since_s is None else now_s - track.calm_since_s,
        "stepped_s": None if track.stepped_s is None else now_s - track.stepped_s,
        "n_orders": track.n_orders,
    }


def _shed(document: object, origin_s: float) -> ShedTrack:
    """Return the shed that the cluster was asked for; documents of before it have none."""
    if not isinstance(document, dict):
        return ShedTrack()
    told, order = document["order"], None
    if isinstance(told, dict):
        target_kw = told["target_kw"]
        order = ShedOrder(
            id=str(told["id"]),
            target_kw=None if target_kw is None else float(target_kw),
            within_s=float(told["within_s"]),
            until_utc=datetime.fromisoformat(told["until_utc"]),
            reason=ShedReason(told["reason"]),
            text=str(told["text"]),
            from_kw=float(told["from_kw"]),
            ordered_utc=datetime.fromisoformat(told["ordered_utc"]),
        )
    return ShedTrack(
        order=order,
        calm_since_s=_since(document["calm_since_s"], origin_s),
        stepped_s=_since(document["stepped_s"], origin_s),
        n_orders=int(document["n_orders"]),
    )


def _since(age: object, origin_s: float) -> float | None:
    return origin_s - float(age) if isinstance(age, int | float) else None


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instants(document: object) -> dict[str, datetime]:
    """Return instants by name; documents of before them have none."""
    if not isinstance(document, dict):
        return {}
    return {str(name): datetime.fromisoformat(text) for name, text in document.items()}


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
