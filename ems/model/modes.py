"""Times and limits of the operating modes, and the rules of a PCC breaker that closes by a sync-check device."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSettings:
    """How long a measured condition must hold, and how long a passing mode may last.

    Voltages are shares of nominal. The defaults are assumptions of the design, not measurements: every site sets
    its own.
    """

    # below this the grid counts as lost once it has lasted longer than the dip that every unit rides through
    grid_lost_frac: float = 0.8
    dip_s: float = 1.0
    # normal operation of the bus and of the grid
    voltage_band_frac: float = 0.1
    frequency_band_hz: float = 1.0
    dead_bus_frac: float = 0.1
    dead_bus_s: float = 2.0
    island_stable_s: float = 10.0
    islanding_timeout_s: float = 30.0
    # planned islanding: 0 leaves announced outages to the relays
    planned_lead_s: float = 0.0
    planned_timeout_s: float = 120.0
    planned_soc_margin_pct: float = 5.0
    exchange_frac: float = 0.02
    exchange_s: float = 5.0
    black_start_step_s: float = 180.0
    n_black_start_tries: int = 2
    black_start_timeout_s: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TieRules:
    """The PCC breaker is closed by a sync-check device, and only while it has our permit.

    The windows are those set in the device; we match to them, the device judges. `droop_hz` is the frequency
    deviation of the forming PCS when they are their whole rating off their setpoints, `slip_hz` how much faster than
    the grid the island is brought, so that the phases meet. `island_group` is the group of protection settings that
    the relay must have ready for an island.
    """

    window_hz: float
    window_voltage_frac: float
    window_deg: float
    healthy_s: float
    confirm_s: float
    timeout_s: float
    max_per_h: int
    slip_hz: float
    droop_hz: float
    island_group: int | None
