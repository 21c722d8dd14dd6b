"""Places of the lease must exist, be apart, and leave the lease's times room."""

from pathlib import Path

import pytest

from ems.config.build import build_wiring
from ems.config.loader import load_files
from tests.config.directories import problem_at

LINKS = """
[[link]]
id = "plc-a"
host = "192.0.2.201"
port = 502

[[link]]
id = "plc-b"
host = "192.0.2.202"
port = 502
timeout_s = 2.0
"""


def _lease(campus: Path, *tables: str, control: str = "") -> None:
    file = campus / "devices.toml"
    text = file.read_text(encoding="utf-8") + LINKS + "".join(f"\n[[lease]]\n{table}\n" for table in tables)
    file.write_text(text, encoding="utf-8")
    if control:
        file = campus / "control.toml"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(f"{text}\n[ownership]\n{control}\n", encoding="utf-8")


def test_two_places_are_built(campus: Path) -> None:
    _lease(
        campus,
        'id = "a"\nlink = "plc-a"\nfirst_register = 40',
        'id = "b"\nlink = "plc-b"\nunit = 3\nfirst_register = 7',
        control="term_s = 12.0\nsettle_s = 8.0",
    )

    leases = build_wiring(load_files(campus)).leases

    assert [(lease.id, lease.link, lease.unit, lease.register) for lease in leases] == [
        ("a", "plc-a", 1, 40),
        ("b", "plc-b", 3, 7),
    ]


@pytest.mark.parametrize(
    ("tables", "control", "path", "words", "allowed"),
    [
        (('id = "a"\nlink = "plc"\nfirst_register = 1',), "", "lease[0].link", "no link is called 'plc'", "plc-a"),
        (
            ('id = "a"\nlink = "plc-a"\nfirst_register = 1', 'id = "b"\nlink = "plc-a"\nfirst_register = 9'),
            "",
            "lease[1].unit",
            "they would be lost together",
            "one place per unit",
        ),
        (
            ('id = "a"\nlink = "plc-a"\nfirst_register = 1', 'id = "a"\nlink = "plc-b"\nfirst_register = 9'),
            "settle_s = 7.0\nterm_s = 10.0",
            "lease[1].id",
            "two leases are called 'a'",
            "",
        ),
        (
            ('id = "a"\nlink = "plc-b"\nfirst_register = 1',),
            "",
            "ownership.settle_s",
            "another claim could still be under way",
            "at least 7 s",
        ),
        (
            ('id = "a"\nlink = "plc-a"\nfirst_register = 1',),
            "term_s = 6.0",
            "ownership.term_s",
            "a claim would expire while it settles",
            "settle_s + 2 s",
        ),
    ],
)
def test_a_lease_that_cannot_work_is_refused(
    campus: Path, *, tables: tuple[str, ...], control: str, path: str, words: str, allowed: str
) -> None:
    _lease(campus, *tables, control=control)

    problem = problem_at(campus, path)

    assert words in problem.message
    assert allowed in (problem.allowed or "")


def test_a_place_in_a_device_s_unit_is_refused(campus: Path) -> None:
    devices = build_wiring(load_files(campus)).devices
    taken = devices[0]
    _lease(campus, f'id = "a"\nlink = "{taken.link}"\nunit = {taken.unit}\nfirst_register = 1')

    problem = problem_at(campus, "lease[0].unit")

    assert f"is the device '{taken.id}'" in problem.message
