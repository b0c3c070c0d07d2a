"""Which turns of a chat the model sees when not all of them fit its context.

The rule: whole turns (a question with its answer) leave, the oldest first; the system prompt and the current
question stay. Once something has to leave, so much leaves that the rest fills at most three quarters of the
context, because the model reads everything again whenever its beginning changes. What has left stays out
while the context is no larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.messages import Message, ReasoningEffort, Role, newest_view

_MOST_RESERVED = {ReasoningEffort.NONE: 1024, ReasoningEffort.HIGH: 4096}
# What a prompt takes besides texts and pictures: settings, marks, what templates add.
_MARKUP_TOKENS = 4096
_MESSAGE_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold what a prompt may take of a context, in tokens: at most `room`, and `target` once something leaves."""

    room: int
    target: int

    @classmethod
    def of(cls, context_tokens: int, effort: ReasoningEffort) -> Limits:
        """Return the limits of a context, with a reserve for the answer."""
        reserve = min(context_tokens // 4, _MOST_RESERVED[effort])
        return cls(context_tokens - reserve, context_tokens * 3 // 4)


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask how many tokens the branch takes from message number `start` on."""

    start: int


@dataclass(frozen=True, slots=True)
class Fit:
    """Say that the branch fits from message number `start` on."""

    start: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """Say that even the current question alone takes too many `tokens`."""

    tokens: int


Step = Probe | Fit | TooLong


def turn_starts(branch: Sequence[Message]) -> tuple[int, ...]:
    """Return the numbers of the messages at which the branch may begin: questions that follow an answer.

    A question whose answer stayed empty belongs to the next one: the model gets both as one.
    """
    return tuple(
        number
        for number, message in enumerate(branch)
        if message.role is Role.USER
        and (number == 0 or (branch[number - 1].role is Role.ASSISTANT and _has_text(branch[number - 1])))
    ) or (0,)


def first_to_try(branch: Sequence[Message], context_tokens: int) -> int:
    """Return where to begin: where the last turn began, or at the first message if the context has grown."""
    cut = newest_view(branch)
    if cut is None or cut.context_tokens < context_tokens:
        return 0
    return max((start for start in turn_starts(branch) if start <= cut.left_out_messages), default=0)


def next_step(starts: Sequence[int], first: int, measured: Mapping[int, int], limits: Limits) -> Step:
    """Return what to measure next, or what it all comes to.

    `measured` holds the tokens from each number on that was measured before. At most a handful of measurements
    is asked for: the first start, the last one, and a binary search between them.
    """
    if first not in measured:
        return Probe(first)
    if measured[first] <= limits.room:
        return Fit(first)
    last = starts[-1]
    if last not in measured:
        return Probe(last)
    if measured[last] > limits.room:
        return TooLong(measured[last])
    later = [start for start in starts if first < start]
    low, high = 0, len(later) - 1  # the last one is taken if none meets the target
    while low < high:
        middle = (low + high) // 2
        if later[middle] not in measured:
            return Probe(later[middle])
        if measured[later[middle]] <= limits.target:
            high = middle
        else:
            low = middle + 1
    return Fit(later[low])


def surely_fits(branch: Sequence[Message], system_prompt: str, limits: Limits) -> bool:
    """Tell without measuring whether a branch is far from filling the context: a token takes at least one byte."""
    texts = (message.text + message.reasoning for message in branch)
    written = sum(len(text.encode("utf-8", "replace")) for text in (system_prompt, *texts))
    pictures = sum(picture.tokens for message in branch for picture in message.pictures)
    return written + 2 * pictures + _MESSAGE_TOKENS * len(branch) + _MARKUP_TOKENS <= limits.room


def _has_text(message: Message) -> bool:
    return bool(message.text)
