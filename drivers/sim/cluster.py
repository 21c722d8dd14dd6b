"""The GPU cluster's true power: measured shapes, job steps and swings, seeded and independent of step length."""

import csv
from datetime import datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from drivers.sim.noise import generator
from drivers.sim.series import MINUTES_PER_DAY
from ems.model.load import ItCluster
from ems.model.twin import TwinLoad

Values = npt.NDArray[np.float64]
_DATA = files("drivers.sim") / "data"
# a service is used most in the afternoon
_BUSIEST_HOUR = 15.0
# hours that one job group stays at a level, on average, follow from the rate and the number of groups
_MIN_GROUPS = 8


class GpuCluster:
    """IT power by minute, made day by day from the start of the run."""

    def __init__(self, cluster: ItCluster, load: TwinLoad, *, timezone: str, seed: int) -> None:
        self._cluster = cluster
        self._load = load
        self._zone = ZoneInfo(timezone)
        self._rng = generator(seed, "cluster")
        self._minutes = _stretches()
        self._requests = _requests_by_minute()
        self._servers = _server_levels()
        self._n_groups = max(_MIN_GROUPS, round(1.0 / max(load.job_step_frac, 1e-3)))
        self._levels = self._rng.choice(self._servers, size=self._n_groups)

    def day_kw(self, start: datetime) -> Values:
        """Return IT power for the next day, shape (1440,); days must be asked for in order."""
        share = self._load.inference_frac
        level = (1.0 - share) * self._training() + share * self._inference(start)
        level *= self._measured_minutes()
        power: Values = self._cluster.design_kw * np.clip(self._cluster.mean_frac * level, self._cluster.idle_frac, 1.0)
        return power

    def swing_kw(self) -> float:
        """Return the amplitude of swings below a minute: synchronous training steps."""
        return self._load.swing_frac * self._cluster.design_kw

    def _training(self) -> Values:
        """Return job groups that change their level at random instants, around 1."""
        level = np.empty(MINUTES_PER_DAY)
        changes = self._rng.poisson(self._load.job_rate_per_h / 60.0, MINUTES_PER_DAY)
        for minute, count in enumerate(changes):
            for _ in range(count):
                self._levels[self._rng.integers(self._n_groups)] = self._rng.choice(self._servers)
            level[minute] = self._levels.mean()
        return level

    def _inference(self, start: datetime) -> Values:
        """Return requests: the assumed course of the day and week, with the measured minute noise."""
        local = [(start + timedelta(minutes=minute)).astimezone(self._zone) for minute in range(0, MINUTES_PER_DAY, 60)]
        hours = np.repeat([moment.hour for moment in local], 60) + np.tile(np.arange(60) / 60.0, len(local))
        weekend = np.repeat([moment.weekday() >= 5 for moment in local], 60)
        course = 1.0 + self._load.diurnal_frac * np.cos((hours - _BUSIEST_HOUR) * np.pi / 12.0)
        course *= np.where(weekend, 1.0 - self._load.weekend_frac, 1.0)
        return course * self._spliced(self._requests)

    def _measured_minutes(self) -> Values:
        """Return the minute pattern of the measured cluster, its stretches in random order."""
        pieces: list[Values] = []
        while sum(len(piece) for piece in pieces) < MINUTES_PER_DAY:
            pieces.append(self._minutes[self._rng.integers(len(self._minutes))])
        return np.concatenate(pieces)[:MINUTES_PER_DAY]

    def _spliced(self, record: Values) -> Values:
        pieces: list[Values] = []
        while sum(len(piece) for piece in pieces) < MINUTES_PER_DAY:
            pieces.append(np.roll(record, self._rng.integers(len(record))))
        return np.concatenate(pieces)[:MINUTES_PER_DAY]


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8") as text:
        return list(csv.DictReader(text))


def _stretches() -> list[Values]:
    """Return the uncurtailed stretches of the 256-GPU minute record, each around 1."""
    rows = _rows("cluster_minutes.csv")
    names = dict.fromkeys(row["stretch"] for row in rows)
    return [np.asarray([float(row["power_frac"]) for row in rows if row["stretch"] == name]) for name in names]


def _requests_by_minute() -> Values:
    """Return an hour of request rates by minute, as power: a busy server draws less than in proportion."""
    seconds = np.asarray([float(row["request_frac"]) for row in _rows("inference_requests_1s.csv")])
    whole = len(seconds) // 60 * 60
    rate = seconds[:whole].reshape(-1, 60).mean(axis=1)
    # the dynamic part of an inference server's power is about half of it (idle floor): assumption
    power: Values = 1.0 + 0.5 * (rate - 1.0)
    return power


def _server_levels() -> Values:
    """Return the measured spread of busy servers' power around its mean (the idle fifth is left out)."""
    watts = np.asarray([float(row["server_8xa100_w"]) for row in _rows("server_power_cdf.csv")])
    busy = watts[len(watts) // 5 :]
    levels: Values = busy / busy.mean()
    return levels
