import re

import pytest

from tests.docs.names import classes, exists, functions
from tests.docs.pages import ROOT, code_spans, link_targets, page_names

PATH = re.compile(r"[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*<>-]+)*/?")
DOTTED = re.compile(r"(ems|drivers)(\.\w+)+")
TYPE_NAME = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+(?:\.\w+)?")
FUNCTION = re.compile(r"[a-z_][a-z0-9_]*\(\)")
# what the entry point group and the topics are called looks like a module
GROUPS = frozenset({"ems.drivers"})
# build is there after a campaign, with what that campaign has written
TOP_LEVEL = frozenset(file.name for file in ROOT.iterdir()) - {"build"}
# types of other libraries that the pages speak about
FOREIGN = frozenset({"TaskGroup", "ExitStack", "TimeoutError", "ValueError", "CancelledError"})


def is_path(span: str) -> bool:
    first, slash, _ = span.partition("/")
    return bool(slash) and PATH.fullmatch(span) is not None and first in TOP_LEVEL and "<" not in span


def missing(span: str) -> bool:
    """Return whether a code span names something of this project that does not exist."""
    if is_path(span):
        return not any(ROOT.glob(span.rstrip("/")))
    if DOTTED.fullmatch(span) and span not in GROUPS and not span.endswith((".toml", ".md", ".service", ".db")):
        return not exists(span)
    if TYPE_NAME.fullmatch(span):
        name, _, member = span.partition(".")
        return name not in FOREIGN and (name not in classes() or (bool(member) and member not in classes()[name]))
    if FUNCTION.fullmatch(span):
        return span[:-2] not in functions()
    return False


@pytest.mark.parametrize("page", page_names())
def test_every_path_and_code_name_on_a_page_exists(page: str) -> None:
    assert [span for span in code_spans(page) if missing(span)] == []


@pytest.mark.parametrize("page", page_names())
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    targets = [target.partition("#")[0] for target in link_targets(page) if "://" not in target]

    broken = [target for target in targets if target and not ((ROOT / page).parent / target).exists()]

    assert broken == []


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("ems/control/step.py", False),
        ("ems/control/steps.py", True),
        ("drivers/maps/*.toml", False),
        ("ems.control.step.step", False),
        ("ems.control.step.stride", True),
        ("ems.runtime.daemon.Daemon._tick", False),
        ("ControlCycle.run", False),
        ("ControlCycle.walk", True),
        ("NoSuchThing", True),
        ("formulate()", False),
        ("misformulate()", True),
        ("period_s", False),
        ("KillMode", True),
    ],
)
def test_a_name_that_does_not_exist_is_recognised(*, span: str, expected: bool) -> None:
    assert missing(span) is expected
