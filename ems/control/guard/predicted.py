"""What flows after a write: every unit's power by what was asked of it, and the limits of which it is a part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ems.control.guard.rules import GuardContext, on_grid
from ems.control.measurement import live_charge_kw
from ems.model.problem import GRID_MEMBER
from ems.model.setpoints import Setpoints
from ems.model.site import Site
from ems.model.snapshot import PvState, SiteSnapshot

# name of the limit of the connection itself
PCC = "pcc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A set or PV block: its power now, what is asked of it, and the least and most in between; kW into the bus."""

    id: str
    member: str
    now_kw: float
    asked_kw: float
    least_kw: float
    most_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Lowest and highest flow of a connection, transformer, collector or feeder, and what flows without the blocks.

    `signs` has the blocks that are written and change the flow: 1 adds, -1 takes away. Without them it is between
    `least_kw` and `most_kw`, and `asked_kw` once everything has reached what is asked of it.
    """

    name: str
    members: frozenset[str]
    lowest_kw: float
    highest_kw: float
    least_kw: float
    most_kw: float
    asked_kw: float
    signs: Mapping[str, int]

    def blocks_kw(self, powers: Mapping[str, float]) -> float:
        """Return what the blocks add to the flow."""
        return sum(sign * powers[block] for block, sign in self.signs.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who moves and who stays in this cycle; `pcc_kw` are the values of the PCC's power, None without grid."""

    site: Site
    snapshot: SiteSnapshot
    pools: Mapping[str, str]
    movable_kw: Mapping[str, float]
    fixed_kw: Mapping[str, float]
    moves: tuple[Move, ...]
    pcc_kw: tuple[float, ...] | None
    on_grid: bool

    @property
    def movable_now_kw(self) -> float:
        """Return what the blocks that are written deliver now."""
        return sum(state.power_kw or 0.0 for state in self.snapshot.blocks if state.id in self.movable_kw)


def scene_of(requested: Setpoints, site: Site, snapshot: SiteSnapshot, context: GuardContext) -> Scene:
    """Return who moves: a forming unit in an island goes where the load is, whatever it is told."""
    islanded = not on_grid(site, snapshot, context)
    asked = {block.id: block.power_kw for block in requested.blocks}
    movable: dict[str, float] = {}
    fixed: dict[str, float] = {}
    for state in snapshot.blocks:
        if state.id in asked and not (islanded and state.forming is True):
            movable[state.id] = asked[state.id]
        else:
            fixed[state.id] = state.power_kw or 0.0
    return Scene(
        site=site,
        snapshot=snapshot,
        pools={block.id: pool.id for pool in site.batteries for block in pool.blocks},
        movable_kw=movable,
        fixed_kw=fixed,
        moves=(*_genset_moves(requested, site, snapshot), *_pv_moves(requested, site, snapshot)),
        pcc_kw=None if islanded else _pcc_kw(snapshot),
        on_grid=not islanded,
    )


def limits_of(scene: Scene) -> tuple[Limit, ...]:
    """Return the limits of groups, innermost first, and of the connection."""
    groups = sorted(scene.site.groups, key=lambda group: len(group.members))
    limits = [_limit(scene, each.id, frozenset(each.members), -each.limit_kw, each.limit_kw) for each in groups]
    grid = scene.site.grid
    if grid is not None and scene.pcc_kw is not None:
        limits.append(_limit(scene, PCC, frozenset((GRID_MEMBER,)), -grid.export_limit_kw, grid.import_limit_kw))
    return tuple(limits)


def charge_room_kw(scene: Scene, powers: Mapping[str, float]) -> float:
    """Return how much more than asked the blocks that take setpoints could charge."""
    pools = {block.id: pool for pool in scene.site.batteries for block in pool.blocks}
    return sum(
        max(0.0, powers.get(state.id, state.power_kw or 0.0) + live_charge_kw(pools[state.id], state))
        for state in scene.snapshot.blocks
        if state.controllable and state.ready
    )


def lift_kw(state: PvState, limit_kw: float, *, rated_kw: float) -> float:
    """Return by how much a PV block may deliver more once its limit is lifted, zero where it is not lifted."""
    if state.power_kw is None or state.limit_kw is None or limit_kw <= state.limit_kw:
        return 0.0
    available_kw = rated_kw if state.available_kw is None else state.available_kw
    return max(0.0, min(available_kw, limit_kw) - max(state.power_kw, state.limit_kw))


def _limit(scene: Scene, name: str, members: frozenset[str], lowest_kw: float, highest_kw: float) -> Limit:
    """Return a limit with all that flows through it; the grid takes what all others leave."""
    with_grid = scene.pcc_kw is not None and GRID_MEMBER in members
    fixed = sum(kw for block, kw in scene.fixed_kw.items() if scene.pools[block] in members)
    least = most = asked = fixed
    for move in scene.moves:
        if move.member in members:
            least, most, asked = least + move.least_kw, most + move.most_kw, asked + move.asked_kw
        if with_grid:
            least, most = least - (move.most_kw - move.now_kw), most - (move.least_kw - move.now_kw)
            asked -= move.asked_kw - move.now_kw
    if with_grid and scene.pcc_kw is not None:
        least, most = least + min(scene.pcc_kw), most + max(scene.pcc_kw)
        asked += scene.pcc_kw[0]
        moved = scene.movable_now_kw
        least, most, asked = least + moved, most + moved, asked + moved
    signs = {block: int(scene.pools[block] in members) - int(with_grid) for block in scene.movable_kw}
    return Limit(
        name=name,
        members=members,
        lowest_kw=lowest_kw,
        highest_kw=highest_kw,
        least_kw=least,
        most_kw=most,
        asked_kw=asked,
        signs={block: sign for block, sign in signs.items() if sign},
    )


def _pcc_kw(snapshot: SiteSnapshot) -> tuple[float, ...] | None:
    """Return the power at the PCC, and what its meter shows where that is not believed."""
    pcc = snapshot.pcc
    if pcc is None or pcc.power_kw is None:
        return None
    return (pcc.power_kw,) if pcc.metered_kw is None else (pcc.power_kw, pcc.metered_kw)


def _genset_moves(requested: Setpoints, site: Site, snapshot: SiteSnapshot) -> Iterator[Move]:
    """Yield sets: they take their time, so that any power between now and the one asked for may flow."""
    commands = {genset.id: genset for genset in requested.gensets}
    states = {state.id: state for state in snapshot.gensets}
    for kind in site.gensets:
        for unit in kind.unit_ids:
            now_kw = asked_kw = states[unit].power_kw or 0.0
            command = commands.get(unit)
            if command is not None and states[unit].carries:
                asked_kw = 0.0 if not command.run else now_kw if command.power_kw is None else command.power_kw
            yield Move(
                id=unit,
                member=kind.id,
                now_kw=now_kw,
                asked_kw=asked_kw,
                least_kw=min(now_kw, asked_kw),
                most_kw=max(now_kw, asked_kw),
            )


def _pv_moves(requested: Setpoints, site: Site, snapshot: SiteSnapshot) -> Iterator[Move]:
    """Yield PV blocks: cuts, which storage does not count on; what a lifted limit adds is looked at by itself."""
    limits = {pv.id: pv.limit_kw for pv in requested.pv}
    states = {state.id: state for state in snapshot.pv}
    for plant in site.pv:
        for block in plant.block_ids:
            now_kw = max(0.0, states[block].power_kw or 0.0)
            cut_kw = min(now_kw, limits.get(block, now_kw))
            yield Move(id=block, member=plant.id, now_kw=now_kw, asked_kw=cut_kw, least_kw=cut_kw, most_kw=now_kw)
