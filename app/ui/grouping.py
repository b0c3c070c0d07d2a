"""Which heading a conversation stands under in the sidebar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from app.core.messages import ConversationSummary

GROUPS = ("Pinned", "Today", "Yesterday", "Previous 7 days", "Older")


def group_of(summary: ConversationSummary, today: date) -> str:
    """Return the heading for `summary`, by the local date of its last change."""
    if summary.pinned:
        return "Pinned"
    day = summary.updated_at.astimezone().date()
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return "Previous 7 days" if day >= today - timedelta(days=7) else "Older"


def with_headings(summaries: Sequence[ConversationSummary], today: date) -> tuple[str | ConversationSummary, ...]:
    """Return the rows of the list: headings (text) before the conversations they stand for."""
    rows: list[str | ConversationSummary] = []
    for group in GROUPS:
        members = [summary for summary in summaries if group_of(summary, today) == group]
        if members:
            rows += [group, *members]
    return tuple(rows)
