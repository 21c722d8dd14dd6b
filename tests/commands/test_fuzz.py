"""Mutated and invented messages: no exception, no effect, every one refused with a reason.

A sample here; `make fuzz` sends a million.
"""

import json
import os
from random import Random
from typing import Any

from ems.commands.judge import Denied, Granted, Judge
from ems.commands.refusal import RefusalKind
from ems.contract.quantities import rfc3339_ms
from tests.commands.envelopes import (
    ENGINEER,
    FORMER,
    HOUR,
    NOW,
    OPERATOR,
    STRANGER,
    VIEWER,
    arrival,
    document,
    judge,
    signed,
)

N_MESSAGES = 1_000_000 if os.environ.get("EMS_FUZZ") == "full" else 3_000
LATER = rfc3339_ms(NOW + HOUR)
VALID = [
    signed(document()),
    signed(document("e_stop")),
    signed(document("island"), OPERATOR, ENGINEER),
    signed(document("maintenance", target="gen01", role="engineer", until=LATER), ENGINEER),
    signed(document("genset_test", target="gen01", until=LATER)),
    signed(document("withdraw", value="test-0000")),
]
WRONG_KEYS = [signed(document(), key) for key in (STRANGER, FORMER, VIEWER)]
ODD: list[Any] = [None, True, False, -1, 0, 1.5, 2**63, 10**400, "", "a" * 5000, "\x00", [], {}, [[]], "NaN", "#", "+"]


def mutated(random: Random) -> bytes:
    """Return a message that nobody has signed as it is."""
    payload = random.choice(VALID)
    match random.randrange(7):
        case 0:
            place = random.randrange(len(payload))
            return payload[:place] + bytes((random.randrange(256),)) + payload[place + 1 :]
        case 1:
            return payload[: random.randrange(len(payload))]
        case 2:
            place = random.randrange(len(payload))
            return payload[:place] + random.randbytes(random.randrange(1, 20)) + payload[place:]
        case 3:
            fields = json.loads(payload)
            fields[random.choice([*fields, "extra"])] = random.choice(ODD)
            return json.dumps(fields).encode()
        case 4:
            fields = json.loads(payload)
            fields["limits"] = {random.choice(("import_kw", "charge_kw", "x", "genset_ban")): random.choice(ODD)}
            return json.dumps(fields).encode()
        case 5:
            return random.randbytes(random.randrange(300))
        case _:
            return random.choice(WRONG_KEYS)


def carries_the_same(payload: bytes, *others: bytes) -> bool:
    """Return whether a mutation left the meaning of a valid message as it was: blanks, escapes."""
    try:
        return json.loads(payload) in [json.loads(valid) for valid in (*VALID, *others)]
    except (ValueError, RecursionError):
        return False


def test_no_message_that_nobody_signed_has_an_effect_and_each_is_refused_with_a_reason() -> None:
    random = Random(20260610)
    site: Judge = judge()
    for number in range(N_MESSAGES):
        payload = mutated(random)
        name = random.choice(("limits", "e_stop", "island", "maintenance", "genset_test", "withdraw", "plan", "x"))
        verdict = site.judge(arrival(payload, name, retained=random.random() < 0.1), NOW, float(number))
        if isinstance(verdict, Granted):
            # a blank more or less is the same command, which counts once
            assert carries_the_same(payload), payload
            continue
        if verdict.refusal.kind is RefusalKind.REPLAY:
            assert carries_the_same(payload, *WRONG_KEYS), payload
        assert isinstance(verdict, Denied)
        assert verdict.refusal.reason
    assert set(site.last_seq.values()) <= {1}
