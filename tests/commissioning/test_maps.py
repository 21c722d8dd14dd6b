"""`ems devices maps`: every problem of a map file with its place."""

import json
import shutil
from pathlib import Path

import pytest

from drivers.modbus.mapfile import SHIPPED, load_map, map_names
from drivers.mqtt.topicmapfile import topic_map_names
from ems.cli import execute
from ems.config.shipped import site_directory
from tests.commissioning.test_scan import NAMED_MAP
from tests.drivers.mqtt_maps import SITE_MAP

SOUND = NAMED_MAP.format(expect="AB-12")


def lint(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, list[dict[str, object]], str]:
    code = execute(["devices", "maps", "lint", str(path), "--json"])
    output, errors = capsys.readouterr()
    return code, json.loads(output).get("errors", []), errors


def test_the_shipped_maps_are_sound(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["devices", "maps", "lint"])

    assert (code, capsys.readouterr().out) == (0, f"{len(list(SHIPPED.rglob('*.toml')))} maps, nothing wrong\n")


def test_every_problem_of_every_map_is_named_with_file_line_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme-pcs.toml").write_text(SOUND.replace('"int32"', '"int33"'), encoding="utf-8")
    (tmp_path / "other.toml").write_text(SOUND + "[points.load_kw]\nat = 'holding:900'\ntype = 'int16'\n")

    code, problems, errors = lint(capsys, tmp_path)

    places = {(Path(str(each["file"])).name, each["line"], each["key"]) for each in problems}
    assert code == 2
    assert ("acme-pcs.toml", 19, "points.power_kw.type") in places
    # the file's name, and a point that a PCS does not have in a place where no block is
    assert {place for place in places if place[0] == "other.toml"} >= {
        ("other.toml", 3, "device.id"),
        ("other.toml", 22, "points.load_kw.at"),
    }
    assert "acme-pcs.toml:19: points.power_kw.type" in errors


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.toml").write_text("[device]\nid = \n", encoding="utf-8")

    code, problems, _ = lint(capsys, tmp_path / "broken.toml")

    assert code == 2
    assert problems[0]["line"] == 2


def test_a_path_without_maps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(capsys, tmp_path)[0] == 2
    assert lint(capsys, tmp_path / "nothing")[0] == 2


def test_the_maps_of_a_site_are_listed_beside_the_shipped_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme-pcs.toml").write_text(SOUND, encoding="utf-8")
    (tmp_path / "broken.toml").write_text(SOUND.replace("source", "sauce"), encoding="utf-8")

    code = execute(["devices", "maps", "list", "--maps", str(tmp_path), "--json"])

    rows = {row["map"]: row for row in json.loads(capsys.readouterr().out)["maps"]}
    assert code == 0
    assert set(rows) == {*map_names(()), *topic_map_names(()), "acme-pcs", "broken"}
    assert rows["acme-pcs"]["class"] == "pcs"
    assert "sauce" in rows["broken"]["error"]


def test_a_map_is_shown_with_what_it_reads_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["devices", "maps", "show", "generic-pcs", "--json"])

    shown = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {"point": "power_kw", "at": "input:104", "type": "int32"}.items() <= next(
        row for row in shown["points"] if row["point"] == "power_kw"
    ).items()
    assert shown["commands"][0]["at"] == "holding:500"
    assert shown["commands"][0]["limits"] == [-20000, 20000]


def test_topic_maps_are_shown_and_linted_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mqtt").mkdir()
    wrong = SITE_MAP.replace("{device}/set", "{unit}/set")
    for file in (tmp_path / "site-pcs.toml", tmp_path / "mqtt" / "site-pcs.toml"):
        file.write_text(wrong, encoding="utf-8")

    code, problems, _ = lint(capsys, tmp_path)
    shown = execute(["devices", "maps", "show", "mqtt-json-battery"])

    assert code == 2
    assert [each["key"] for each in problems] == ["commands.power_kw.topic"] * 2
    assert {each["line"] for each in problems} == {wrong.splitlines().index('topic = "{unit}/set"') + 1}
    assert shown == 0
    assert "power_kw: {device}/state power_w" in capsys.readouterr().out


