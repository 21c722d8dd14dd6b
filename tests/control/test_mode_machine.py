"""Any course of measurements: the modes follow it, never end, and never lose the last forming source."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ems.control.modes import BY_MODE
from ems.control.modes.conditions import Condition, held_now, scene_of
from ems.control.state import BlackStartTrack, ControlState, Forming, Mode
from ems.control.step import Decision, step
from ems.model.modes import TieRules
from ems.model.readings import GensetPhase
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.model.setpoints import Setpoints
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, LoadState, PccState, SafetyState, SiteSnapshot
from tests.control.scene import NOW_S, at, healthy, running, small, unheard_block

TIE = TieRules(
    window_hz=0.1,
    window_voltage_frac=0.03,
    window_deg=10.0,
    healthy_s=20.0,
    confirm_s=5.0,
    timeout_s=30.0,
    max_per_h=3,
    slip_hz=0.03,
    droop_hz=0.6,
    island_group=1,
)
CAMPUS = small("weak-grid-campus")
SITE = replace(CAMPUS, control=replace(CAMPUS.control, tie=TIE))
OFF = LoadState(load_kw=0.0, load_max_kw=0.0, energy_wh=0)
UNKNOWN = LoadState(load_kw=None, load_max_kw=None, energy_wh=None)
# long enough for every pause and time-out on the way back to the grid
RECOVERY_S = 200


def tied(site: Site = SITE, *, soc_pct: float = 60.0) -> SiteSnapshot:
    """Return a healthy plant whose PCC device takes permits, with safety inputs at rest."""
    picture = healthy(site, soc_pct=soc_pct)
    assert picture.pcc is not None
    pcc = replace(picture.pcc, controllable=True, island_group=1, grid_frequency_hz=60.0, angle_deg=0.0)
    return replace(picture, pcc=pcc, safety=SafetyState(e_stop=False, fire=False, earth_fault=False))


def pcc_of(picture: SiteSnapshot) -> PccState:
    """Return the PCC, which the site has."""
    assert picture.pcc is not None
    return picture.pcc


class ModeMachine(RuleBasedStateMachine):
    """Rules change what is measured; after each, one cycle is run."""

    picture: SiteSnapshot
    state: ControlState
    decision: Decision
    requests: OperatorRequests

    @initialize()
    def start(self) -> None:
        """Begin like a daemon."""
        self.picture = tied()
        self.state = ControlState(mode_since_s=NOW_S)
        self.requests = NO_REQUESTS
        self.cycle()

    @rule(closed=st.sampled_from([True, False, None]), volt=st.sampled_from([0.0, 0.5, 0.95, 1.0, None]))
    def grid(self, *, closed: bool | None, volt: float | None) -> None:
        """Open or close the PCC, change the grid's voltage."""
        pcc = replace(pcc_of(self.picture), breaker_closed=closed, grid_voltage_frac=volt)
        self.picture = replace(self.picture, pcc=pcc)
        self.cycle()

    @rule(volt=st.sampled_from([0.0, 0.9, 1.0, 1.2, None]), hz=st.sampled_from([58.0, 60.0, None]))
    def bus(self, *, volt: float | None, hz: float | None) -> None:
        """Change voltage and frequency of the bus."""
        pcc = replace(pcc_of(self.picture), bus_voltage_frac=volt)
        self.picture = replace(self.picture, pcc=pcc, frequency_hz=hz)
        self.cycle()

    @rule(forming=st.sampled_from([True, False, None]), ready=st.booleans(), power_kw=st.floats(-2000.0, 2000.0))
    def blocks(self, *, forming: bool | None, ready: bool, power_kw: float) -> None:
        """Let the PCS form the bus, or not."""
        states = tuple(_block(each, forming=forming, ready=ready, power_kw=power_kw) for each in self.picture.blocks)
        self.picture = replace(self.picture, blocks=states)
        self.cycle()

    @rule(silent=st.booleans())
    def links(self, *, silent: bool) -> None:
        """Lose most of the blocks, or hear them again."""
        fresh = tied().blocks
        states = (*map(unheard_block, fresh[:2]), fresh[2]) if silent else fresh
        self.picture = replace(self.picture, blocks=tuple(states))
        self.cycle()

    @rule(carries=st.booleans())
    def sets(self, *, carries: bool) -> None:
        """Let the first set carry load, or rest."""
        first = self.picture.gensets[0]
        self.picture = replace(self.picture, gensets=(_set(first, carries=carries), *self.picture.gensets[1:]))
        self.cycle()

    @rule(load=st.sampled_from([OFF, UNKNOWN, tied().it]))
    def load(self, *, load: LoadState) -> None:
        """Change the IT load."""
        self.picture = replace(self.picture, it=load)
        self.cycle()

    @rule(pressed=st.sampled_from([True, False, None]), fault=st.sampled_from([True, False, None]))
    def safety(self, *, pressed: bool | None, fault: bool | None) -> None:
        """Press or release the emergency stop, latch an earth fault."""
        safety = SafetyState(e_stop=pressed, fire=False, earth_fault=fault)
        self.picture = replace(self.picture, safety=safety)
        self.cycle()

    @rule(island=st.booleans(), stay=st.booleans(), black=st.booleans(), leave=st.booleans())
    def ask(self, *, island: bool, stay: bool, black: bool, leave: bool) -> None:
        """Let people ask for something."""
        self.requests = OperatorRequests(island=island, stay_island=stay, black_start=black, leave_e_stop=leave)
        self.cycle()

    @rule(duration_s=st.sampled_from([1, 5, 40]))
    def wait(self, *, duration_s: int) -> None:
        """Let time pass while nothing changes."""
        for _ in range(duration_s):
            self.cycle()

    def cycle(self) -> None:
        """Run one cycle a second later."""
        self.picture = at(self.picture, self.picture.at_s + 1.0)
        before = self.state
        self.decision = step(SITE, self.picture, None, before, self.requests)
        self.state = self.decision.state
        self._change_is_measured(before)
        self._forming_is_kept()

    def _change_is_measured(self, before: ControlState) -> None:
        change = self.decision.change
        if change is None:
            return
        scene = scene_of(SITE, self.picture, self.decision.powers, before, self.requests)
        held = set(held_now(scene)) | {Condition.IN_MODE}
        ways = [way for way in BY_MODE[change.before].exits if way.to is change.after]
        assert any({each.condition for each in way.when} <= held for way in ways)

    def _forming_is_kept(self) -> None:
        """No write of a cycle takes away the last source that forms the bus."""
        setpoints, role = self.decision.setpoints, self.decision.forming
        stopped = {one.id for one in setpoints.gensets if not one.run}
        carrying = {genset.id for genset in self.picture.gensets if genset.carries}
        if role is Forming.GENSET:
            assert carrying - stopped
        if setpoints.tie is not None and setpoints.tie.request_open:
            assert any(block.forming and block.ready for block in self.picture.blocks)

    @invariant()
    def writes_are_permitted(self) -> None:
        """INIT holds powers and does nothing else; after an emergency stop nothing is written."""
        if getattr(self, "decision", None) is None:
            return
        if self.state.mode is Mode.INIT:
            assert replace(self.decision.setpoints, blocks=()) == Setpoints()
        if self.state.mode is Mode.E_STOP:
            assert self.decision.setpoints == Setpoints()

    def teardown(self) -> None:
        """From wherever it is, a plant that is well again and an operator lead back to the grid."""
        if getattr(self, "decision", None) is None:
            return
        now_s = self.picture.at_s
        self.requests = OperatorRequests(leave_e_stop=True)
        self.picture = at(tied(), now_s)
        for _ in range(RECOVERY_S):
            self.cycle()
        assert self.state.mode is Mode.GRID


