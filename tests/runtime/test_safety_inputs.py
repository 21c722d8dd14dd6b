"""Inputs of the safety chain: who tells them, who no longer does, and what one wrong sample does."""

from dataclasses import replace

import pytest

from ems.model.readings import LoadReading
from ems.model.snapshot import SafetyState
from ems.runtime.safety_inputs import SafetyInputs

PLAIN = LoadReading(device_id="m", at_s=1.0, load_kw=1.0, load_max_kw=None, energy_wh=None)
CALM = replace(PLAIN, e_stop=False, fire=False)


def test_a_site_whose_devices_have_no_such_input_has_no_safety_state() -> None:
    assert SafetyInputs().state({"it": PLAIN}) is None


def test_an_input_that_no_device_has_does_not_stand() -> None:
    assert SafetyInputs().state({"it": CALM, "aux": PLAIN}) == SafetyState(e_stop=False, fire=False, earth_fault=False)


@pytest.mark.parametrize(
    ("name", "pressed"), [("e_stop", replace(CALM, e_stop=True)), ("fire", replace(CALM, fire=True))]
)
def test_an_input_stands_with_the_second_sample_and_no_sooner(name: str, pressed: LoadReading) -> None:
    inputs = SafetyInputs()

    states = [inputs.state({"it": each}) for each in (CALM, pressed, pressed, replace(pressed, at_s=2.0), CALM)]

    assert [getattr(state, name) for state in states] == [False, None, None, True, False]


def test_one_wrong_sample_stops_nothing() -> None:
    inputs = SafetyInputs()
    samples = (
        CALM,
        replace(CALM, at_s=2.0, e_stop=True),
        replace(CALM, at_s=3.0),
        replace(CALM, at_s=4.0, e_stop=True),
    )

    states = [inputs.state({"it": each}) for each in samples]

    assert not any(state is not None and state.e_stop for state in states)


@pytest.mark.parametrize(
    "silent", [{}, {"it": replace(CALM, e_stop=None, fire=None, bad={"e_stop": "x", "fire": "x"})}]
)
def test_an_input_that_is_told_no_more_is_unknown(silent: dict[str, LoadReading]) -> None:
    inputs = SafetyInputs()
    inputs.state({"it": CALM})

    state = inputs.state(silent)

    assert state == SafetyState(e_stop=None, fire=None, earth_fault=False)


def test_the_input_of_one_device_is_enough() -> None:
    inputs = SafetyInputs()
    for at_s in (1.0, 2.0):
        state = inputs.state({"it": replace(CALM, at_s=at_s), "aux": replace(CALM, at_s=at_s, fire=True)})

    assert state == SafetyState(e_stop=False, fire=True, earth_fault=False)