def test_a_map_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["devices", "maps", "show", "generic-psc"]) == 2
    assert "did you mean 'generic-pcs'" in capsys.readouterr().err


COMMANDED_MAP = """
[[blocks]]
at = "holding:102"
count = 2
speed = "fast"
[points.setpoint_kw]
at = "holding:102"
type = "int32"
[commands.power_kw]
at = "holding:102"
type = "int32"
limits = [-100, 100]
volatile = true
readback = "setpoint_kw"
[fallback]
text = "it ramps to zero"
"""
IDENTITY = '[identity.model]\nat = "holding:0"\nlength = 4\nexpect = "AB-12"\n'


def test_a_commanded_device_must_name_itself_or_the_map_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acme-pcs.toml"
    commanded = SOUND + COMMANDED_MAP
    reason = 'class = "pcs"\nunidentified = "The register list has no such text."'
    codes = []
    for text in (
        commanded,
        nameless := commanded.replace(IDENTITY, ""),
        nameless.replace('class = "pcs"', reason),
        commanded.replace('class = "pcs"', reason),
    ):
        file.write_text(text, encoding="utf-8")
        code, problems, _ = lint(capsys, file)
        codes.append((code, [each["key"] for each in problems]))

    assert codes == [(0, []), (2, ["identity"]), (0, []), (2, ["device.unidentified"])]


def test_a_shipped_map_has_an_identity_or_says_why_not() -> None:
    for name in map_names(()):
        register_map = load_map(name, ())
        assert bool(register_map.identity) is (register_map.unidentified is None), name


def test_odd_lines_are_shown_and_do_not_fail_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "max_step_per_s = 5000\n"
    (tmp_path / "acme-pcs.toml").write_text(SOUND + odd, encoding="utf-8")

    code = execute(["devices", "maps", "lint", str(tmp_path), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert execute(["devices", "maps", "lint", str(tmp_path)]) == 0
    text = capsys.readouterr().out

    assert (code, document["maps"]) == (0, 1)
    (warning,) = document["warnings"]
    assert (warning["key"], warning["line"]) == ("points.power_kw.max_step_per_s", 21)
    assert "1 maps, nothing wrong\nlook again: " in text
    assert "acme-pcs.toml:21: points.power_kw.max_step_per_s: it refuses nothing" in text


def test_all_maps_of_a_site_are_checked_also_those_beside_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    shutil.copytree(site_directory("edge-node"), site)
    n_shipped = json.loads(linted(capsys, site))["maps"]
    (site / "maps").mkdir()
    (site / "maps" / "acme-pcs.toml").write_text(SOUND, encoding="utf-8")
    n_own = json.loads(linted(capsys, site))["maps"]
    (site / "maps" / "acme-pcs.toml").write_text(SOUND.replace("int32", "int33"), encoding="utf-8")

    code, problems, _ = lint(capsys, site)

    assert n_shipped > 3
    assert n_own == n_shipped + 1
    assert (code, [each["key"] for each in problems]) == (2, ["points.power_kw.type"])


def linted(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    assert execute(["devices", "maps", "lint", str(path), "--json"]) == 0
    return capsys.readouterr().out


def test_what_is_allowed_is_told_as_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (SHIPPED / "generic-pcs.toml").read_text(encoding="utf-8")
    for old, new in (('word_order = "little"', 'word_order = "lttle"'), ("max_registers = 100", "max_registers = 200")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "generic-pcs.toml").write_text(text, encoding="utf-8")

    _, problems, _ = lint(capsys, tmp_path)

    assert {each["key"]: str(each["allowed"]).split(". ")[0] for each in problems} == {
        "endpoint.word_order": "big, little",
        "endpoint.max_registers": "a whole number from 4 to 125",
    }


def test_texts_of_an_identity_in_the_same_registers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = SOUND.replace("[[blocks]]", "[identity.serial]\nat = 'holding:2'\nlength = 4\n[[blocks]]", 1)
    (tmp_path / "acme-pcs.toml").write_text(twice, encoding="utf-8")

    code, problems, _ = lint(capsys, tmp_path)

    assert code == 2
    assert [(each["key"], each["message"]) for each in problems] == [
        ("identity.serial.at", "shares registers with identity.model")
    ]
