"""A suspect power that does not fit the balance of the site is unknown; one that fits stays."""

from dataclasses import replace

import pytest

from ems.model.snapshot import SiteSnapshot
from ems.runtime.refuted import without_refuted
from tests.control.scene import healthy, small

DESERT = small("desert-offgrid")
SUSPECT = DESERT.batteries[0].blocks[0].id


def with_suspect(picture: SiteSnapshot, *, shift_kw: float) -> SiteSnapshot:
    """Return a picture whose first block is suspect and shows that much more than it delivers."""
    first, *others = picture.blocks
    assert first.power_kw is not None
    shown = replace(first, suspect=True, power_kw=first.power_kw + shift_kw)
    return replace(picture, blocks=(shown, *others))


def refuted(picture: SiteSnapshot) -> SiteSnapshot:
    return without_refuted(DESERT, picture, device_ids={SUSPECT: "the-pcs"})


@pytest.mark.parametrize("shift_kw", [1000.0, -1000.0])
def test_a_suspect_that_the_meters_contradict_is_unknown(shift_kw: float) -> None:
    image = refuted(with_suspect(healthy(DESERT), shift_kw=shift_kw))

    assert (image.blocks[0].power_kw, image.blocks[0].controllable) == (None, False)
    assert [block.power_kw is None for block in image.blocks[1:]] == [False, False]
    assert [(problem.device_id, problem.value) for problem in image.problems] == [("the-pcs", "power_kw")]
    assert f"{shift_kw:+.0f} kW" in image.problems[0].reason


def test_a_suspect_that_fits_the_meters_stays() -> None:
    picture = with_suspect(healthy(DESERT), shift_kw=100.0)

    assert refuted(picture) == picture


def test_a_gap_without_a_suspect_is_nobody_s() -> None:
    picture = with_suspect(healthy(DESERT), shift_kw=1000.0)
    trusted = replace(picture, blocks=tuple(replace(block, suspect=False) for block in picture.blocks))

    assert refuted(trusted) == trusted


@pytest.mark.parametrize("unknown", ["a meter", "a source", "one moment"])
def test_without_a_full_balance_of_one_moment_nothing_is_refuted(unknown: str) -> None:
    picture = with_suspect(healthy(DESERT), shift_kw=1000.0)
    incomplete = {
        "a meter": replace(picture, aux=replace(picture.aux, load_kw=None)),
        "a source": replace(picture, blocks=(*picture.blocks[:2], replace(picture.blocks[2], power_kw=None))),
        "one moment": replace(picture, spread_s=10.0),
    }[unknown]

    assert refuted(incomplete) == incomplete
