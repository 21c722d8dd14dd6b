"""Storage within limits on sums: connection, transformers, feeders, reserve, a meter that is not believed.

Rules G6, G7 and G13. Taking one limit's excess away, always towards zero, can only fill another, so the limits are
looked at until nothing changes any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from ems.control.balance import tolerance_kw
from ems.control.guard.predicted import PCC, Limit, Scene
from ems.control.guard.rules import CLIP_KW, STORAGE, Clip, GuardContext, Rule

# limits that share blocks settle in a few rounds; after those, what breaks a limit goes to zero, block by block
_ROUNDS: Final = 8


@dataclass(slots=True)
class Blocks:
    """The powers of the written blocks while they are narrowed, and one note for each rule that did so."""

    powers_kw: dict[str, float]
    notes: dict[tuple[Rule, str], Clip] = field(default_factory=dict)

    @property
    def total_kw(self) -> float:
        """Return the power of all of them."""
        return sum(self.powers_kw.values())

    def scale(self, blocks: Iterable[str], factor: float, rule: Rule, name: str, reason: str) -> None:
        """Multiply the powers of some blocks by a factor between 0 and 1."""
        before = self.total_kw
        for block in blocks:
            self.powers_kw[block] *= factor
        note = self.notes.get((rule, name))
        if note is None:
            note = Clip(rule=rule, asset_id=STORAGE, requested_kw=before, allowed_kw=before, reason=reason)
        self.notes[rule, name] = replace(note, allowed_kw=self.total_kw)

    def clips(self) -> list[Clip]:
        """Return one clip for each rule and limit, of all blocks together."""
        return list(self.notes.values())


def narrow(blocks: Blocks, scene: Scene, limits: tuple[Limit, ...], context: GuardContext) -> None:
    """Narrow the blocks until every sum is kept, as far as they can keep it."""
    for number in range(_ROUNDS + len(blocks.powers_kw) + 1):
        before = dict(blocks.powers_kw)
        _keep_reserve(scene, context, blocks)
        _keep_importing(scene, limits, blocks)
        for limit in limits:
            _keep(limit, blocks, is_late=number >= _ROUNDS)
        _keep_accepted(scene, blocks)
        if before == blocks.powers_kw:
            break


def _keep_accepted(scene: Scene, blocks: Blocks) -> None:
    """G2: a power that is left too small for a PCS is none."""
    least_kw = {pool.id: pool.min_power_kw for pool in scene.site.batteries if pool.min_power_kw > 0.0}
    for block, power_kw in blocks.powers_kw.items():
        accepted_kw = least_kw.get(scene.pools[block], 0.0)
        if 0.0 < abs(power_kw) < accepted_kw - CLIP_KW:
            reason = f"{block} accepts no power below {accepted_kw:.0f} kW"
            blocks.scale((block,), 0.0, Rule.LIVE_LIMIT, block, reason)


def _keep(limit: Limit, blocks: Blocks, *, is_late: bool) -> None:
    """Take from the blocks that push a flow beyond its limit what is too much, in proportion to their powers."""
    flow_kw = limit.blocks_kw(blocks.powers_kw)
    for sign, excess_kw in (
        (1.0, limit.most_kw + flow_kw - limit.highest_kw),
        (-1.0, limit.lowest_kw - limit.least_kw - flow_kw),
    ):
        if excess_kw <= CLIP_KW:
            continue
        pushing = {
            block: abs(blocks.powers_kw[block])
            for block, own in limit.signs.items()
            if own * sign * blocks.powers_kw[block] > 0.0
        }
        pushed_kw = sum(pushing.values())
        if pushed_kw <= CLIP_KW:
            continue
        factor = 0.0 if is_late else max(0.0, 1.0 - excess_kw / pushed_kw)
        blocks.scale(pushing, factor, Rule.SITE_LIMIT, limit.name, _limit_reason(limit, sign, excess_kw))


def _limit_reason(limit: Limit, sign: float, excess_kw: float) -> str:
    if limit.name == PCC:
        if sign > 0.0:
            return f"import would be {limit.highest_kw + excess_kw:.0f} kW"
        return f"export would be {excess_kw - limit.lowest_kw:.0f} kW"
    bound_kw = limit.highest_kw if sign > 0.0 else -limit.lowest_kw
    return f"{limit.name} would carry {bound_kw + excess_kw:.0f} kW of {bound_kw:.0f} kW"


def _keep_reserve(scene: Scene, context: GuardContext, blocks: Blocks) -> None:
    """G7: while R0 is short, storage does not discharge more than now.

    In an island every kW less of a following unit is one more of a forming one: there the rule acts on sets and PV.
    """
    if context.r0_margin_kw >= 0.0 or not context.mode.is_parallel:
        return
    highest_kw = max(scene.movable_now_kw, 0.0)
    if blocks.total_kw > highest_kw + CLIP_KW:
        factor = highest_kw / blocks.total_kw
        reason = f"R0 is short by {-context.r0_margin_kw:.0f} kW"
        blocks.scale(list(blocks.powers_kw), factor, Rule.HEADROOM, "", reason)


def _keep_importing(scene: Scene, limits: tuple[Limit, ...], blocks: Blocks) -> None:
    """G13: while the PCC's meter is not believed, storage does nothing more that could export."""
    if scene.pcc_kw is None or len(scene.pcc_kw) == 1:
        return
    pcc = limits[-1]
    highest_kw = max(scene.movable_now_kw, 0.0, pcc.least_kw - tolerance_kw(scene.site))
    if blocks.total_kw > highest_kw + CLIP_KW:
        reason = "the power at the PCC is not certain: nothing that could export"
        blocks.scale(list(blocks.powers_kw), highest_kw / blocks.total_kw, Rule.BALANCE, "", reason)
