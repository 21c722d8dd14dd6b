"""`make bench`: measured figures, as ratios where machines differ.

ONLY=dispatch|commitment|drivers|control|gateway|mqtt|history|ledger|studies takes one part, QUICK=1 less of the
comparison of stacks.
"""

import sys
from typing import Annotated

import typer

from tests.campaigns.endpoints.measure import measure_endpoints
from tests.campaigns.measure_commitment import measure_commitment
from tests.campaigns.measure_control import measure_control
from tests.campaigns.measure_daemon import measure_daemon
from tests.campaigns.measure_decoding import measure_decoding
from tests.campaigns.measure_dispatch import measure_dispatch
from tests.campaigns.measure_drivers import measure_drivers
from tests.campaigns.measure_gateway import measure_gateway
from tests.campaigns.measure_history import measure_history
from tests.campaigns.measure_large_site import measure_large_site
from tests.campaigns.measure_ledger import measure_ledger
from tests.campaigns.measure_mqtt import measure_mqtt
from tests.campaigns.measure_studies import measure_studies
from tests.campaigns.rows import Part, carry_out, exit_code

PARTS: dict[str, tuple[Part, ...]] = {
    "dispatch": (measure_dispatch,),
    "commitment": (measure_commitment,),
    "control": (measure_control, measure_large_site, measure_daemon),
    "drivers": (measure_drivers, measure_decoding, measure_endpoints),
    "gateway": (measure_gateway,),
    "mqtt": (measure_mqtt,),
    "history": (measure_history,),
    "ledger": (measure_ledger,),
    "studies": (measure_studies,),
}


def main(only: Annotated[str | None, typer.Option(help=" | ".join(PARTS))] = None) -> None:
    """Measure one part or all, and write build/bench.json."""
    if only is not None and only not in PARTS:
        raise typer.BadParameter(f"'{only}' is none of {', '.join(PARTS)}", param_hint="--only")
    parts = [part for name, several in PARTS.items() if only in (None, name) for part in several]
    sys.exit(exit_code(carry_out("bench", parts)))


if __name__ == "__main__":
    typer.run(main)
