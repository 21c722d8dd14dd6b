"""The repository's own files, as text and as syntax trees."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module of the product, by path relative to the repository."""
    files = [file for package in ("ems", "drivers") for file in sorted((ROOT / package).rglob("*.py"))]
    return {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def importers(package: str) -> set[str]:
    """Return the modules that import a package or a part of it."""
    return {path for path, tree in modules().items() if any(_is_in(name, package) for name in _imports(tree))}


def calls(path: str) -> Iterator[str]:
    """Yield the dotted name of everything that a module calls."""
    for node in ast.walk(modules()[path]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def tracked_files() -> list[Path] | None:
    """Return the files that git has or would add, None where this is no git work tree."""
    if shutil.which("git") is None:
        return None
    command = ("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    result = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if result.returncode != 0:
        return None
    paths = [ROOT / name for name in result.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
