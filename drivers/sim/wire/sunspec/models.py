"""What each model shows of a device of the plant; powers in W, by the points of the layouts."""

from collections.abc import Mapping
from typing import Final

from drivers.sim.wire.sunspec.encoding import Shown
from drivers.sim.wire.words import Value

Values = Mapping[str, Value]
_W: Final = 1000.0
# codes of model 103 and of model 701 for the same states
_OLD: Final = {"sleeping": 2, "running": 4, "throttled": 5, "standby": 8, "off": 1}
_DER: Final = {"sleeping": 1, "running": 3, "throttled": 4, "standby": 7, "off": 0}
# the twin's faults have no bits of their own: bit 7, too warm
_ALARM: Final = 1 << 7
_NEARLY: Final = 0.999


def common(values: Values) -> Mapping[str, Shown]:
    """Return model 1."""
    return {
        "Mn": str(values.get("manufacturer") or ""),
        "Md": str(values.get("model") or ""),
        "Vr": "1.0",
        "SN": str(values.get("serial") or ""),
    }


def inverter(values: Values) -> Mapping[str, Shown]:
    """Return models 103 and 122 of a PV block."""
    return {
        "W": _watts(values, "power_kw"),
        "Hz": 50.0,
        "WH": _number(values, "energy_wh"),
        "St": _OLD[_pv_state(values)],
        "Evt1": _ALARM if values.get("faults") else 0,
        "PVConn": 0b111,
        "WAval": _watts(values, "available_kw"),
        "ActWh": _number(values, "energy_wh"),
    }


def der_inverter(values: Values) -> Mapping[str, Shown]:
    """Return models 701 and 715 of a PV block."""
    return {
        "ACType": 2,
        "St": 1,
        "InvSt": _DER[_pv_state(values)],
        "ConnSt": 1,
        "Alrm": _ALARM if values.get("faults") else 0,
        "DERMode": 0b1,
        "W": _watts(values, "power_kw"),
        "Hz": 50.0,
        "TotWhInj": _number(values, "energy_wh"),
        "LocRemCtl": 1 if values.get("remote") is False else 0,
    }


def converter(values: Values) -> Mapping[str, Shown]:
    """Return models 701 and 715 of a PCS."""
    ready = values.get("ready")
    return {
        "ACType": 2,
        "St": 1 if ready else 0,
        "InvSt": _DER["running" if ready else "off"],
        "ConnSt": 1 if ready else 0,
        "Alrm": _ALARM if values.get("faults") else 0,
        "DERMode": 0b10 if values.get("forming") else 0b01,
        "W": _watts(values, "power_kw"),
        "Hz": _number(values, "frequency_hz"),
        "TotWhInj": _number(values, "discharge_wh"),
        "TotWhAbs": _number(values, "charge_wh"),
        "LocRemCtl": 1 if values.get("remote") is False else 0,
    }


def battery(values: Values) -> Mapping[str, Shown]:
    """Return models 713, 802 and 803 of a battery."""
    alarm = values.get("alarm")
    return {
        "SoC": _number(values, "soc_pct"),
        "SoH": _number(values, "soh_pct"),
        "Sta": 2 if alarm else 0,
        "WChaRteMax": _watts(values, "max_charge_kw"),
        "WDisChaRteMax": _watts(values, "max_discharge_kw"),
        "CellVMax": _number(values, "cell_max_v"),
        "CellVMin": _number(values, "cell_min_v"),
        "LocRemCtl": 0,
        "State": 3,
        # bit 25: other alarm
        "Evt1": 1 << 25 if alarm else 0,
        "NStr": 0,
        "NStrCon": 0,
        "ModTmpMax": _number(values, "cell_max_degc"),
        "ModTmpMin": _number(values, "cell_min_degc"),
    }


def meter(values: Values, *, sign: int) -> Mapping[str, Shown]:
    """Return model 203 of a meter whose positive power flows into the bus (`sign` 1) or out of it (-1)."""
    import_kw = values.get("power_kw", None if "load_kw" not in values else _negative(values["load_kw"]))
    voltage_frac = values.get("grid_voltage_frac")
    return {
        "W": None if not isinstance(import_kw, int | float) else sign * import_kw * _W,
        "Hz": _number(values, "frequency_hz"),
        "PPV": voltage_frac * 400.0 if isinstance(voltage_frac, float) else None,
        "TotWhImp": _number(values, "import_wh" if "import_wh" in values else "energy_wh"),
        "TotWhExp": _number(values, "export_wh"),
    }


def _negative(value: Value) -> float | None:
    return -value if isinstance(value, int | float) else None


def _pv_state(values: Values) -> str:
    power, available = values.get("power_kw"), values.get("available_kw")
    if not isinstance(power, int | float) or not isinstance(available, int | float):
        return "off"
    if available <= 0.0:
        return "sleeping"
    return "running" if power >= _NEARLY * available else "throttled"


def _watts(values: Values, name: str) -> float | None:
    value = values.get(name)
    return value * _W if isinstance(value, int | float) else None


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    return value if isinstance(value, int | float) else None
