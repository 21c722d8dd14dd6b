"""The page for the cluster's operator: its examples are read by the code that reads the cluster's messages."""

import json
import re
from typing import Any, get_args

from ems.contract.catalogue import RECEIVED
from ems.contract.cluster import AckMessage, EnvelopeState, FlexOfferMessage, ShedCause, TelemetryMessage
from ems.model.cluster import ShedReason
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
EXAMPLES: list[dict[str, Any]] = [  # JSON of any shape
    json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]


def test_every_example_of_the_page_is_a_message_of_the_contract() -> None:
    offer, envelope_ack, shed_ack, telemetry = EXAMPLES

    assert FlexOfferMessage.model_validate(offer).classes[2].id == "batch"
    assert AckMessage.model_validate(envelope_ack).shed is None
    assert AckMessage.model_validate(shed_ack).shed is not None
    assert TelemetryMessage.model_validate(telemetry).held_jobs == 41


def test_the_page_names_every_state_every_reason_and_every_schema() -> None:
    states = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))

    assert set(get_args(EnvelopeState)) <= states
    assert {reason.value for reason in ShedReason} == set(get_args(ShedCause))
    assert set(get_args(ShedCause)) <= states | {"operator"}
    for topic in RECEIVED:
        if not topic.pattern.startswith("cluster/"):
            continue
        assert f"`{topic.schema}.schema.json`" in PAGE
