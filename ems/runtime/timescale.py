"""One factor for accelerated runs: periods and every limit that is compared with them, never physics.

Up to speed 10 everything keeps its native period. Above, control and poll periods, staleness, heartbeats, device
watchdogs and time-outs stretch together, so that the number of cycles per real second stays at ten.
"""

from dataclasses import replace

from ems.model.device import BrokerSpec, DeviceSpec, LinkSpec
from ems.model.modes import ModeSettings, TieRules
from ems.model.site import Site

NATIVE_SPEED = 10.0
# a set's start is seen this many periods late: the command is taken up, the device read, the next cycle run
_FEEDBACK_PERIODS = 3.0
# a plan needs this much real time at least
_MIN_PLAN_WALL_S = 6.0


def stretch_factor(speed: float) -> float:
    """Return the factor by which periods and limits stretch at a speed."""
    return max(1.0, speed / NATIVE_SPEED)


def plan_period_s(site: Site, speed: float) -> float:
    """Return the plan period in simulated seconds: as configured, but some real seconds at least."""
    return max(site.planning.period_s, _MIN_PLAN_WALL_S * speed)


def stretched_site(site: Site, *, factor: float, plan_period_s: float) -> Site:
    """Return the site with the control loop's periods and limits stretched.

    Filters and physics stay; limits counted in plan periods follow the plan period by themselves. The time-out of a
    start, which is an engine's time and the loop's, grows by the loop's part.
    """
    control = site.control
    later_s = _FEEDBACK_PERIODS * (factor - 1.0) * control.period_s
    return replace(
        site,
        control=replace(
            control,
            period_s=control.period_s * factor,
            stale_fast_s=control.stale_fast_s * factor,
            stale_slow_s=control.stale_slow_s * factor,
            setpoint_valid_s=control.setpoint_valid_s * factor,
            heartbeat_s=control.heartbeat_s * factor,
            adopt_wait_s=control.adopt_wait_s * factor,
            degraded_clear_s=control.degraded_clear_s * factor,
            trim_period_s=control.trim_period_s * factor,
            handover_s=control.handover_s * factor,
            loop_delay_s=None if control.loop_delay_s is None else control.loop_delay_s * factor,
            reserve_start_delay_s=control.reserve_start_delay_s * factor,
            balance_s=control.balance_s * factor,
            modes=_stretched_modes(control.modes, factor),
            tie=_stretched_tie(control.tie, factor),
        ),
        it=replace(site.it, link_timeout_s=site.it.link_timeout_s * factor),
        gensets=tuple(replace(kind, start_timeout_s=kind.start_timeout_s + later_s) for kind in site.gensets),
        planning=replace(site.planning, period_s=plan_period_s),
    )


def _stretched_modes(modes: ModeSettings, factor: float) -> ModeSettings:
    """Return the modes with their time-outs stretched, which hold cycles; spans of the plant's own stay."""
    return replace(
        modes,
        islanding_timeout_s=modes.islanding_timeout_s * factor,
        planned_timeout_s=modes.planned_timeout_s * factor,
        black_start_step_s=modes.black_start_step_s * factor,
        black_start_timeout_s=modes.black_start_timeout_s * factor,
    )


def _stretched_tie(tie: TieRules | None, factor: float) -> TieRules | None:
    return None if tie is None else replace(tie, timeout_s=tie.timeout_s * factor)


def stretched_device(device: DeviceSpec, factor: float) -> DeviceSpec:
    """Return a device with its poll periods, watchdog and ramp stretched."""
    return replace(
        device,
        fast_s=device.fast_s * factor,
        slow_s=device.slow_s * factor,
        watchdog_s=None if device.watchdog_s is None else device.watchdog_s * factor,
        ramp_frac_per_s=None if device.ramp_frac_per_s is None else device.ramp_frac_per_s / factor,
    )


def stretched_link(link: LinkSpec, factor: float) -> LinkSpec:
    """Return a link with its time-outs and pauses stretched."""
    return replace(
        link,
        timeout_s=link.timeout_s * factor,
        connect_delay_s=link.connect_delay_s * factor,
        gap_s=link.gap_s * factor,
        reconnect_min_s=link.reconnect_min_s * factor,
        reconnect_max_s=link.reconnect_max_s * factor,
    )


def stretched_broker(broker: BrokerSpec, factor: float) -> BrokerSpec:
    """Return a broker with its time-out and pauses stretched; the keep-alive is the network's time."""
    return replace(
        broker,
        timeout_s=broker.timeout_s * factor,
        reconnect_min_s=broker.reconnect_min_s * factor,
        reconnect_max_s=broker.reconnect_max_s * factor,
    )
