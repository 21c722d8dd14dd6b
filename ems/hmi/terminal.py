"""The live view of a site in a terminal, drawn from what its broker tells; lines of text where there is none."""

import asyncio
import sys
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ems.contract.planning import PlanStepPart
from ems.contract.site import StateMessage
from ems.hmi.mirror import Line, SiteMirror
from ems.model.readings import GensetPhase

_REFRESH_S: Final = 0.25
_PLAIN_EVERY_S: Final = 10.0
_BAR: Final = 28
_PLANNED_ROWS: Final = 9
_PHASES: Final = {
    GensetPhase.STOPPED: ("·", "dim"),
    GensetPhase.STARTING: ("s", "yellow"),
    GensetPhase.WARMING_UP: ("w", "yellow"),
    GensetPhase.SYNCHRONISING: ("y", "yellow"),
    GensetPhase.RUNNING: ("R", "bold green"),
    GensetPhase.COOLING_DOWN: ("c", "cyan"),
    GensetPhase.FAULT: ("F", "bold red"),
}
_UNKNOWN: Final = "-"


async def watch(mirror: SiteMirror, *, title: str, timezone: str, quiet: bool) -> None:
    """Show a site until cancelled: a live picture on a terminal, else a line every ten seconds and each event."""
    zone = ZoneInfo(timezone)
    if quiet:
        await asyncio.Event().wait()
    elif sys.stdout.isatty():
        await _watch_live(mirror, title, zone)
    else:
        await _watch_plain(mirror, zone)


async def _watch_live(mirror: SiteMirror, title: str, zone: ZoneInfo) -> None:
    with Live(picture(mirror, title, zone), screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(mirror, title, zone), refresh=True)
            await asyncio.sleep(_REFRESH_S)


async def _watch_plain(mirror: SiteMirror, zone: ZoneInfo) -> None:
    console = Console(soft_wrap=True, highlight=False)
    shown, waited_s = 0, _PLAIN_EVERY_S
    while True:
        fresh = min(mirror.n_lines - shown, len(mirror.lines))
        for line in list(mirror.lines)[len(mirror.lines) - fresh :]:
            console.print(f"{_clock(line.utc, zone)} {line.kind}: {line.text}", markup=False)
        shown = mirror.n_lines
        if waited_s >= _PLAIN_EVERY_S and (state := mirror.state) is not None:
            console.print(one_line(state, mirror, zone), markup=False)
            waited_s = 0.0
        await asyncio.sleep(_REFRESH_S)
        waited_s += _REFRESH_S


def one_line(state: StateMessage, mirror: SiteMirror, zone: ZoneInfo) -> str:
    """Return the state of a site in one line."""
    carbon = mirror.carbon
    intensity = None if carbon is None else carbon.ci_operational_gco2e_per_kwh
    return (
        f"{_clock(state.ts, zone)} {state.mode}: load {_mw(state.load_kw)}, PV {_mw(state.pv_kw)}, "
        f"storage {_mw(state.storage_kw)}, gensets {_mw(state.genset_kw)} ({state.n_gensets_carrying} on), "
        f"grid {_mw(state.grid_kw)}, SoC {_number(state.soc_pct, 1)} %, {_number(intensity, 1)} gCO2e/kWh"
    )


def picture(mirror: SiteMirror, title: str, zone: ZoneInfo) -> RenderableType:
    """Return the whole screen."""
    layout = Layout()
    layout.split_column(
        Layout(_head(mirror, title, zone), size=3), Layout(name="middle"), Layout(_decisions(mirror, zone), size=12)
    )
    layout["middle"].split_row(Layout(name="left"), Layout(name="right"))
    layout["left"].split_column(
        Layout(_powers(mirror)), Layout(_storage(mirror), size=5), Layout(_gensets(mirror), size=4)
    )
    layout["right"].split_column(
        Layout(_reserve(mirror), size=6), Layout(_planned(mirror, zone)), Layout(_so_far(mirror), size=6)
    )
    return layout


