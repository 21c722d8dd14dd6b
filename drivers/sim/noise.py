"""Seeded random processes of the twin, generated per day so that a run does not depend on its step length."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def generator(seed: int, *parts: int | str) -> np.random.Generator:
    """Return a generator that depends on the seed and on what it is for, and on nothing else."""
    words = [seed]
    for part in parts:
        words += [part] if isinstance(part, int) else list(part.encode())
    return np.random.default_rng(words)


def red_noise(rng: np.random.Generator, n_steps: int, n_columns: int, *, correlation_steps: float) -> Values:
    """Return standard normal noise with exponential correlation in time, shape (n_steps, n_columns)."""
    kept = np.exp(-1.0 / correlation_steps)
    fresh = np.sqrt(1.0 - kept**2)
    shocks = rng.standard_normal((n_steps, n_columns))
    noise = np.empty_like(shocks)
    state = shocks[0]
    for step in range(n_steps):
        state = kept * state + fresh * shocks[step] if step else shocks[0]
        noise[step] = state
    return noise
