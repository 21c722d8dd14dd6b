"""Finds the sites that come with the product, installed or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# the wheel carries them beside this module; a checkout has them at its top level
_HOMES = (_PACKAGE / "sites", _PACKAGE.parents[1] / "config")


def shipped_sites() -> tuple[str, ...]:
    """Return the names of all shipped sites."""
    return tuple(sorted({d.name for home in _HOMES if home.is_dir() for d in home.iterdir() if _is_site(d)}))


def shipped_site(name: str) -> Path | None:
    """Return the directory of a shipped site, None if there is none of that name."""
    if name not in shipped_sites():
        return None
    return next(home / name for home in _HOMES if _is_site(home / name))


def site_directory(site: str | Path) -> Path:
    """Return the directory that a SITE argument means: a directory, else the name of a shipped site."""
    path = Path(site)
    directory = shipped_site(str(site))
    return path if directory is None or path.is_dir() else directory


def _is_site(directory: Path) -> bool:
    return (directory / "site.toml").is_file()
