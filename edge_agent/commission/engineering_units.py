"""Units as OPC UA servers write them, in the words that our configuration uses.

A server says EUInformation (OPC 10000-8, 5.6.4.3): by rule a UN/CEFACT common code (Recommendation 20), whose
characters are the bytes of UnitId, and a display name. Codes decide; where there is none, the display name is read.
"""

from __future__ import annotations

from typing import NamedTuple

from verification.units import UnitError, check_unit

CEFACT_URI = "http://www.opcfoundation.org/UA/units/un/cefact"
# UNECE Recommendation 20, the codes that plants use, by what they measure.
COMMON_CODES = {
    "WHR": "Wh",
    "KWH": "kWh",
    "MWH": "MWh",
    "GWH": "GWh",
    "JOU": "J",
    "KJO": "kJ",
    "3B": "MJ",
    "GV": "GJ",
    "WTT": "W",
    "KWT": "kW",
    "MAW": "MW",
    "A90": "GW",
    "KVA": "kVA",
    "GRM": "g",
    "KGM": "kg",
    "TNE": "t",
    "MC": "ug",
    "MGM": "mg",
    "MMT": "mm",
    "CMT": "cm",
    "MTR": "m",
    "KMT": "km",
    "MTK": "m2",
    "LTR": "l",
    "MTQ": "m3",
    "HLT": "hl",
    "GP": "mg/m3",
    "GQ": "ug/m3",
    "A23": "g/m3",
    "MQH": "m3/h",
    "MQS": "m3/s",
    "KGS": "kg/s",
    "E93": "kg/h",
    "E18": "t/h",
    "VLT": "V",
    "KVT": "kV",
    "2Z": "mV",
    "AMP": "A",
    "B22": "kA",
    "4K": "mA",
    "OHM": "ohm",
    "HTZ": "Hz",
    "CEL": "degC",
    "KEL": "K",
    "PAL": "Pa",
    "KPA": "kPa",
    "MPA": "MPa",
    "BAR": "bar",
    "MBR": "mbar",
    "SEC": "s",
    "MIN": "min",
    "HUR": "h",
    "DAY": "day",
    "RPM": "rpm",
    "C62": "1",
    "P1": "%",
    "59": "ppm",
    "H87": "piece",
    "JK": "MJ/kg",
}
# Signs of display names that our units write otherwise.
_REWRITTEN = {"·": "*", "⋅": "*", "²": "2", "³": "3", "°C": "degC", "µ": "u", "μ": "u", " ": ""}
_WORDS = {"kW*h": "kWh", "MW*h": "MWh", "W*h": "Wh", "pcs": "piece", "pc": "piece", "": ""}


class Unit(NamedTuple):
    """`ours` is the unit in our words, empty where it cannot be told; `shown` is what the server displays."""

    ours: str
    shown: str


NO_UNIT = Unit("", "")


def unit_of(namespace_uri: str, unit_id: int, display: str) -> Unit:
    """The unit that an EUInformation stands for."""
    display = display.strip()
    code = unit_id.to_bytes(4, "big").lstrip(b"\0").decode("ascii", "replace") if 0 < unit_id < 1 << 31 else ""
    if code in COMMON_CODES and namespace_uri in {CEFACT_URI, ""}:
        return Unit(COMMON_CODES[code], display or code)
    return Unit(_read(display), display)


def _read(display: str) -> str:
    """The display name as a unit of ours, empty where it is none."""
    text = display
    for sign, word in _REWRITTEN.items():
        text = text.replace(sign, word)
    text = _WORDS.get(text, text)
    if not text:
        return ""
    try:
        check_unit(text)
    except UnitError:
        return ""
    return text
