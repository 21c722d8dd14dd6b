import os
from pathlib import Path

import pytest

from ems.config.loader import load_files
from tests.config.directories import problems_of


def test_a_directory_that_does_not_exist_is_refused_with_the_shipped_sites(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "nowhere")

    assert problem.file == str(tmp_path / "nowhere")
    assert problem.message == "this configuration directory does not exist"
    assert "weak-grid-campus" in (problem.allowed or "")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "site.toml").touch()

    (problem,) = problems_of(tmp_path / "site.toml")

    assert problem.message == "cannot be read as a directory: Not a directory"


def test_a_name_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / ("x" * 5000))

    assert problem.message == "cannot be read as a directory: File name too long"


def test_an_empty_directory_lacks_every_required_file(tmp_path: Path) -> None:
    problems = problems_of(tmp_path)

    assert [problem.file for problem in problems] == [
        str(tmp_path / name)
        for name in (
            "site.toml",
            "assets.toml",
            "limits.toml",
            "tariffs.toml",
            "devices.toml",
            "forecasts.toml",
            "mqtt.toml",
        )
    ]
    assert {problem.message for problem in problems} == {"this file is missing"}


def test_files_with_defaults_may_be_left_out(campus: Path) -> None:
    for name in ("control.toml", "persistence.toml", "twin.toml"):
        (campus / name).unlink()

    files = load_files(campus)

    assert files.twin is None
    assert files.control.planning.horizon_h == 48.0
    assert files.persistence.ledger.interval_min == 15


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("limit.toml", "limits.toml"), ("Control.toml", "control.toml"), ("mqtt.TOML", "mqtt.toml"), ("zzz.toml", None)],
)
def test_a_misspelt_file_name_is_refused(campus: Path, *, name: str, nearest: str | None) -> None:
    (campus / name).touch()

    (problem,) = problems_of(campus)

    assert problem.file == str(campus / name)
    assert problem.message == "a file of this name is not part of a configuration"
    assert problem.nearest == nearest


@pytest.mark.parametrize("name", [".#limits.toml", "limits.toml~", "notes.txt", ".hidden.toml"])
def test_files_of_editors_and_notes_are_left_alone(campus: Path, name: str) -> None:
    (campus / name).write_text("=", encoding="utf-8")

    assert load_files(campus).site.site.id == "weak-grid-campus"


def test_what_is_no_toml_is_refused_with_its_line(campus: Path) -> None:
    (campus / "site.toml").write_text('[site]\nid = "a"\nname = \n', encoding="utf-8")
    (campus / "mqtt.toml").write_text("[mqtt\n", encoding="utf-8")

    mqtt, site = problems_of(campus)

    assert (mqtt.file, mqtt.line) == (str(campus / "mqtt.toml"), 1)
    assert (site.file, site.line) == (str(campus / "site.toml"), 3)
    assert site.message.startswith("not valid TOML: Invalid value")


def test_a_key_given_twice_is_refused_with_its_line(campus: Path) -> None:
    (campus / "site.toml").write_text('[site]\nid = "a"\nid = "b"\n', encoding="utf-8")

    (problem,) = problems_of(campus)

    assert problem.line == 3
    assert "overwrite" in problem.message


def test_text_in_another_encoding_is_refused(campus: Path) -> None:
    (campus / "site.toml").write_bytes('name = "Köln"'.encode("latin-1"))

    (problem,) = problems_of(campus)

    assert problem.message == "not UTF-8 text (byte 9); save it as UTF-8"


def test_a_byte_order_mark_of_a_windows_editor_does_no_harm(campus: Path) -> None:
    content = (campus / "site.toml").read_bytes()
    (campus / "site.toml").write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))

    assert load_files(campus).site.site.id == "weak-grid-campus"


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100 + "]" * 100,
        "a = " + "[" * 2000 + "]" * 2000,
        ".".join("a" * 2000) + " = 1",
        "[" + ".".join("a" * 30) + "]",
    ],
)
def test_deep_nesting_is_refused(campus: Path, text: str) -> None:
    (campus / "mqtt.toml").write_text(text, encoding="utf-8")

    (problem,) = problems_of(campus)

    assert problem.message == "tables and lists are nested more than 20 levels deep"


def test_a_key_of_endless_parts_is_refused_before_it_is_parsed(campus: Path) -> None:
    (campus / "mqtt.toml").write_text(".".join("a" * 400_000) + " = 1", encoding="utf-8")

    (problem,) = problems_of(campus)

    assert problem.message == "has a line of more than 5000 characters"


def test_an_integer_of_thousands_of_digits_is_refused(campus: Path) -> None:
    (campus / "mqtt.toml").write_text(f"a = {'9' * 4900}", encoding="utf-8")

    (problem,) = problems_of(campus)

    assert problem.message.startswith("not valid TOML: Exceeds the limit")


def test_a_huge_file_is_refused_before_it_is_read(campus: Path) -> None:
    (campus / "mqtt.toml").write_text("# padding\n" * 100_001, encoding="utf-8")

    (problem,) = problems_of(campus)

    assert problem.message == "larger than 1000000 bytes"


def test_what_is_no_regular_file_is_refused(campus: Path) -> None:
    (campus / "mqtt.toml").unlink()
    (campus / "site.toml").unlink()
    (campus / "site.toml").mkdir()
    os.mkfifo(campus / "mqtt.toml")

    assert [problem.message for problem in problems_of(campus)] == ["not a file that can be read"] * 2
