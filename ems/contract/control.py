"""The fast loop: who leads storage, the trim, the ramp of the connection contract, and their counts."""

from typing import Literal

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Duration, Energy, Hours, Money, Power, Share

AuthorityName = Literal["device", "guard", "emergency", "operator", "scada", "plan"]
LeadName = Literal["plan", "rules", "none"]


class SmoothingPart(Payload):
    """What storage has done for the ramp of the connection contract since the daemon's start."""

    given_kwh: Energy = Field(description="Energy that storage gave for it; kWh.")
    taken_kwh: Energy = Field(description="Energy that storage took for it; kWh.")
    loss_kwh: Energy = Field(description="Losses of that; kWh; negative where it worked against what storage did.")
    cost: Money = Field(description="Those losses at the import price, and wear; site currency.")
    active_h: Hours = Field(description="Time in which storage worked for it; h.")
    short_h: Hours = Field(description="Time in which the exchange changed faster all the same; h.")


class EdgePart(Payload):
    """One edge of what is left to the plan, and which layer set it."""

    limit_kw: Power = Field(description="The edge; kW, positive: import.")
    by: AuthorityName = Field(description="The layer: device, guard, emergency, operator, scada, plan.")
    reason: str = Field(description="Why.")


class ControlMessage(Message):
    """How the fast loop shares what the site needs: lead, trim, ramp at the PCC."""

    lead: LeadName | None = Field(
        description="Who leads storage: a plan that is followed, the rules' own plan, nobody; null: not parallel to a "
        "grid, or control has not begun."
    )
    led_kw: Power | None = Field(description="What storage is led to before limits; kW; null: as `lead`.")
    trim_kw: Power = Field(description="Slow correction beside the feed-forward; kW, positive: more discharge.")
    trim_gain_frac: Share = Field(description="Share of an error that the trim takes up in a cycle.")
    loop_delay_s: Duration = Field(description="Time from a setpoint to its power that the gain is drawn from; s.")
    loop_delay_measured: bool = Field(description="Whether it has been measured; else configured or assumed.")
    exchange_kw: Power | None = Field(
        description="Exchange that the setpoints lead to; kW, positive: import; null: as `lead`, or the guard has "
        "narrowed storage."
    )
    exchange_lowest: EdgePart | None = Field(description="Least exchange that is left to the plan; null: as `lead`.")
    exchange_highest: EdgePart | None = Field(description="Greatest exchange that is left to it; null: as `lead`.")
    smoothing_kw: Power = Field(description="What storage gives now for the ramp of the contract; kW.")
    ramp_short_kw: Power = Field(description="By how much the exchange misses that ramp in this cycle; kW.")
    handover_kw: Power = Field(description="Way that is left of the last change of lead; kW.")
    working_blocks: tuple[str, ...] = Field(description="AC blocks that share the storage power; others rest ready.")
    starts_by_cause: dict[str, Count] = Field(description="Genset starts commanded since the daemon's start, by cause.")
    stops_by_cause: dict[str, Count] = Field(description="Genset stops commanded since then, by cause.")
    smoothing: SmoothingPart = Field(description="Energy and cost of keeping that ramp.")
