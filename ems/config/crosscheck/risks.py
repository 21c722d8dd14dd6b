"""Values that are valid and dangerous: each takes away a margin that the site's safety rests on.

A daemon starts with them only where a person accepts the risk (`ems run --accept-risk`), which is kept on record. The
bounds are assumptions about what no ordinary site needs, beside those whose source is named.
"""

from collections.abc import Iterator
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.naming import asset_kinds, expand_devices
from ems.config.notation import KeyPath

# no supplier of LFP or NMC cells allows power above this cell temperature
_HOTTEST_DEGC: Final = 60.0
# of LFP cells, whose voltage says little between 20 and 80 %
_LEAST_SOC_ERROR_PCT: Final = 1.0
# seconds after which a value or a setpoint says nothing of the present
_OLDEST_FAST_S: Final = 10.0
_OLDEST_SLOW_S: Final = 60.0
_LONGEST_SETPOINT_S: Final = 60.0
_LONGEST_WATCHDOG_S: Final = 60.0
_LONGEST_CONTINGENCY_S: Final = 3600.0
# highly turbocharged sets take 0.3 to 0.5 of their rating in the first step (ISO 8528-5)
_LARGEST_STEP_FRAC: Final = 0.8
# windows of the synchronism check for the smallest sites, the widest of IEEE 1547 (up to 500 kVA)
_WIDEST_HZ: Final = 0.3
_WIDEST_VOLTAGE_FRAC: Final = 0.1
_WIDEST_DEG: Final = 20.0
_SHORTEST_HEALTHY_S: Final = 60.0
# what a person writes instead of a safe value
ACCEPT: Final = "or --accept-risk"


def risks(files: ConfigFiles) -> Iterator[Finding]:
    """Yield every dangerous value of a configuration without contradictions."""
    yield from _storage(files)
    yield from _reserve(files)
    yield from _losses(files)
    yield from _gensets(files)
    yield from _ages(files)
    yield from _watchdogs(files)
    yield from _tie(files)


def _storage(files: ConfigFiles) -> Iterator[Finding]:
    for name, limits in files.limits.battery.items():
        path: KeyPath = ("battery", name)
        if limits.soc_error_pct < _LEAST_SOC_ERROR_PCT:
            yield _risk(
                "limits.toml",
                (*path, "soc_error_pct"),
                f"no BMS knows its SoC to {limits.soc_error_pct:g} %: the floor has no margin for that",
                f"at least {_LEAST_SOC_ERROR_PCT:g} % (3 % is usual)",
            )
        if limits.soc_tech_min_pct < limits.soc_error_pct or limits.soc_tech_min_pct <= 0.0:
            yield _risk(
                "limits.toml",
                (*path, "soc_tech_min_pct"),
                f"discharge down to {limits.soc_tech_min_pct:g} % may meet an empty battery, whose BMS then opens",
                f"above 0 and at least soc_error_pct ({limits.soc_error_pct:g} %)",
            )
        if limits.max_degc > _HOTTEST_DEGC:
            yield _risk(
                "limits.toml",
                (*path, "max_degc"),
                f"cells are used up to {limits.max_degc:g} degC",
                f"at most {_HOTTEST_DEGC:g} degC, the supplier's limit",
            )


def _reserve(files: ConfigFiles) -> Iterator[Finding]:
    if not files.limits.battery:
        return
    reserve = files.limits.reserve
    for key, value, meaning in (
        ("gap_margin_frac", reserve.gap_margin_frac, "storage may be empty before the sets carry the load"),
        ("checkpoint_load_frac", reserve.checkpoint_load_frac, "nothing is kept for an orderly shutdown"),
        ("swing_kw", reserve.swing_kw, "no power is kept for the swing of GPUs in step"),
    ):
        if value <= 0.0:
            yield _risk("limits.toml", ("reserve", key), f"0: {meaning}", "above 0")


def _losses(files: ConfigFiles) -> Iterator[Finding]:
    """A loss need not be survived where nothing is left to survive it with."""
    assets, survive = files.assets, files.limits.reserve.survive
    n_blocks = sum(pool.n_blocks for pool in assets.battery.values())
    n_sets = sum(kind.n_units for kind in assets.genset.values())
    for loss, can in (
        ("grid", files.limits.grid is not None and n_blocks > 0),
        ("genset", n_sets > 1),
        ("block", n_blocks > 1),
    ):
        if can and loss not in survive:
            yield _risk(
                "limits.toml", ("reserve", "survive"), f"the loss of a {loss} may interrupt the load", f'with "{loss}"'
            )


def _gensets(files: ConfigFiles) -> Iterator[Finding]:
    for name, kind in files.assets.genset.items():
        if kind.step_frac > _LARGEST_STEP_FRAC:
            yield _risk(
                "assets.toml",
                ("genset", name, "step_frac"),
                f"a set is given {kind.step_frac:.0%} of its rating in one step",
                f"at most {_LARGEST_STEP_FRAC:g}, from the maker's load acceptance",
            )


def _ages(files: ConfigFiles) -> Iterator[Finding]:
    control = files.control.control
    for key, value, longest, meaning in (
        ("stale_fast_s", control.stale_fast_s, _OLDEST_FAST_S, "powers that old are acted on"),
        ("stale_slow_s", control.stale_slow_s, _OLDEST_SLOW_S, "SoC and temperatures that old are acted on"),
        ("setpoint_valid_s", control.setpoint_valid_s, _LONGEST_SETPOINT_S, "a setpoint outlives its controller"),
        ("contingency_s", control.contingency_s, _LONGEST_CONTINGENCY_S, "storage may stay below its floor that long"),
    ):
        if value > longest:
            yield _risk("control.toml", ("control", key), f"{value:g} s: {meaning}", f"at most {longest:g} s")


def _watchdogs(files: ConfigFiles) -> Iterator[Finding]:
    kinds = asset_kinds(files.assets, has_grid=files.limits.grid is not None)
    told: set[int] = set()
    for index, device in expand_devices(files.devices):
        of_storage = kinds.get(device.asset) == "block"
        if of_storage and index not in told and (device.watchdog_s or 0.0) > _LONGEST_WATCHDOG_S:
            told.add(index)
            yield _risk(
                "devices.toml",
                ("device", index, "watchdog_s"),
                f"a converter keeps its last power for {device.watchdog_s:g} s after its controller has died",
                f"at most {_LONGEST_WATCHDOG_S:g} s (5 to 15 s are usual)",
            )


def _tie(files: ConfigFiles) -> Iterator[Finding]:
    tie = files.control.tie
    if tie is None:
        return
    for key, value, widest in (
        ("window_hz", tie.window_hz, _WIDEST_HZ),
        ("window_voltage_frac", tie.window_voltage_frac, _WIDEST_VOLTAGE_FRAC),
        ("window_deg", tie.window_deg, _WIDEST_DEG),
    ):
        if value > widest:
            yield _risk(
                "control.toml",
                ("tie", key),
                f"{value:g}: the breaker may be closed out of step",
                f"at most {widest:g}, the widest window of IEEE 1547",
            )
    if tie.healthy_s < _SHORTEST_HEALTHY_S:
        yield _risk(
            "control.toml",
            ("tie", "healthy_s"),
            f"a grid counts as healthy after {tie.healthy_s:g} s",
            f"at least {_SHORTEST_HEALTHY_S:g} s (300 s are usual)",
        )


def _risk(file: str, path: KeyPath, message: str, allowed: str) -> Finding:
    return Finding(file=file, path=path, message=f"dangerous: {message}", allowed=f"{allowed}; {ACCEPT}")
