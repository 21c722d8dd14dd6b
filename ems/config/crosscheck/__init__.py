"""Contradictions between keys that are each valid alone; one module per subject."""

from collections.abc import Iterator

from ems.config.crosscheck import assets, contracts, devices, gensets, hands, leases, operation, report, size, storage
from ems.config.crosscheck.finding import Finding
from ems.config.crosscheck.risks import risks
from ems.config.files import ConfigFiles

__all__ = ["Finding", "find_contradictions", "risks"]


def find_contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield every contradiction in a configuration."""
    if too_many := list(size.contradictions(files)):
        yield from too_many
        return
    for subject in (assets, gensets, storage, contracts, devices, leases, hands, operation, report):
        yield from subject.contradictions(files)