def _head(mirror: SiteMirror, title: str, zone: ZoneInfo) -> Panel:
    state, health = mirror.state, mirror.health
    words = Text(title, style="bold")
    if not mirror.connected_to_broker:
        words.append("   no broker", style="bold red")
    elif mirror.online is False:
        words.append("   daemon offline", style="bold red")
    if state is None:
        words.append("   waiting for the daemon's first message ...", style="yellow")
    else:
        style = {"init": "yellow", "degraded": "bold red"}.get(state.mode, "bold green")
        words.append(f"   {state.ts.astimezone(zone):%a %d %b %Y %H:%M:%S}   ")
        words.append(state.mode.upper(), style=style)
        words.append(f"  {state.mode_reason}", style="dim")
    if health is not None:
        words.append(f"   speed {health.speed_frac:g}, periods x{health.stretch_frac:g}", style="dim")
    return Panel(words)


def _powers(mirror: SiteMirror) -> Panel:
    state = mirror.state
    table = Table.grid(padding=(0, 1))
    if state is None:
        return Panel(table, title="Power")
    stored_kw = state.storage_kw
    rows: tuple[tuple[str, float | None, str], ...] = (
        ("PV", state.pv_kw, "yellow"),
        ("storage gives", None if stored_kw is None else max(0.0, stored_kw), "green"),
        ("gensets", state.genset_kw, "red"),
        ("grid", state.grid_kw, "blue"),
        ("IT", state.it_load_kw, "white"),
        ("cooling", state.cooling_load_kw, "cyan"),
        ("auxiliaries", state.aux_load_kw, "magenta"),
        ("storage takes", None if stored_kw is None else max(0.0, -stored_kw), "green"),
        ("PV curtailed", state.curtailed_kw, "dim yellow"),
    )
    scale = max((abs(value) for _, value, _ in rows if value is not None), default=1.0) or 1.0
    for name, value, style in rows:
        if name == "grid" and state.pcc_closed is None:
            continue
        bar = "" if value is None else "█" * round(_BAR * abs(value) / scale)
        table.add_row(name, Text(_mw(value), justify="right"), Text(bar, style=style))
    return Panel(table, title=f"Power: load {_mw(state.load_kw)}")


def _storage(mirror: SiteMirror) -> Panel:
    state = mirror.state
    if state is None or state.soc_pct is None:
        return Panel(Text(_UNKNOWN), title="Storage")
    width = 2 * _BAR
    filled = round(width * state.soc_pct / 100.0)
    bar = Text("█" * filled, style="green")
    bar.append("░" * (width - filled), style="dim")
    floor = state.soc_floor_pct
    mark = Text(
        _UNKNOWN if floor is None else f"{' ' * round(width * floor / 100.0)}^ floor {floor:.1f} %", style="red"
    )
    title = f"Storage: SoC {state.soc_pct:.1f} %, {_number(_thousandth(state.stored_kwh), 1)} MWh"
    return Panel(Group(bar, mark), title=title)


def _gensets(mirror: SiteMirror) -> Panel:
    state = mirror.state
    words = Text()
    for name, phase in () if state is None else state.genset_phases.items():
        sign, style = ("?", "bold red") if phase is None else _PHASES[phase]
        words.append(f" {sign}", style=style)
        words.append(name[-2:], style="dim")
    tank = "" if state is None or state.tank_l is None else f", tank {state.tank_l / 1000.0:.1f} m3"
    legend = Text("R running  s/w/y coming up  c cooling down  · stopped  F fault", style="dim")
    carrying = 0 if state is None else state.n_gensets_carrying
    return Panel(Group(words, legend), title=f"Gensets: {carrying} carry load{tank}")


def _reserve(mirror: SiteMirror) -> Panel:
    table = Table.grid(padding=(0, 2))
    message = mirror.reserve
    for item in () if message is None or message.classes is None else message.classes:
        style = "green" if item.margin_kw >= 0.0 else "bold red"
        table.add_row(
            item.id,
            f"required {_mw(item.required_kw)}",
            Text(f"held {_mw(item.held_kw)}", style=style),
            Text(f"worst: {item.contingency}", style="dim"),
        )
    held_on = message is not None and message.held_on_by_reserve
    return Panel(table, title="Reserve" + (" (a set runs for it)" if held_on else ""))


