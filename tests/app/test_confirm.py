import json
import shutil
from pathlib import Path

import pytest

from ems.cli import execute
from ems.config.shipped import site_directory
from ems.runtime.identities import CONFIRMATIONS_FILE, IdentityBook, load_confirmations
from ems.runtime.persistence import StateStore
from tests.runtime.test_identities import NEW, NOW, OLD, NamedDevice

DEVICE = "bess01-pcs"


class SitePcs(NamedDevice):
    @property
    def device_id(self) -> str:
        return DEVICE


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a site whose daemon has met a device and then another one in its place."""
    directory = tmp_path / "edge-node"
    shutil.copytree(site_directory("edge-node"), directory)
    shutil.copytree(site_directory("edge-node").parent / "schema", tmp_path / "schema")
    state = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    store = StateStore(state / "state.db")
    book = IdentityBook(store, state)
    device = SitePcs(asset_id="bess01")
    for texts in (OLD, NEW):
        device.texts = texts
        book.look([device], utc=NOW)
    store.close()
    return directory


def test_an_exchanged_device_is_confirmed(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["devices", "confirm", str(site), DEVICE, "--yes", "--json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out) == {
        "device": DEVICE,
        "confirmed": True,
        "changes": {"serial": {"known": "S-1", "seen": "S-2"}},
    }
    assert load_confirmations(tmp_path / "state" / CONFIRMATIONS_FILE) == {DEVICE: NEW}


def test_the_next_run_of_the_daemon_takes_the_confirmed_device(site: Path, tmp_path: Path) -> None:
    execute(["devices", "confirm", str(site), DEVICE, "--yes"])

    store = StateStore(tmp_path / "state" / "state.db")
    known = IdentityBook(store, tmp_path / "state").known(DEVICE)
    store.close()

    assert known == NEW


@pytest.mark.parametrize("device", ["gen01-ctl", DEVICE])
def test_there_is_nothing_to_confirm_of_a_device_that_is_the_same_or_never_answered(site: Path, device: str) -> None:
    execute(["devices", "confirm", str(site), DEVICE, "--yes"])

    assert execute(["devices", "confirm", str(site), device, "--yes"]) == 1


def test_an_operator_who_does_not_agree_confirms_nothing(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)

    code = execute(["devices", "confirm", str(site), DEVICE])

    assert code == 1
    assert "serial 'S-1' is now 'S-2'" in capsys.readouterr().err
    assert not (tmp_path / "state" / CONFIRMATIONS_FILE).exists()


def test_an_unknown_device_is_refused_with_the_names_that_there_are(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = execute(["devices", "confirm", str(site), "bess99-pcs", "--yes"])

    assert code == 2
    assert "no device is called 'bess99-pcs'" in capsys.readouterr().err


def test_without_a_daemon_there_is_nothing_to_confirm(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "elsewhere"))

    code = execute(["devices", "confirm", str(site), DEVICE, "--yes"])

    assert code != 0
    assert "no daemon has run" in capsys.readouterr().err
