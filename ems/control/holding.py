"""What a controller that has just started writes before it decides anything: the powers that it finds, unchanged.

The devices hear a heartbeat again before their fall-back begins or soon after it, and nothing moves. Nothing is
started, stopped or switched by it.
"""

from ems.control.modes import Condition
from ems.control.state import ControlState
from ems.model.setpoints import BlockSetpoint, Cause, Reason, Setpoints
from ems.model.snapshot import SiteSnapshot

_REASON = (Reason(cause=Cause.ADOPTED, text="the power is held as it was found"),)


def found_setpoints(snapshot: SiteSnapshot, state: ControlState) -> Setpoints:
    """Return the setpoint that each AC block shows, else its measured power; none before the picture is complete.

    A grid-forming unit is steered by the offset of its droop, which its power does not tell: without a shown setpoint
    it is not written.
    """
    if Condition.COMPLETE not in state.held_since_s:
        return Setpoints()
    found = (
        (block.id, block.power_kw if block.setpoint_kw is None and block.forming is False else block.setpoint_kw)
        for block in snapshot.blocks
        if block.controllable
    )
    return Setpoints(
        blocks=tuple(BlockSetpoint(id=name, power_kw=kw, reasons=_REASON) for name, kw in found if kw is not None)
    )
