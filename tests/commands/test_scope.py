"""What a command means on a site, worked out by hand."""

from datetime import timedelta
from typing import Any

import pytest

from ems.commands.reading import Envelope, read_envelope
from ems.commands.refusal import Refusal, RefusalKind
from ems.commands.scope import Scoped, scoped
from ems.contract.quantities import rfc3339_ms
from ems.model.site import Site
from tests.commands.envelopes import CAMPUS, DESERT, HOUR, IN_HANDS, NOW, document, signed

LONGEST = timedelta(hours=24)
LATER = rfc3339_ms(NOW + HOUR)
POOL = CAMPUS.batteries[0]


def scope_of(name: str, site: Site = CAMPUS, **changes: Any) -> Scoped | Refusal:  # any field
    envelope = read_envelope(signed(document(name, **changes)))
    assert isinstance(envelope, Envelope), envelope
    return scoped(envelope.command, site, NOW, longest=LONGEST, in_hands=IN_HANDS)


def granted(name: str, site: Site = CAMPUS, **changes: Any) -> Scoped:  # any field
    found = scope_of(name, site, **changes)
    assert isinstance(found, Scoped), found
    return found


def test_a_limit_beyond_the_connection_is_clipped_to_it() -> None:
    assert CAMPUS.grid is not None
    scope = granted("limits", limits={"import_kw": 999_999, "export_kw": 5})

    assert scope.limits is not None
    assert scope.limits.import_kw == CAMPUS.grid.import_limit_kw
    assert scope.limits.export_kw == min(5, CAMPUS.grid.export_limit_kw)
    assert len(scope.clips) == 1 + (CAMPUS.grid.export_limit_kw < 5)


def test_a_pool_shares_its_limit_among_its_blocks() -> None:
    scope = granted("limits", target=POOL.id, limits={"charge_kw": 300})

    assert scope.bound is not None
    assert scope.bound.charge_kw == 100.0
    assert scope.bound.assets == {block.id for block in POOL.blocks}


def test_a_floor_above_the_window_is_clipped_to_its_top() -> None:
    scope = granted("limits", limits={"soc_floor_pct": 100})

    assert scope.bound is not None
    assert scope.bound.soc_floor_pct == int(POOL.soc_max_pct)
    assert scope.clips


@pytest.mark.parametrize(("target", "n_units"), [("site", 3), (CAMPUS.gensets[0].id, 3), ("gen02", 1)])
def test_a_ban_names_the_sets_of_its_target(target: str, n_units: int) -> None:
    scope = granted("limits", target=target, limits={"genset_ban": True})

    assert scope.bound is not None
    assert scope.bound.bans_starts
    assert len(scope.bound.assets) == n_units


def test_what_is_asked_for_longer_than_allowed_is_cut_short() -> None:
    week = rfc3339_ms(NOW + timedelta(days=7))

    assert granted("limits", until=week).until_utc == NOW + LONGEST
    assert granted("genset_test", target="gen01", until=week).until_utc == NOW + timedelta(hours=2)
    assert granted("maintenance", target="gen01", until=week).until_utc == NOW + timedelta(days=7)
    assert granted("limits", until=week).clips
    assert not granted("maintenance", target="gen01", until=week).clips


def test_a_request_without_an_end_dies_with_its_message() -> None:
    assert granted("e_stop").until_utc == NOW + timedelta(minutes=5)
    assert granted("plan").until_utc is None


def test_work_may_begin_later() -> None:
    scope = granted("maintenance", target="bess02", start=LATER, until=rfc3339_ms(NOW + 2 * HOUR))

    assert scope.bound is not None
    assert scope.bound.out_of_service
    assert not scope.bound.holds_at(NOW)
    assert scope.bound.holds_at(NOW + 1.5 * HOUR)


@pytest.mark.parametrize(
    ("name", "changes", "kind"),
    [
        ("genset_test", {"target": "bess01", "until": LATER}, RefusalKind.TARGET),
        ("genset_test", {"target": "gen01"}, RefusalKind.FORM),
        ("maintenance", {"target": "site", "until": LATER}, RefusalKind.TARGET),
        ("maintenance", {"target": "gen01", "start": LATER, "until": LATER}, RefusalKind.TIME),
        ("limits", {"target": "gen01", "limits": {"genset_ban": True, "charge_kw": 1}}, RefusalKind.TARGET),
        ("limits", {"target": POOL.id, "limits": {"genset_ban": True}}, RefusalKind.TARGET),
        ("mode", {"target": "bess01", "value": "fast", "until": LATER}, RefusalKind.FORM),
        ("mode", {"target": "bess01", "value": "semi"}, RefusalKind.FORM),
        ("mode", {"target": "bess01", "value": "auto", "until": LATER}, RefusalKind.FORM),
        ("mode", {"target": "bess77", "value": "semi", "until": LATER}, RefusalKind.TARGET),
        ("mode", {"target": "bess01", "value": "semi", "until": LATER, "manual": {"power_kw": 1}}, RefusalKind.FORM),
        ("mode", {"target": "bess01", "value": "manual", "until": LATER, "manual": {"run": True}}, RefusalKind.TARGET),
        ("limits", {"manual": {"power_kw": 1}}, RefusalKind.FORM),
        ("plan", {"until": LATER}, RefusalKind.FORM),
        ("plan", {"target": "gen01"}, RefusalKind.TARGET),
        ("withdraw", {}, RefusalKind.FORM),
        ("e_stop", {"limits": {"import_kw": 1}}, RefusalKind.FORM),
    ],
)
def test_what_means_nothing_here_is_refused(name: str, changes: dict[str, Any], kind: RefusalKind) -> None:
    found = scope_of(name, **changes)

    assert isinstance(found, Refusal)
    assert found.kind is kind


@pytest.mark.parametrize("name", ["island", "stay_island"])
def test_a_site_without_a_grid_cannot_leave_it(name: str) -> None:
    assert isinstance(scope_of(name, DESERT), Refusal)


def test_a_site_without_a_grid_has_no_import_to_limit() -> None:
    assert isinstance(scope_of("limits", DESERT), Refusal)
