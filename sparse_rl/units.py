"""Bytes, times and returns as a person reads them."""

from __future__ import annotations


def in_bytes(count: float) -> str:
    """A number of bytes: 512 B, 1.5 kB, 23 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def in_time(seconds: float) -> str:
    """Minutes and seconds, 4:05; from an hour on with hours, 1:04:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_figures(value: float, figures: int = 4) -> str:
    """So many figures of a number, or all of those before its point: -1.234, 12,345."""
    whole = abs(value) >= 10 ** (figures - 1)
    return f"{value:,.0f}" if whole else f"{value:.{figures}g}"
