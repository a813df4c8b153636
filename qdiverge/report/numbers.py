"""Numbers as a person writes them."""

import math

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


def power_of_ten(exponent: int) -> str:
    """Return 10 to a whole power in Unicode superscripts.

    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
