"""Where the sun stands: the twin's own almanac (Spencer's series), good to a fraction of a degree."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
SOLAR_CONSTANT_W_PER_M2 = 1361.0


def sun_vectors(start: datetime, n_minutes: int, *, latitude_deg: float, longitude_deg: float) -> Values:
    """Return unit vectors (east, north, up) to the sun at the middle of each minute, shape (n_minutes, 3)."""
    begin = start.astimezone(UTC)
    minute_of_day = begin.hour * 60 + begin.minute + np.arange(n_minutes) + 0.5
    day = begin.timetuple().tm_yday + minute_of_day / 1440.0
    angle = 2.0 * np.pi * (day - 1.0) / 365.0
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2.0 * angle)
        + 0.000907 * np.sin(2.0 * angle)
    )
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * np.cos(angle)
        - 0.032077 * np.sin(angle)
        - 0.014615 * np.cos(2.0 * angle)
        - 0.040849 * np.sin(2.0 * angle)
    )
    hour_angle = np.radians((minute_of_day + equation_min + 4.0 * longitude_deg) / 4.0 - 180.0)
    latitude = np.radians(latitude_deg)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(latitude) * np.sin(declination) - np.sin(latitude) * np.cos(declination) * np.cos(hour_angle)
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    return np.stack([east, north, up], axis=1)


def clear_sky_ghi_w_per_m2(up: Values) -> Values:
    """Return cloudless global horizontal irradiance (Haurwitz) for the sine of the sun's elevation."""
    raised = np.maximum(up, 1e-3)
    clear: Values = np.where(up > 0.0, 1098.0 * raised * np.exp(-0.057 / raised), 0.0)
    return clear
