"""Keeps what values are compared with over time: the balance of the meters, and the SoC of every block.

What is found is decided in `ems.control.balance` and `ems.control.soc_track`; the snapshot that comes out is the one
that control, planning and accounts work with.
"""

from collections.abc import Mapping

from ems.control.balance import BalanceTrack, balanced
from ems.control.soc_track import SocTrack, followed_soc
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.ports import Device

_PCC = "pcc"


class Plausibility:
    """Judges every image; `devices` by the asset that they serve."""

    def __init__(self, site: Site, devices: Mapping[str, Device]) -> None:
        self._site = site
        self._pcc_id = devices[_PCC].device_id if _PCC in devices else _PCC
        self._balance = BalanceTrack()
        self._socs: dict[str, SocTrack] = {}

    def judge(self, image: SiteSnapshot) -> SiteSnapshot:
        """Return the image with values that contradict everything else replaced by what can be believed."""
        self._socs, snapshot = followed_soc(self._site, image, self._socs)
        self._balance, snapshot = balanced(self._site, snapshot, self._balance, device_id=self._pcc_id)
        return snapshot

    def alarms(self) -> dict[str, str]:
        """Return by name what is not believed now, and why."""
        found = {f"soc:{block}": f"{block}: {track.jump}" for block, track in self._socs.items() if track.jump}
        if self._balance.distrusted is not None:
            found["balance"] = f"power at the PCC: {self._balance.distrusted}"
        return found
