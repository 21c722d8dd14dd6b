"""What a controller says that does not command."""

from pydantic import Field

from ems.contract.message import Message
from ems.contract.quantities import Count, Instant


class StandbyMessage(Message):
    """A controller that is passive: it reads the lease, writes nothing to devices, and would take over.

    Not retained: one that is no longer heard is no longer there.
    """

    host: str = Field(description="The machine that it runs on.")
    pid: Count = Field(description="Its process id.")
    version: str = Field(description="Version of the software.")
    since_utc: Instant = Field(description="Passive since.")
    reason: str = Field(description="Why it does not command.")
    holder: str | None = Field(description="Number of the controller that holds the lease; null: not known.")
    epoch: Count = Field(description="Epoch of the lease, 0: none was seen.")
