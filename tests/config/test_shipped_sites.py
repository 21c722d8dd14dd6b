from pathlib import Path

import pytest

from ems.config.build import build_site, build_twin, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import shipped_site, shipped_sites, site_directory
from ems.model.problem import ContingencyKind

SITES = (
    "campus-derated",
    "desert-derated",
    "desert-flexible",
    "desert-offgrid",
    "edge-node",
    "liquid-cooled-hall",
    "weak-grid-campus",
)


def test_the_schema_directory_is_no_site() -> None:
    assert shipped_sites() == SITES


@pytest.mark.parametrize("name", SITES)
def test_a_shipped_site_loads_and_builds(name: str) -> None:
    files = load_files(site_directory(name))

    site = build_site(files)
    wiring = build_wiring(files)

    assert site.id == name
    assert len(wiring.devices) == len({device.id for device in wiring.devices})
    assert {device.link for device in wiring.devices} == {link.id for link in wiring.links}
    assert files.twin is not None
    assert build_twin(files.twin).seed >= 1


def test_numbers_of_the_campus_arrive_in_the_model() -> None:
    site = build_site(load_files(site_directory("weak-grid-campus")))

    (pool,) = site.batteries
    (gensets,) = site.gensets
    assert site.grid is not None
    assert pool.blocks[1].container_ids == ("bess-c03", "bess-c04")
    assert pool.rated_kwh == 10 * 2 * 5000.0
    assert gensets.total_kw == 12 * 2000.0
    assert site.grid.import_limit_kw == 26000.0
    assert site.reserve.survive[0] is ContingencyKind.GRID


def test_numbered_devices_find_their_link_unit_and_asset() -> None:
    wiring = build_wiring(load_files(site_directory("desert-offgrid")))

    sixth = next(device for device in wiring.devices if device.id == "bess-c06-bms")
    link = next(link for link in wiring.links if link.id == sixth.link)

    # four containers behind each link, units from 11: the sixth is the second behind link 2
    assert (sixth.asset, sixth.link, sixth.unit) == ("bess-c06", "bess02", 12)
    assert str(link.endpoint).endswith(":15102")


def test_a_site_argument_is_a_directory_or_a_shipped_name(tmp_path: Path) -> None:
    assert site_directory(tmp_path) == tmp_path
    assert site_directory("edge-node") == shipped_site("edge-node")
    assert site_directory("no-such-site") == Path("no-such-site")


@pytest.mark.parametrize("name", ["../config/edge-node", "schema", "", "x" * 5000, "a\0b"])
def test_only_the_name_of_a_site_finds_a_shipped_site(name: str) -> None:
    assert shipped_site(name) is None


@pytest.mark.parametrize("name", SITES)
def test_every_file_of_a_shipped_site_names_its_schema_for_editors(name: str) -> None:
    for file in sorted(site_directory(name).glob("*.toml")):
        first_line = file.read_text(encoding="utf-8").splitlines()[0]

        schema = first_line.removeprefix("#:schema ")

        assert schema == f"../schema/{file.stem}.schema.json"
        assert (file.parent / schema).is_file()
