"""The setting of a method: percent of the weights, bits of a weight, or a pattern such as 2:4.

As results hold it, a percentage or bits is a number, and a pattern is "2of4", which can be part of a folder's name.
"""

import re
from typing import Any

# The methods whose setting is the bits of a weight.
IN_BITS = ("RTN",)


def pattern(value: Any) -> tuple[int, int] | None:
    """(2, 4) of "2:4" or "2of4": of every 4 weights of a row, 2 are kept; None of anything else."""
    found = re.fullmatch(r"([1-9][0-9]?)(?::|of)([1-9][0-9]?)", value) if isinstance(value, str) else None
    numbers = (int(found[1]), int(found[2])) if found else None
    return numbers if numbers and numbers[0] < numbers[1] else None


def text(method: str, setting: float | str) -> str:
    """A setting to be read: "90 %", "4 bits", "2:4"; empty if the method has none."""
    if isinstance(setting, str):
        kept = pattern(setting)
        return f"{kept[0]}:{kept[1]}" if kept else setting
    if not setting:
        return ""
    return f"{setting:g} bits" if method in IN_BITS else f"{setting:g} %"


def of_text(written: Any) -> float | str:
    """A setting as it was before it was written to a CSV file."""
    try:
        return float(written)
    except ValueError:
        return written


def joined(texts: list[str]) -> list[str]:
    """Settings without "%", if all are percentages, to stand under a title that says so."""
    return [each.removesuffix(" %") for each in texts] if all(each.endswith(" %") for each in texts) else texts


def order(method: str, setting: float | str) -> tuple[int, float, str]:
    """A sort key: percentages, then patterns, bits and other settings, each from mild to severe."""
    if isinstance(setting, str):
        kept = pattern(setting)
        return (1, 1 - kept[0] / kept[1], setting) if kept else (3, 0.0, setting)
    return (2, -setting, "") if method in IN_BITS else (0, setting, "")
