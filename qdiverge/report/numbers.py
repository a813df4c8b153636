"""Numbers as a person writes them."""

import math
from collections.abc import Sequence

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def human(value: float, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits, powers of ten written out.

    >>> human(0.04312), human(1234.5), human(3.4e8), human(-2.0), human(float("inf"))
    ('0.0431', '1,230', '3.4 × 10⁸', '−2', '∞')
    """
    if math.isnan(value):
        return "NaN"
    sign = "−" if value < 0 else ""
    size = abs(value)
    if math.isinf(size):
        return sign + "∞"
    if size == 0:
        return "0"
    mantissa, exponent = (float(part) for part in f"{size:.{digits - 1}e}".split("e"))
    if -4 <= exponent < 6:
        rounded = mantissa * 10**exponent
        return sign + _trim(f"{rounded:,.{max(0, digits - 1 - int(exponent))}f}")
    return f"{sign}{_trim(f'{mantissa:.{digits - 1}f}')} × {power_of_ten(int(exponent))}"


def compact(value: float) -> str:
    """Return a short form for the ticks of an axis.

    >>> compact(0.0), compact(0.25), compact(20_000), compact(1.5e6), compact(1e9), compact(-1e-5)
    ('0', '0.25', '20k', '1.5M', '10⁹', '−10⁻⁵')
    """
    sign = "−" if value < 0 else ""
    size = abs(value)
    if size == 0:
        return "0"
    exponent = math.floor(math.log10(size) + 1e-9)
    if exponent >= 9 or exponent <= -4:
        mantissa = _trim(f"{size / 10.0**exponent:.2f}")
        power = power_of_ten(exponent)
        return sign + (power if mantissa == "1" else f"{mantissa}×{power}")
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit * (1 - 1e-9):
            return f"{sign}{_trim(f'{size / unit:.3g}')}{letter}"
    return sign + _trim(f"{size:.4f}")


def brief(value: float) -> str:
    """Return a number as the label of a line, short also where it is large.

    Near one, where a modulus is decided, it has more digits.

    >>> brief(0.04312), brief(-571_234.0), brief(3.4e12), brief(1.00021)
    ('0.0431', '−571k', '3.4×10¹²', '1.0002')
    """
    if 1e4 <= abs(value) < math.inf:
        return compact(value)
    return human(value, 5 if 0.995 < value < 1.005 else 3).replace(" ", "")


def tick_labels(ticks: list[float]) -> list[str]:
    """Return the labels of an axis: powers of ten throughout where one of them needs it.

    >>> tick_labels([0.0, 500.0, 1000.0]), tick_labels([1.0, 1e4, 1e12])
    (['0', '500', '1k'], ['1', '10⁴', '10¹²'])
    """
    plain = [compact(tick) for tick in ticks]
    if not any("10⁻" in text or "10¹" in text or "10⁹" in text for text in plain):
        return plain
    exponents = [math.log10(abs(tick)) if tick else 0.0 for tick in ticks]
    return [
        ("−" if tick < 0 else "") + power_of_ten(round(k))
        if abs(k) > 2.5 and math.isclose(k, round(k), abs_tol=1e-9)
        else text
        for tick, k, text in zip(ticks, exponents, plain, strict=True)
    ]


def whole(value: int) -> str:
    """Return an integer with thousands marked.

    >>> whole(12345)
    '12,345'
    """
    return f"{value:,}"


def percent(fraction: float) -> str:
    """Return a fraction as a percentage that never rounds to a false 0 % or 100 %.

    >>> percent(0.5), percent(0.001), percent(0.9999), percent(0.0), percent(1.0)
    ('50 %', '< 1 %', '> 99 %', '0 %', '100 %')
    """
    if 0 < fraction < 0.01:
        return "< 1 %"
    if 0.99 < fraction < 1:
        return "> 99 %"
    return f"{fraction * 100:.0f} %" if math.isfinite(fraction) else "NaN"


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return sorted places moved apart to at least ``gap``, kept below ``high`` where they fit.

    >>> spread([10.0, 12.0, 50.0], 8.0, 0.0, 52.0)
    [10.0, 18.0, 50.0]
    >>> spread([50.0, 51.0], 8.0, 0.0, 52.0)
    [44.0, 52.0]
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap if moved else low))
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap if i + 1 < len(moved) else high)
    return moved


def power_of_ten(exponent: int) -> str:
    """Return 10 to a whole power in Unicode superscripts.

    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
