import re

import pytest

from tests.conventions.sources import ROOT, tracked_files

MACHINE_PATH = re.compile(rb"(?<![\w./*-])/(?:work|farm|root|home)/[\w.-]")
REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!_-]+( ; [^\\]+)?( \\)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def test_the_lock_holds_versions_and_hashes_and_nothing_of_the_place_where_it_was_made() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()

    strange = [line for line in lines if not (REQUIREMENT.fullmatch(line) or HASH.fullmatch(line))]

    assert lines
    assert strange == []
    assert not any("://" in line or "find-links" in line or "file:" in line for line in lines)


def test_no_file_names_a_path_of_one_machine() -> None:
    files = tracked_files()
    if files is None:
        pytest.skip("this is no git work tree")

    found = [
        f"{file.relative_to(ROOT)}: {match[0].decode()}"
        for file in files
        for match in MACHINE_PATH.finditer(file.read_bytes())
    ]

    assert found == []


@pytest.mark.parametrize(
    ("before", "name", "is_path"),
    [
        (b"cd /", b"work/main", True),
        (b"'/", b"root/x'", True),
        (b"https://example.org/", b"home/x", False),
        (b"/", b"homework/x", False),
    ],
)
def test_a_path_of_one_machine_is_recognised(*, before: bytes, name: bytes, is_path: bool) -> None:
    assert bool(MACHINE_PATH.search(before + name)) is is_path


def test_every_decision_record_is_listed() -> None:
    directory = ROOT / "docs/adr"
    listing = directory / "README.md"

    records = {file.name for file in directory.glob("*.md")} - {listing.name}
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", listing.read_text(encoding="utf-8"))) if listing.is_file() else set()

    assert records == listed
