"""How many of several starts fail at most."""

from math import comb


def start_failures(n_sets: int, *, failure_frac: float, quantile_frac: float) -> int:
    """Return how many of `n_sets` starts fail at most, with a probability of `quantile_frac`, each on its own."""
    certain = 0.0
    for n_failed in range(n_sets):
        certain += comb(n_sets, n_failed) * failure_frac**n_failed * (1.0 - failure_frac) ** (n_sets - n_failed)
        if certain >= quantile_frac:
            return n_failed
    return n_sets
