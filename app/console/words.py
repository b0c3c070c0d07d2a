"""Numbers as the terminal shows them: plain spaces, few digits."""

from __future__ import annotations

from datetime import datetime


def in_bytes(n_bytes: float) -> str:
    """Return a size in decimal units, like `72.6 GB`."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"


def in_time(seconds: float) -> str:
    """Return a duration in its largest units, like `1 h 20 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def in_days(when: datetime | None) -> str:
    """Return a moment as a local date, `never` without one."""
    return "never" if when is None else when.astimezone().strftime("%Y-%m-%d")
