import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from tests.docs.pages import ROOT, page_names, text_of

ROW = re.compile(r"^\| `([a-z0-9._-]+)` \| ([^|]+) \|", re.MULTILINE)
FAMILIES = ("MIT", "BSD", "Apache", "MPL", "EPL", "PSF")


def licences() -> dict[str, str]:
    """Return what the decision records say, by library."""
    records = [page for page in page_names() if re.search(r"docs/adr/\d+-dependencies", page)]
    return {name: licence.strip() for page in records for name, licence in ROW.findall(text_of(page))}


def required() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["demo"], *extras["dev"], *extras["bench"]]
    return {re.split(r"[^a-z0-9._-]", line)[0] for line in lines}


def stated_by(name: str) -> set[str]:
    """Return the families of licences that an installed distribution states."""
    found = metadata(name)
    # some put the whole text of the licence into the old field: its first line is enough
    texts = [line.splitlines()[0] for key in ("License-Expression", "License") for line in found.get_all(key) or []]
    texts += [line for line in found.get_all("Classifier") or [] if line.startswith("License")]
    text = " ".join(texts)
    names = {family for family in FAMILIES if re.search(rf"\b{family}\b", text)}
    spelt_out = {"MPL": "Mozilla Public License", "PSF": "Python Software Foundation License"}
    return names | {family for family, words in spelt_out.items() if words in text}


def test_every_dependency_has_a_decision_record() -> None:
    assert required() - set(licences()) == set()


def test_no_record_names_a_dependency_that_is_gone() -> None:
    # paho-mqtt is listed as what aiomqtt stands on, and as a tool of the tests
    assert set(licences()) - required() == set()


@pytest.mark.parametrize("name", sorted(licences()))
def test_a_record_states_the_licence_that_the_installed_library_states(name: str) -> None:
    try:
        families = stated_by(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")

    written = {family for family in FAMILIES if family in licences()[name]}

    assert written
    assert written <= families
