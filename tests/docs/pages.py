"""The written pages of the project, taken apart: prose, code spans, fenced blocks, tables, sections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# written by a program from the code itself, with tests of their own
_GENERATED = frozenset({"docs/configuration.md"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A fenced block; `info` is what stands behind the opening fence, such as `sh` or `sh run`."""

    page: str
    info: str
    text: str

    def lines(self) -> Iterator[str]:
        """Yield the block's commands: no comments, no blank lines, continued lines joined."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def page_names() -> list[str]:
    """Return every written page, relative to the repository."""
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    files = [*top, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
    names = [file.relative_to(ROOT).as_posix() for file in files]
    return [name for name in names if name not in _GENERATED]


@cache
def text_of(page: str) -> str:
    """Return a page's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def fences(page: str) -> list[Fence]:
    """Return the fenced blocks of a page."""
    return [
        Fence(page=page, info=match["info"].strip(), text=match["text"]) for match in _FENCE.finditer(text_of(page))
    ]


def code_spans(page: str) -> list[str]:
    """Return what stands in single backticks outside fenced blocks."""
    return _SPAN.findall(_FENCE.sub("", text_of(page)))


def link_targets(page: str) -> list[str]:
    """Return the targets of a page's links, outside fenced blocks."""
    return _LINK.findall(_FENCE.sub("", text_of(page)))


def section(page: str, title: str) -> str:
    """Return the text below a heading, up to the next heading of the same or a higher level."""
    match = re.search(rf"^(#+) {re.escape(title)}$", text_of(page), re.MULTILINE)
    if match is None:
        raise KeyError(f"{page} has no section '{title}'")
    rest = text_of(page)[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest if end is None else rest[: end.start()]


def first_column(page: str, title: str) -> list[str]:
    """Return the code spans in the first column of the tables below a heading."""
    rows = [line for line in section(page, title).splitlines() if line.startswith("| `")]
    return [span for row in rows for span in _SPAN.findall(row.split("|")[1])]
