"""PV blocks: the twin's own module and inverter physics (isotropic sky, linear cell warming, inverter losses)."""

import numpy as np
import numpy.typing as npt

from drivers.sim.sky import SkyDay
from ems.model.pv import PvArray, PvMount, PvPlant

Values = npt.NDArray[np.float64]
_ALBEDO = 0.22
# cell above ambient per W/m2, open rack
_WARMING_K_PER_W = 0.029
# inverter losses: constant, proportional and quadratic share of rating
_INVERTER_LOSS = (0.003, 0.006, 0.006)


def available_kw(plant: PvPlant, day: SkyDay) -> Values:
    """Return what each block could deliver, by minute, shape (1440, n_blocks)."""
    poa = _plane_of_array(plant.array, day) if day.poa_w_per_m2 is None else day.poa_w_per_m2
    irradiance = poa[:, None] * day.cloud_frac
    warm_k = day.ambient_degc[:, None] + _WARMING_K_PER_W * irradiance - 25.0
    array = plant.array
    kept = (1.0 - array.system_loss_frac) * (1.0 - array.soiling_loss_frac)
    dc_kw = plant.dc_kwp * irradiance / 1000.0 * (1.0 + array.temp_coeff_frac_per_k * warm_k) * kept
    constant, linear, square = _INVERTER_LOSS
    ac_kw = dc_kw * (1.0 - linear) - plant.ac_kw * (constant + square * (dc_kw / plant.ac_kw) ** 2)
    return np.clip(ac_kw, 0.0, plant.ac_kw)


def _plane_of_array(array: PvArray, day: SkyDay) -> Values:
    """Return irradiance on the modules."""
    normal = _tracker_normal(array, day.sun) if array.mount is PvMount.SINGLE_AXIS else _fixed_normal(array, day.sun)
    incidence = np.maximum((normal * day.sun).sum(axis=1), 0.0)
    seen = normal[:, 2]
    sky = day.dhi_w_per_m2 * (1.0 + seen) / 2.0
    ground = day.ghi_w_per_m2 * _ALBEDO * (1.0 - seen) / 2.0
    lit = day.sun[:, 2] > 0.0
    return np.where(lit, day.dni_w_per_m2 * incidence + sky + ground, 0.0)


def _fixed_normal(array: PvArray, sun: Values) -> Values:
    tilt, azimuth = np.radians(array.tilt_deg), np.radians(array.azimuth_deg)
    normal = (np.sin(tilt) * np.sin(azimuth), np.sin(tilt) * np.cos(azimuth), np.cos(tilt))
    return np.broadcast_to(np.asarray(normal), sun.shape)


def _tracker_normal(array: PvArray, sun: Values) -> Values:
    """Return the normals of a horizontal north-south tracker that turns back rather than shade its neighbour."""
    east, up = sun[:, 0], np.maximum(sun[:, 2], 1e-6)
    rotation = np.arctan2(east, up)
    shading = np.cos(rotation) / array.ground_coverage_frac
    back = np.arccos(np.clip(shading, -1.0, 1.0))
    rotation = np.where(shading < 1.0, rotation - np.sign(rotation) * back, rotation)
    limit = np.radians(array.max_rotation_deg)
    rotation = np.clip(rotation, -limit, limit)
    return np.stack([np.sin(rotation), np.zeros_like(rotation), np.cos(rotation)], axis=1)
