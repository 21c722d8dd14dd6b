"""Layouts of the SunSpec models that the twin serves, written down from the tables of the standard.

A layout has a filling, which says for every register behind id and length what it shows while nothing is
implemented, and the points that the twin knows: register (from the model's id), kind, and scale factor.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_ALL_ONES: Final = 0xFFFF
_SIGN_BIT: Final = 0x8000
# what a kind shows for "not implemented", register by register
ABSENT: Final[Mapping[str, tuple[int, ...]]] = {
    "i16": (_SIGN_BIT,),
    "sf": (_SIGN_BIT,),
    "pad": (_SIGN_BIT,),
    "u16": (_ALL_ONES,),
    "i32": (_SIGN_BIT, 0),
    "u32": (_ALL_ONES, _ALL_ONES),
    "u64": (_ALL_ONES,) * 4,
    "acc": (0, 0),
    "acc64": (0, 0, 0, 0),
    "text": (0,),
}
_RUN: Final = re.compile(r"(?:(\d+)x)?([a-z]+\d*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point lies and how it is coded; `factor` is the name of its scale factor in the same model."""

    offset: int
    kind: str
    n_registers: int
    factor: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """One model."""

    filling: tuple[int, ...]
    places: Mapping[str, Place]


def _layout(filling: str, points: str) -> Layout:
    return Layout(tuple(_words(filling)), dict(_place(line) for line in points.split(";")))


def _words(filling: str) -> Iterator[int]:
    """Yield the words of a filling such as `4xu16 sf`: how many of each kind follow each other."""
    for count, kind in _RUN.findall(filling):
        for _ in range(int(count or 1)):
            yield from ABSENT[kind]


def _place(line: str) -> tuple[str, Place]:
    """Read `W 14 i16 W_SF`; a text has its length behind it: `Mn 2 text 16`."""
    name, offset, kind, *more = line.split()
    length = int(more[0]) if kind == "text" else len(ABSENT[kind])
    return name, Place(int(offset), kind, length, more[0] if more and kind != "text" else None)


