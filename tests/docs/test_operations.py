import re

import pytest

from ems import cli, cli_output
from ems.control.guard import Rule
from ems.control.state import Mode
from ems.model.setpoints import Outcome
from tests.docs.names import log_events, string_texts
from tests.docs.pages import first_column, section

OPERATIONS = "docs/operations.md"
ARCHITECTURE = "docs/architecture.md"


def test_the_list_of_log_events_is_the_code_s() -> None:
    listed = first_column(OPERATIONS, "Log events")

    assert sorted(listed) == sorted(log_events())


def test_every_mode_is_explained() -> None:
    assert first_column(OPERATIONS, "Modes") == [mode.name for mode in Mode]


def test_every_outcome_of_a_write_is_explained() -> None:
    assert first_column(OPERATIONS, "What became of a setpoint") == [outcome.value for outcome in Outcome]


def test_the_exit_codes_are_the_command_line_s() -> None:
    codes = {"0", str(cli_output.EXIT_NO), str(cli_output.EXIT_REFUSED), str(cli_output.EXIT_UNEXPECTED)}

    assert set(first_column(OPERATIONS, "Exit codes")) - {"130"} == codes


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "edge-node"], 0),
        (["check", "no-such-site"], cli_output.EXIT_REFUSED),
        (["check"], cli_output.EXIT_REFUSED),
        (["no-such-command"], cli_output.EXIT_REFUSED),
        (["simulate", "edge-node"], cli_output.EXIT_REFUSED),
        (["simulate", "edge-node", "--days", "x", "--out", "y"], cli_output.EXIT_REFUSED),
        (["plan", "no-such-file.json"], cli_output.EXIT_REFUSED),
    ],
)
def test_a_command_ends_with_the_code_that_the_page_states(*, arguments: list[str], code: int) -> None:
    assert cli.execute(arguments) == code


def test_every_message_that_an_operator_is_told_about_is_in_the_code() -> None:
    messages = first_column(OPERATIONS, "Trouble messages")
    texts = string_texts()

    unknown = [
        message
        for message in messages
        if not all(part.strip() in texts for part in re.split("…", message) if part.strip())
    ]

    assert len(messages) > 10
    assert unknown == []


def test_every_rule_of_the_guard_is_listed() -> None:
    listed = first_column(ARCHITECTURE, "The guard")

    assert listed == [f"G{number}" for number in range(21)]
    assert {rule.value for rule in Rule} <= set(listed)


def test_the_messages_section_is_no_list_of_single_words() -> None:
    assert all(len(message.split()) > 1 for message in first_column(OPERATIONS, "Trouble messages"))
    assert "log" in section(OPERATIONS, "Trouble messages")
