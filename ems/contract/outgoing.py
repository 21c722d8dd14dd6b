"""A message on its way out."""

from dataclasses import dataclass

from ems.contract.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message and the topic that it goes to, named below the site's root."""

    topic: str
    message: Message
    retain: bool = True
