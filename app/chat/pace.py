"""How long the reading of a long prompt still takes."""

from __future__ import annotations

_SURE_AFTER_S = 1.0
_WORTH_TELLING_S = 3.0


class Pace:
    """Follow how fast a prompt is read. What was known already, when the first count came, took no time."""

    def __init__(self) -> None:
        self._begun_s: float | None = None
        self._known_tokens = 0
        self._tells = False

    def seconds_left(self, done_tokens: int, total_tokens: int, now_s: float) -> float | None:
        """Return the seconds that are left, or None while that is unsure or too short to be told."""
        if self._begun_s is None:
            self._begun_s, self._known_tokens = now_s, done_tokens
        elapsed_s = now_s - self._begun_s
        read = done_tokens - self._known_tokens
        if elapsed_s < _SURE_AFTER_S or read <= 0:
            return None
        left_s = (total_tokens - done_tokens) * elapsed_s / read
        self._tells = self._tells or left_s >= _WORTH_TELLING_S  # once told, it is told to the end
        return left_s if self._tells else None
