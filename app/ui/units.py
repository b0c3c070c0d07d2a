"""Numbers as people read them: units, narrow spaces, few digits."""

from __future__ import annotations

THIN = "\u202f"  # a narrow space that never breaks, between a number and its unit
UNBROKEN = "\u00a0"  # a space that never breaks, between a number and a word
_KIB = 1024.0


def in_bytes(n_bytes: int) -> str:
    """Return a file size in decimal units, like `72.6 GB`."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{_short(n_bytes / size)}{THIN}{unit}"
    return f"{n_bytes}{THIN}B"


def in_memory(n_bytes: int) -> str:
    """Return an amount of memory in binary units, like `23.5 GiB`."""
    for unit, size in (("GiB", _KIB**3), ("MiB", _KIB**2), ("KiB", _KIB)):
        if n_bytes >= size:
            return f"{_short(n_bytes / size)}{THIN}{unit}"
    return f"{n_bytes}{THIN}B"


def in_time(seconds: float) -> str:
    """Return a duration in its two largest units, like `1 h 20 min`."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole}{THIN}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return _pair(minutes, "min", rest, "s")
    if minutes < 60:
        return f"{minutes}{THIN}min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _pair(hours, "h", minutes, "min")
    return f"{hours // 24}{UNBROKEN}days"


def in_percent(fraction: float) -> str:
    """Return a share of one, like `12 %`."""
    return f"{round(100 * fraction)}{THIN}%"


def in_tokens(count: int) -> str:
    """Return a token count, like `3,136 tokens`."""
    return f"{count:,}{UNBROKEN}{'token' if count == 1 else 'tokens'}"


def in_speed(tokens_per_second: float) -> str:
    """Return a speed of writing, like `34 tokens/s`."""
    digits = 1 if tokens_per_second < 10 else 0
    return f"{tokens_per_second:.{digits}f}{UNBROKEN}tokens/s"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    head = f"{large}{THIN}{large_unit}"
    return f"{head} {small}{THIN}{small_unit}" if small else head


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