def test_where_a_black_start_stands_does_not_come_from_commands() -> None:
    picture = tied()
    state = ControlState(mode=Mode.GRID, mode_since_s=NOW_S - 100.0, load_kw=5000.0)
    told = replace(
        picture,
        blocks=tuple(replace(block, setpoint_kw=999.0) for block in picture.blocks),
        gensets=tuple(replace(genset, setpoint_kw=999.0) for genset in picture.gensets),
        pcc=replace(pcc_of(picture), permitted=True),
    )
    commanded = replace(state, block_setpoints_kw={"bess01": 999.0}, black_start=BlackStartTrack())

    assert step(SITE, told, None, commanded).state.mode is step(SITE, picture, None, state).state.mode


def _block(block: BlockState, *, forming: bool | None, ready: bool, power_kw: float) -> BlockState:
    known = replace(block, power_kw=power_kw, soc_pct=60.0 if block.soc_pct is None else block.soc_pct)
    return replace(known, forming=forming, ready=ready)


def _set(genset: GensetState, *, carries: bool) -> GensetState:
    if carries:
        return running(genset, 1000.0)
    return replace(genset, phase=GensetPhase.STOPPED, breaker_closed=False, power_kw=0.0)


TestModeMachine = ModeMachine.TestCase
TestModeMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