def _planned(mirror: SiteMirror, zone: ZoneInfo) -> Panel:
    plan, state = mirror.plan, mirror.state
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("from", "load", "PV", "storage", "gensets", "grid", "stored MWh"):
        table.add_column(name, justify="right")
    if plan is None or state is None or plan.source is None:
        return Panel(table, title="Plan")
    for step in _hourly(plan.steps, state.ts)[:_PLANNED_ROWS]:
        table.add_row(
            f"{step.start_utc.astimezone(zone):%H:%M}",
            _mw(step.it_kw + step.cooling_kw + step.aux_kw),
            _mw(step.pv_kw),
            _mw(sum(pool.discharge_kw - pool.charge_kw for pool in step.pools)),
            f"{sum(item.n_on for item in step.gensets)}: {_mw(sum(item.power_kw for item in step.gensets))}",
            _mw(step.import_kw - step.export_kw),
            f"{sum(pool.stored_end_kwh for pool in step.pools) / 1000.0:.1f}",
        )
    solved = "" if plan.solve_s is None else f", solved in {plan.solve_s:.2f} s"
    return Panel(table, title=f"Plan ({plan.source.value}{solved})")


def _so_far(mirror: SiteMirror) -> Panel:
    energy, carbon = mirror.energy, mirror.carbon
    table = Table.grid(padding=(0, 2))
    if energy is None or carbon is None:
        return Panel(Text("the first interval of the ledger is still open", style="dim"), title="So far")
    shares = ", ".join(f"{name} {100.0 * share:.0f} %" for name, share in carbon.interval_shares_frac.items() if share)
    table.add_row("delivered", f"{energy.delivered_kwh / 1000.0:,.1f} MWh", "diesel", f"{energy.fuel_l:,.0f} l")
    table.add_row(
        "fuel and import",
        f"{energy.cost:,.0f} {energy.currency}",
        "intensity",
        f"{_number(carbon.ci_operational_gco2e_per_kwh, 1)} gCO2e/kWh",
    )
    return Panel(Group(table, Text(f"last interval: {shares}", style="dim")), title="So far")


def _decisions(mirror: SiteMirror, zone: ZoneInfo) -> Panel:
    rows = list(mirror.lines)[-10:]
    return Panel(Group(*(_decision(line, zone) for line in rows)), title="Last decisions and events")


def _decision(line: Line, zone: ZoneInfo) -> Text:
    text = Text(f"{_clock(line.utc, zone)} ", style="dim", no_wrap=True, overflow="ellipsis")
    text.append(f"{line.kind:9}", style="cyan")
    text.append(line.text, style="")
    return text


def _hourly(steps: tuple[PlanStepPart, ...], now: datetime) -> list[PlanStepPart]:
    """Return the step at hand and then the first of each hour."""
    rows: list[PlanStepPart] = []
    for step, after in zip(steps, (*steps[1:], None), strict=True):
        is_over = after is not None and after.start_utc <= now
        if not is_over and (not rows or step.start_utc.minute == 0):
            rows.append(step)
    return rows


def _clock(utc: datetime | None, zone: ZoneInfo) -> str:
    return "        " if utc is None else f"{utc.astimezone(zone):%H:%M:%S}"


def _mw(value_kw: float | None) -> str:
    """Return a power as people read it: kW for a small site, MW for a large one."""
    if value_kw is None:
        return _UNKNOWN
    return f"{value_kw / 1000.0:.2f} MW" if abs(value_kw) >= 1000.0 else f"{value_kw:.0f} kW"


def _thousandth(value: float | None) -> float | None:
    return None if value is None else value / 1000.0


def _number(value: float | None, digits: int) -> str:
    return _UNKNOWN if value is None else f"{value:,.{digits}f}"
