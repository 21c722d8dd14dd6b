"""What the stated fall-back of a map contradicts, whatever protocol its device speaks."""

from collections.abc import Iterator

from drivers.device.fallback import Arming, FallbackRule, LifeSign
from drivers.device.needs import Finding


def fallback_findings(rule: FallbackRule, *, has_heartbeat: bool, has_watchdog: bool) -> Iterator[Finding]:
    """Yield what a map without heartbeat or watchdog time cannot state."""
    if rule.misses is LifeSign.HEARTBEAT and not has_heartbeat:
        yield "fallback.misses", "the map has no heartbeat", "[heartbeat], or what else it waits for"
    if rule.armed_by is Arming.WATCHDOG and not has_watchdog:
        yield "fallback.armed_by", "the map has no watchdog time", "[watchdog], or setting or always"
    if rule.misses is LifeSign.NOTHING and (has_watchdog or rule.after_s is not None):
        yield "fallback.misses", "a device that misses nothing acts after no time", "no [watchdog] and no after_s"
    if rule.armed_by is Arming.WATCHDOG and rule.after_s is not None:
        yield "fallback.after_s", "the watchdog time of the site says when it acts", "no after_s"


def commanded_findings(rule: FallbackRule | None, *, is_commanded: bool) -> Iterator[Finding]:
    """Yield that a device that is commanded does not say what it does alone."""
    if is_commanded and rule is None:
        yield "fallback", "a device that is commanded must state what it does without a controller", "[fallback] text"
