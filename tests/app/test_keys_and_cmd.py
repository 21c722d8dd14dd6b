"""`ems keys` and what `ems cmd` writes, without a broker: keys are made, counted, revoked; envelopes are cosigned."""

import json
from pathlib import Path
from typing import Any

import pytest

from ems.cli import execute
from ems.commands.reading import Envelope, read_envelope


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "site.toml").write_text('extends = "edge-node"\n', encoding="utf-8")
    return directory


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of a command, and what it says as JSON."""
    code = execute([*arguments, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def made(capsys: pytest.CaptureFixture[str], site: Path, name: str, role: str) -> Path:
    """Make a key that counts at the site."""
    file = site.parent / f"{name}.key"
    code, _ = said(capsys, "keys", "new", name, "--role", role, "--site", str(site), "--out", str(file))
    assert code == 0
    return file


def test_a_key_is_its_holder_s_alone_and_is_listed_until_it_is_revoked(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made(capsys, site, "kim", "operator")

    assert file.stat().st_mode & 0o777 == 0o600
    _, listed = said(capsys, "keys", "list", "--site", str(site))
    assert [(key["name"], key["role"], key["revoked"]) for key in listed["keys"]] == [("kim", "operator", None)]
    assert "PRIVATE" not in (site / "keys.json").read_text(encoding="utf-8")

    assert said(capsys, "keys", "revoke", "kim", "--site", str(site))[0] == 0
    _, listed = said(capsys, "keys", "list", "--site", str(site))
    assert listed["keys"][0]["revoked"] is not None


def test_a_key_that_was_made_elsewhere_is_added_by_its_public_part(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = site.parent / "lee.key"
    assert said(capsys, "keys", "new", "lee", "--role", "operator", "--out", str(file))[0] == 0

    public = str(file.with_suffix(".pub"))
    code, added = said(capsys, "keys", "add", "lee", "--role", "viewer", "--public", public, "--site", str(site))

    assert (code, added["role"]) == (0, "viewer")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["keys", "new", "kim", "--role", "king"], "no role"),
        (["keys", "new", "kim", "--role", "operator", "--site", "SITE"], "is there already"),
        (["keys", "new", "no/name", "--role", "operator", "--site", "SITE", "--out", "other.key"], "pattern"),
        (["keys", "revoke", "nobody", "--site", "SITE"], "no key is called"),
        (["keys", "add", "lee", "--role", "viewer", "--public", "none.pub", "--site", "SITE"], "cannot be read"),
        (["cmd", "limits", "--site", "SITE", "--key", "none.key", "--import-kw", "1", "--out", "x.json"], "cannot be"),
        (["cmd", "limits", "--site", "SITE", "--key", "KEY", "--out", "x.json"], "at least one limit"),
        (["cmd", "maintenance", "gen01", "--site", "SITE", "--key", "KEY", "--start", "noon"], "no instant"),
        (["cmd", "limits", "--import-kw", "1", "--for", "1y", "--site", "SITE", "--key", "KEY"], "no duration"),
        (["cmd", "limits", "no target!", "--import-kw", "1", "--site", "SITE", "--key", "KEY"], "pattern"),
        (["cmd", "cosign", "none.json", "--site", "SITE", "--key", "KEY"], "cannot be read"),
    ],
)
def test_wrong_usage_is_refused_with_what_is_wrong(
    site: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = made(capsys, site, "kim", "operator")
    monkeypatch.chdir(site.parent)

    code = execute([{"SITE": str(site), "KEY": str(key)}.get(word, word) for word in arguments])

    assert code == 2
    assert words in capsys.readouterr().err


def test_a_file_is_signed_by_one_and_cosigned_by_another_but_not_by_the_same(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kim, ada = made(capsys, site, "kim", "operator"), made(capsys, site, "ada", "engineer")
    one, both = site.parent / "one.json", site.parent / "both.json"
    common = ["--site", str(site)]

    assert said(capsys, "cmd", "black-start", "--key", str(kim), "--out", str(one), *common)[0] == 0
    assert said(capsys, "cmd", "cosign", str(one), "--key", str(kim), "--out", str(both), *common)[0] == 2
    assert said(capsys, "cmd", "cosign", str(one), "--key", str(ada), "--out", str(both), *common)[0] == 0

    envelope = read_envelope(both.read_bytes())
    assert isinstance(envelope, Envelope)
    assert len(envelope.command.sigs) == 2


def test_a_key_that_others_can_read_is_refused(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, site, "kim", "operator")
    key.chmod(0o644)

    assert execute(["cmd", "plan", "--site", str(site), "--key", str(key)]) == 2
    assert "chmod 600" in capsys.readouterr().err
