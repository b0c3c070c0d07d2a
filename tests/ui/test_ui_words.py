from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app.core.messages import ConversationSummary
from app.core.paths import RESOURCES
from app.ui.grouping import group_of, with_headings
from app.ui.units import in_bytes, in_memory, in_percent, in_time, in_tokens


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0\u202fB"),
        (999, "999\u202fB"),
        (1500, "1.5\u202fkB"),
        (72_640_000_000, "72.6\u202fGB"),
        (2_000_000_000_000, "2\u202fTB"),
    ],
)
def test_file_sizes(n_bytes: int, words: str) -> None:
    assert in_bytes(n_bytes) == words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(24 * 1024**3, "24\u202fGiB"), (1536 * 1024**2, "1.5\u202fGiB"), (410 * 1024**2, "410\u202fMiB")],
)
def test_memory_sizes(n_bytes: int, words: str) -> None:
    assert in_memory(n_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1\u202fs"),
        (59, "59\u202fs"),
        (61, "1\u202fmin 1\u202fs"),
        (120, "2\u202fmin"),
        (1200, "20\u202fmin"),
        (4800, "1\u202fh 20\u202fmin"),
        (3 * 86400, "3\u00a0days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert in_time(seconds) == words


def test_tokens_and_shares() -> None:
    assert in_tokens(1) == "1\u00a0token"
    assert in_tokens(3080) == "3,080\u00a0tokens"
    assert in_percent(0.124) == "12\u202f%"


def local_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12).astimezone()


TODAY = date(2026, 3, 10)


@pytest.mark.parametrize(
    ("days_old", "group"),
    [
        (0, "Today"),
        (1, "Yesterday"),
        (2, "Previous 7 days"),
        (7, "Previous 7 days"),
        (8, "Older"),
        (-1, "Today"),
    ],
)
def test_groups_go_by_the_local_date(days_old: int, group: str) -> None:
    when = local_noon(TODAY - timedelta(days=days_old)).astimezone(UTC)
    assert group_of(ConversationSummary("c", "t", when, when), TODAY) == group


def test_pinned_chats_come_first_and_empty_groups_not_at_all() -> None:
    when = local_noon(TODAY)
    old = local_noon(TODAY - timedelta(days=90))
    fresh = ConversationSummary("1", "Fresh", when, when)
    pinned = ConversationSummary("2", "Pinned", old, old, pinned=True)
    assert with_headings((fresh, pinned), TODAY) == ("Pinned", pinned, "Today", fresh)


def test_the_icons_stand_beside_their_licence() -> None:
    assert "ISC License" in (RESOURCES / "icons" / "LICENSE-lucide.txt").read_text(encoding="utf-8")
