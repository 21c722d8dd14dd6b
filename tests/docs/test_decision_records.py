import re

import pytest

from tests.docs.pages import page_names, text_of

RECORDS = [page for page in page_names() if re.search(r"docs/adr/\d{4}-", page)]
SECTIONS = ["Context", "Decision", "Alternatives", "Consequences"]


@pytest.mark.parametrize("page", RECORDS)
def test_a_decision_record_has_its_number_its_status_and_four_sections(page: str) -> None:
    text = text_of(page)
    number = re.search(r"(\d{4})-", page)

    assert number is not None
    assert text.startswith(f"# {number[1]} ")
    assert re.search(r"^Status: (accepted|superseded by \d{4})", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = [int(match[1]) for page in RECORDS if (match := re.search(r"(\d{4})-", page))]

    assert numbers == list(range(1, len(RECORDS) + 1))
