"""Whether the daemon is there: the one topic that is plain text, because a last will cannot know its own time."""

from enum import StrEnum

from pydantic import RootModel


class Presence(StrEnum):
    """What the topic `status` holds."""

    ONLINE = "online"
    OFFLINE = "offline"


class StatusText(RootModel[Presence]):
    """`online` while the daemon is connected, else `offline`: plain text without quotation marks, not JSON."""
