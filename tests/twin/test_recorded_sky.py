"""The recorded sky by the minute: a record of quarter hours becomes ramps, not steps, of the same energy."""

import numpy as np

from drivers.sim.series import minutes_of_year
from drivers.sim.sky import FileFinder, irradiance_year
from tests.twin.settings import files_of, spec_of


def test_plane_of_array_record_ramps_between_its_intervals() -> None:
    weather = spec_of("weak-grid-campus").weather
    find = FileFinder(files_of("weak-grid-campus").search)
    steps = minutes_of_year(find(weather.file), "poa_w_per_m2", shift_min=weather.shift_min)

    ramps = irradiance_year(weather, find)["poa"]

    assert ramps.shape == steps.shape
    np.testing.assert_allclose(ramps.sum(), steps.sum(), rtol=1e-9)
    # one recorded step takes a quarter of an hour
    assert np.abs(np.diff(ramps)).max() <= np.abs(np.diff(steps)).max() / 15.0 + 1e-9
    hours = ramps.reshape(-1, 60).mean(axis=1) - steps.reshape(-1, 60).mean(axis=1)
    assert np.abs(hours).max() < 0.15 * steps.max()
