"""Durations on the command line: simulated time, a number with s, m, h or d."""

import re

from ems.errors import ConfigError, ConfigProblem

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def parse_duration_s(text: str, *, option: str) -> float:
    """Return a duration in seconds.

    Raises:
        ConfigError: The text is no duration, or it is zero.
    """
    match = _FORM.fullmatch(text.strip())
    duration_s = 0.0 if match is None else float(match[1]) * _UNITS_S[match[2]]
    if duration_s <= 0.0:
        raise ConfigError(
            ConfigProblem(
                file=option, message=f"'{text}' is no duration", allowed="a number with s, m, h or d: 90m, 24h"
            )
        )
    return duration_s
