"""What the column says about a message, in words."""

from __future__ import annotations

from app.core.messages import Message, MessageState, ReasoningEnd, Role, StopReason, TurnStats
from app.ui.units import THIN, in_percent, in_time, in_tokens

_NAME_LIMIT = 4_000  # characters a screen reader gets
_SHORT_S = 9.95  # below, tenths of a second say more


def thinking_title(seconds: float) -> str:
    """Return the header of reasoning that is under way, like `Thinking… 5 s`."""
    return f"Thinking… {in_time(seconds)}" if seconds >= 1 else "Thinking…"


_REASONING_ENDS = {
    ReasoningEnd.MODEL: "",
    ReasoningEnd.BUDGET: "budget reached",
    ReasoningEnd.PERSON: "you asked for the answer",
}


def thought_title(seconds: float, tokens: int, end: ReasoningEnd = ReasoningEnd.MODEL) -> str:
    """Return the header of finished reasoning, like `Thought for 12 s · 840 tokens · budget reached`."""
    duration = f"{max(seconds, 0.1):.1f}{THIN}s" if seconds < _SHORT_S else in_time(seconds)
    parts = [f"Thought for {duration}" if seconds > 0 else "Thought"]
    if tokens > 0:
        parts.append(short_tokens(tokens))
    return " · ".join([*parts, *filter(None, [_REASONING_ENDS[end]])])


def reading_title(done_tokens: int, total_tokens: int, seconds_left: float | None = None) -> str:
    """Return how far the prompt has been read: `Reading… 45 %`, or `Reading… 5,400 of 12,000 tokens · 24 s left`."""
    if total_tokens <= 0 or done_tokens <= 0:
        return "Reading…"
    if seconds_left is None:
        return f"Reading… {in_percent(min(1.0, done_tokens / total_tokens))}"
    return f"Reading… {min(done_tokens, total_tokens):,} of {in_tokens(total_tokens)} · {in_time(seconds_left)} left"


def stats_line(stats: TurnStats) -> str:
    """Return what a turn took, like `1.2k tokens · 34 tokens/s · first after 0.4 s`."""
    parts = []
    if stats.generated_tokens > 0:
        parts.append(short_tokens(stats.generated_tokens))
    if stats.tokens_per_second > 0:
        parts.append(f"{_few_digits(stats.tokens_per_second)}{THIN}tokens/s")
    if stats.first_token_ms > 0:
        parts.append(f"first after {_few_digits(stats.first_token_ms / 1000)}{THIN}s")
    return " · ".join(parts)


def short_tokens(count: int) -> str:
    """Return a token count in few digits, like `1.2k tokens`."""
    if count < 1_000:
        return f"{count}{THIN}{'token' if count == 1 else 'tokens'}"
    thousands = count / 1_000
    return f"{thousands:.1f}k{THIN}tokens" if thousands < 99.95 else f"{thousands:.0f}k{THIN}tokens"


def status_line(message: Message) -> str:
    """Return why an answer is not whole, or nothing where it is."""
    match message.state:
        case MessageState.STOPPED:
            return "Stopped"
        case MessageState.INTERRUPTED:
            return "The program ended while this was written."
        case _:
            return ""


def context_notice(message: Message) -> str:
    """Return that an answer ends because the context is full, or nothing where it does not."""
    if message.state is not MessageState.COMPLETE or message.stats is None:
        return ""
    is_cut = message.stats.stop_reason is StopReason.LENGTH
    return "The context is full, so the answer ends here." if is_cut else ""


def settings_note(settings: str) -> str:
    """Return what stood in the prompt, as a tooltip says it."""
    return f"Settings in the prompt: {settings}" if settings else ""


def spoken_name(message: Message) -> str:
    """Return what a screen reader calls a message."""
    who = "You" if message.role is Role.USER else "Answer"
    n_pictures = len(message.pictures)
    pictures = f" ({n_pictures} {'picture' if n_pictures == 1 else 'pictures'})" if n_pictures else ""
    return f"{who}{pictures}: {message.text[:_NAME_LIMIT]}"


def _few_digits(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
