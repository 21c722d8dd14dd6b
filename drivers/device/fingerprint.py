"""Who answers: the texts that a device names itself with, compared with those of the right one."""

from collections.abc import Mapping


class Fingerprint:
    """The texts of the right device (`known`) and of the one that answers now (`seen`).

    Without known ones the first device that answers is the right one.
    """

    def __init__(self, known: Mapping[str, str] | None) -> None:
        self.known = known
        self.seen: Mapping[str, str] | None = None

    def see(self, identity: Mapping[str, str]) -> None:
        """Take what the device on a new connection says."""
        self.seen = identity
        if self.known is None:
            self.known = identity

    def difference(self) -> str | None:
        """Return how the device differs from the right one; a text that was not known of that one says nothing."""
        changes = {} if self.seen is None else self.changes(self.seen)
        if not changes:
            return None
        listed = ", ".join(f"{name} '{known}' is now '{text}'" for name, (known, text) in changes.items())
        return f"another device answers, it is read but not commanded until it is confirmed: {listed}"

    def changes(self, identity: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
        """Return the texts that differ from those of the right device: the known one and the other."""
        known = self.known or {}
        return {name: (known[name], text) for name, text in identity.items() if known.get(name, text) != text}
