"""Small planning problems with round numbers: hourly steps, one bus, no losses unless a test asks for them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ems.model.fuel import FuelSegment
from ems.model.problem import (
    SCHEMA,
    Contingency,
    ContingencyKind,
    CoolingLineProblem,
    DemandProblem,
    FuelProblem,
    GensetProblem,
    GridProblem,
    LoadProblem,
    Loss,
    PlanningProblem,
    PoolProblem,
    PreviousCommitment,
    PriceProblem,
    PvProblem,
    ReserveClassProblem,
    ReserveProblem,
    SolveOptions,
    UnitHistory,
    ValuePiece,
)
from ems.model.timegrid import TimeGrid

START: Final = datetime(2026, 1, 8, tzinfo=UTC)
MEMBERS: Final = {ContingencyKind.GENSET: "diesel", ContingencyKind.BLOCK: "bess", ContingencyKind.PV_BLOCK: "pv"}
NO_RESERVE: Final[tuple[ReserveClassProblem, ...]] = ()
PRICES: Final = PriceProblem(
    co2_per_kg=0.0,
    unserved_per_kwh=10.0,
    reserve_per_kwh=5.0,
    floor_per_kwh=3.0,
    limit_per_kwh=2.0,
    low_load_per_kwh=0.0,
    commitment_change=0.0,
)


def load(it_kw: Sequence[float], *, largest_block_kw: float = 0.0) -> LoadProblem:
    """Return a load without cooling, auxiliaries and losses."""
    n_steps = len(it_kw)
    return LoadProblem(
        it_kw=tuple(it_kw),
        cooling=(CoolingLineProblem(c0_kw=(0.0,) * n_steps, c1_frac=(0.0,) * n_steps),),
        aux_constant_kw=(0.0,) * n_steps,
        aux_frac_of_it=0.0,
        site_loss_frac=0.0,
        load_q90_kw=tuple(it_kw),
        net_q90_kw=tuple(it_kw),
        largest_block_kw=largest_block_kw,
    )


def plant(available_kw: Sequence[float], *, n_blocks: int = 2, credit_frac: float = 0.0) -> PvProblem:
    """Return a PV plant whose q10 is its median."""
    return PvProblem(
        id="pv",
        n_blocks=n_blocks,
        available_kw=tuple(available_kw),
        available_q10_kw=tuple(available_kw),
        frequency_watt_credit_frac=credit_frac,
    )


def pool(
    n_steps: int,
    *,
    stored_kwh: float,
    full_kwh: float = 1000.0,
    power_kw: float = 500.0,
    n_blocks: int = 4,
    min_stored_kwh: float = 0.0,
    eff_frac: float = 1.0,
    self_discharge_frac_per_h: float = 0.0,
    no_load_kw: float = 0.0,
    wear_cost_per_kwh: float = 0.001,
    terminal: Sequence[tuple[float, float]] = (),
    hold: Sequence[tuple[float, float]] = (),
) -> PoolProblem:
    """Return a pool; `terminal` and `hold` are (width_kwh, value_per_kwh) from the most valued."""
    return PoolProblem(
        id="bess",
        n_blocks=n_blocks,
        max_charge_kw=(power_kw,) * n_steps,
        max_discharge_kw=(power_kw,) * n_steps,
        full_kwh=full_kwh,
        stored_kwh=stored_kwh,
        min_stored_kwh=min_stored_kwh,
        max_stored_kwh=full_kwh,
        charge_eff_frac=eff_frac,
        discharge_eff_frac=eff_frac,
        self_discharge_frac_per_h=self_discharge_frac_per_h,
        no_load_kw=no_load_kw,
        wear_cost_per_kwh=wear_cost_per_kwh,
        terminal_value=tuple(ValuePiece(width_kwh=w, value_per_kwh=v) for w, v in terminal),
        hold_value_per_h=tuple(ValuePiece(width_kwh=w, value_per_kwh=v) for w, v in hold),
    )


def unit(number: int, *, on: bool = False, since_h: float = 100.0, available: bool = True) -> UnitHistory:
    """Return one set's history."""
    return UnitHistory(id=f"g{number}", on=on, since_h=since_h, available=available)


def gensets(
    units: Sequence[UnitHistory],
    *,
    min_kw: float = 30.0,
    max_kw: float = 100.0,
    segments: Sequence[tuple[float, float]] = ((40.0, 0.2), (30.0, 0.25)),
    min_fuel_l_per_h: float = 9.0,
    min_up_h: float = 0.0,
    min_down_h: float = 0.0,
    start_cost: float = 5.0,
    start_fuel_l: float = 0.0,
    run_wear_cost_per_h: float = 0.0,
    step_kw: float = 100.0,
    band_low_kw: float = 70.0,
    n_start_failures: int = 0,
) -> GensetProblem:
    """Return a class whose units burn 9 l/h at 30 kW, 17 l/h at 70 kW and 24.5 l/h at 100 kW.

    `segments` are (width_kw, fuel_l_per_kwh).
    """
    return GensetProblem(
        id="diesel",
        units=tuple(units),
        min_kw=min_kw,
        max_kw=max_kw,
        min_fuel_l_per_h=min_fuel_l_per_h,
        segments=tuple(FuelSegment(width_kw=w, fuel_l_per_kwh=f) for w, f in segments),
        min_up_h=min_up_h,
        min_down_h=min_down_h,
        start_cost=start_cost,
        start_fuel_l=start_fuel_l,
        run_wear_cost_per_h=run_wear_cost_per_h,
        step_kw=min(step_kw, max_kw),
        band_low_kw=band_low_kw,
        carry_h=0.05,
        n_start_failures=n_start_failures,
    )