_INVERTER: Final = _layout(
    "4xu16 sf 6xu16 sf i16 sf u16 sf i16 sf i16 sf i16 sf acc sf u16 sf u16 sf i16 sf 4xi16 sf 2xu16 6xu32",
    "W 14 i16 W_SF; W_SF 15 sf; Hz 16 u16 Hz_SF; Hz_SF 17 sf; WH 24 acc WH_SF; WH_SF 26 sf; St 38 u16; Evt1 40 u32",
)
_METER: Final = _layout(
    "4xi16 sf 8xi16 sf i16 sf 4xi16 sf 4xi16 sf 4xi16 sf 4xi16 sf 8xacc sf 8xacc sf 16xacc sf u32",
    "PPV 11 i16 V_SF; V_SF 15 sf; Hz 16 i16 Hz_SF; Hz_SF 17 sf; W 18 i16 W_SF; W_SF 22 sf;"
    "TotWhExp 38 acc TotWh_SF; TotWhImp 46 acc TotWh_SF; TotWh_SF 54 sf",
)
LAYOUTS: Final[Mapping[int, Layout]] = {
    1: _layout("64xtext u16 pad", "Mn 2 text 16; Md 18 text 16; Vr 42 text 8; SN 50 text 16"),
    103: _INVERTER,
    120: _layout(
        "u16 u16 sf u16 sf 4xi16 sf u16 sf 4xi16 sf u16 sf u16 sf u16 sf u16 sf pad",
        "DERTyp 2 u16; WRtg 3 u16 WRtg_SF; WRtg_SF 4 sf",
    ),
    121: _layout("2xu16 i16 3xu16 4xi16 u16 4xi16 5xu16 10xsf", "WMax 2 u16 WMax_SF; WMax_SF 22 sf"),
    122: _layout(
        "3xu16 6xacc64 i16 sf u16 sf 2xu32 4xtext u32 2xu16 sf",
        "PVConn 2 u16; ActWh 5 acc64; WAval 31 u16 WAval_SF; WAval_SF 32 sf",
    ),
    123: _layout(
        "8xu16 i16 4xu16 3xi16 5xu16 3xsf",
        "WMaxLimPct 5 u16 WMaxLimPct_SF; WMaxLimPct_WinTms 6 u16; WMaxLimPct_RvrtTms 7 u16; WMaxLimPct_RmpTms 8 u16;"
        "WMaxLim_Ena 9 u16; WMaxLimPct_SF 23 sf",
    ),
    203: _METER,
    701: _layout(
        "4xu16 2xu32 5xi16 2xu16 u32 4xu64 6xi16 5xi16 2xu16 4xu64 5xi16 2xu16 4xu64 5xi16 2xu16 4xu64 u16 u32 10xsf"
        " 32xtext",
        "ACType 2 u16; St 3 u16; InvSt 4 u16; ConnSt 5 u16; Alrm 6 u32; DERMode 8 u32; W 10 i16 W_SF; Hz 17 u32 Hz_SF;"
        "TotWhInj 19 u64 TotWh_SF; TotWhAbs 23 u64 TotWh_SF; Hz_SF 115 sf; W_SF 116 sf; TotWh_SF 120 sf",
    ),
    702: _layout(
        "21xu16 u32 20xu16 7xsf",
        "WMaxRtg 2 u16 W_SF; WChaRteMaxRtg 10 u16 W_SF; WDisChaRteMaxRtg 11 u16 W_SF; WMax 26 u16 W_SF;"
        "WChaRteMax 34 u16 W_SF; WDisChaRteMax 35 u16 W_SF; W_SF 45 sf",
    ),
    703: _layout("3xu16 6xu32 2xsf", "ES 2 u16"),
    704: _layout(
        "2xu16 2xu32 2xu16 2xu32 4xu16 2xu32 2xu16 2xi32 2xi16 u16 2xu32 3xu16 2xi32 2xi16 u16 2xu32 4xu16 6xsf 8xu16",
        "WMaxLimPctEna 14 u16; WMaxLimPct 15 u16 WMaxLimPct_SF; WMaxLimPctRvrt 16 u16 WMaxLimPct_SF;"
        "WMaxLimPctEnaRvrt 17 u16; WMaxLimPctRvrtTms 18 u32; WMaxLimPctRvrtRem 20 u32;"
        "WSetEna 22 u16; WSetMod 23 u16; WSet 24 i32 WSet_SF; WSetRvrt 26 i32 WSet_SF; WSetEnaRvrt 30 u16;"
        "WSetRvrtTms 31 u32; WSetRvrtRem 33 u32; WMaxLimPct_SF 54 sf; WSet_SF 55 sf",
    ),
    713: _layout("5xu16 2xsf", "SoC 4 u16 Pct_SF; SoH 5 u16 Pct_SF; Sta 6 u16; Pct_SF 8 sf"),
    715: _layout("u16 2xu32 2xu16", "LocRemCtl 2 u16; DERHb 3 u32; ControllerHb 5 u32; OpCtl 8 u16"),
    802: _layout(
        "12xu16 u32 8xu16 5xu32 10xu16 i16 2xu16 i16 u16 i16 2xu16 12xsf",
        "WChaRteMax 4 u16 WChaDisChaMax_SF; WDisChaRteMax 5 u16 WChaDisChaMax_SF; SoC 11 u16 SoC_SF; SoH 13 u16 SoH_SF;"
        "LocRemCtl 17 u16; Hb 18 u16; CtrlHb 19 u16; State 22 u16; Evt1 26 u32; CellVMax 37 u16 CellV_SF;"
        "CellVMin 40 u16 CellV_SF; WChaDisChaMax_SF 54 sf; SoC_SF 56 sf; SoH_SF 58 sf; CellV_SF 60 sf",
    ),
    803: _layout(
        "2xu16 i16 2xu16 i16 2xu16 i16 5xu16 i16 u16 i16 u16 i16 u16 6xsf",
        "NStr 2 u16; NStrCon 3 u16; ModTmpMax 4 i16 ModTmp_SF; ModTmpMin 7 i16 ModTmp_SF; ModTmp_SF 23 sf",
    ),
}