def connection(
    prices_per_kwh: Sequence[float],
    *,
    import_limit_kw: float = 1000.0,
    export_limit_kw: float = 0.0,
    export_price_per_kwh: float = 0.0,
    connected: Sequence[int] | None = None,
    kgco2e_per_kwh: float = 0.0,
    demand: Sequence[DemandProblem] = (),
) -> GridProblem:
    """Return a connection, closed in every step unless `connected` says otherwise."""
    n_steps = len(prices_per_kwh)
    return GridProblem(
        import_limit_kw=(import_limit_kw,) * n_steps,
        export_limit_kw=(export_limit_kw,) * n_steps,
        connected=(1,) * n_steps if connected is None else tuple(connected),
        price_per_kwh=tuple(prices_per_kwh),
        export_price_per_kwh=(export_price_per_kwh,) * n_steps,
        kgco2e_per_kwh=(kgco2e_per_kwh,) * n_steps,
        demand=tuple(demand),
    )


def reserve(
    n_steps: int,
    *,
    r0_kw: float | None = None,
    r1_kw: float | None = None,
    r2_kw: float | None = None,
    losses: Sequence[Contingency] = (),
    pv_drop_frac: float = 0.0,
    floor_kwh: float = 0.0,
    lead_kwh: float = 0.0,
    sustain_h: float = 0.1,
    r2_sustain_h: float | None = None,
    r2_shed_kw: float = 0.0,
    curtailed_counts: bool = False,
    down: bool = True,
    down_slow: bool = False,
) -> ReserveProblem:
    """Return requirements; a class exists where its variation is given; curtailed PV may count in R1."""
    given = (("r0", False, r0_kw), ("r1", True, r1_kw), ("r2", True, r2_kw))
    return ReserveProblem(
        classes=tuple(
            ReserveClassProblem(
                id=name,
                gensets_count=counts,
                variation_kw=(kw,) * n_steps,
                pv_drop_frac=pv_drop_frac if counts else 0.0,
                sustain_h=r2_sustain_h if name == "r2" else None,
                starts_count=name == "r2",
                credited_shed_kw=(r2_shed_kw,) * n_steps if name == "r2" and r2_shed_kw else (),
                curtailed_counts=curtailed_counts and name == "r1",
            )
            for name, counts, kw in given
            if kw is not None
        ),
        contingencies=tuple(losses),
        down=down and any(kw is not None for _, _, kw in given),
        down_slow=down_slow,
        floor_kwh=(floor_kwh,) * n_steps,
        lead_kwh=(lead_kwh,) * n_steps,
        sustain_h=sustain_h,
    )


def loss(kind: ContingencyKind) -> Contingency:
    """Return the loss of one unit of the member that the builders above name."""
    member = MEMBERS.get(kind, "")
    return Contingency(id=f"{kind.value} {member}".strip(), losses=(Loss(kind=kind, member=member),))


def common_loss(*counts: tuple[ContingencyKind, int], load_kw: float = 0.0) -> Contingency:
    """Return the loss of several units at one stroke, and of load with them."""
    losses = [Loss(kind=kind, member=MEMBERS.get(kind, ""), count=count) for kind, count in counts]
    if load_kw:
        losses.append(Loss(kind=ContingencyKind.LOAD, member="racks", load_kw=load_kw))
    return Contingency(id=" and ".join(loss.kind.value for loss in losses), losses=tuple(losses))


def problem(
    it_kw: Sequence[float] | LoadProblem,
    *,
    pv: PvProblem | None = None,
    store: PoolProblem | None = None,
    sets: GensetProblem | None = None,
    grid: GridProblem | None = None,
    requirements: ReserveProblem | None = None,
    prices: PriceProblem = PRICES,
    previous: tuple[PreviousCommitment, ...] = (),
    duration_h: Sequence[float] | None = None,
    integer_h: float = 1000.0,
) -> PlanningProblem:
    """Return a problem on hourly steps (or `duration_h`), solved without a gap; litres cost 1."""
    demand = it_kw if isinstance(it_kw, LoadProblem) else load(it_kw)
    n_steps = len(demand.it_kw)
    return PlanningProblem(
        schema=SCHEMA,
        id="p1",
        site_id="test-site",
        currency="EUR",
        created_utc=START,
        grid=TimeGrid(start_utc=START, duration_h=(1.0,) * n_steps if duration_h is None else tuple(duration_h)),
        load=demand,
        pv=() if pv is None else (pv,),
        pools=() if store is None else (store,),
        gensets=() if sets is None else (sets,),
        fuel=None if sets is None else FuelProblem(price_per_l=1.0, kgco2e_per_l=2.5),
        connection=grid,
        reserve=reserve(n_steps) if requirements is None else requirements,
        prices=prices,
        previous=previous,
        options=SolveOptions(gap_frac=0.0, time_limit_s=30.0, integer_h=integer_h),
    )
