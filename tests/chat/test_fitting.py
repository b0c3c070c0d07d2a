"""The rule by which the oldest turns leave a context that is too small, as a pure function."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.fitting import (
    Fit,
    Limits,
    Probe,
    Step,
    TooLong,
    first_to_try,
    next_step,
    surely_fits,
    turn_starts,
)
from app.core.messages import Message, ReasoningEffort, Role, StopReason, Text, TurnStats

FAST, THINK = ReasoningEffort.NONE, ReasoningEffort.HIGH
NOW = datetime.now(UTC)


def message(number: int, role: Role, text: str = "x", stats: TurnStats | None = None) -> Message:
    return Message(f"m{number}", "c", None, role, (Text(text),) if text else (), NOW, stats=stats)


def talk(n_turns: int, *, empty: frozenset[int] = frozenset()) -> list[Message]:
    """Return turns and a last question; the answers of the `empty` ones have no text."""
    branch: list[Message] = []
    for turn in range(n_turns):
        branch.append(message(2 * turn, Role.USER))
        branch.append(message(2 * turn + 1, Role.ASSISTANT, "" if turn in empty else "x"))
    return [*branch, message(2 * n_turns, Role.USER)]


def settle(branch: list[Message], first: int, tokens: dict[int, int], limits: Limits) -> tuple[Step, int]:
    """Measure as `next_step` asks; return what it comes to and how many measurements that took."""
    measured: dict[int, int] = {}
    while isinstance(step := next_step(turn_starts(branch), first, measured, limits), Probe):
        assert step.start not in measured
        measured[step.start] = tokens[step.start]
    return step, len(measured)


# Tokens of the system prompt, and of each message.
prompts = st.integers(0, 100)
sizes = st.lists(st.integers(1, 400), min_size=1, max_size=60).filter(lambda sizes: len(sizes) % 2 == 1)


@given(system=prompts, sizes=sizes, context=st.integers(16, 8192), data=st.data())
def test_the_rule_holds_for_every_chat(system: int, sizes: list[int], context: int, data: st.DataObject) -> None:
    branch = talk(len(sizes) // 2)
    effort = data.draw(st.sampled_from(list(ReasoningEffort)))
    limits = Limits.of(context, effort)
    left = list(accumulate(reversed(sizes)))[::-1]
    tokens = {start: system + left[start] for start in range(len(branch))}
    first = data.draw(st.sampled_from(turn_starts(branch)))

    step, measurements = settle(branch, first, tokens, limits)

    assert measurements <= 2 + len(branch).bit_length()
    alone = tokens[len(branch) - 1]
    if isinstance(step, TooLong):
        assert step.tokens == alone > limits.room
        return
    assert isinstance(step, Fit)
    assert branch[step.start].role is Role.USER  # whole turns leave; the current question stays
    assert tokens[step.start] <= limits.room < context
    if tokens[first] <= limits.room:
        assert step.start == first  # nothing leaves without need
    else:
        assert step.start > first  # what has left stays out
        assert tokens[step.start] <= limits.target or step.start == len(branch) - 1
        if step.start - 2 > first:
            assert tokens[step.start - 2] > limits.target  # no more than that leaves


def test_what_leaves_at_once_leaves_room_for_further_turns() -> None:
    branch = talk(10)
    tokens = {start: 100 * (len(branch) - start) for start in range(len(branch))}
    limits = Limits.of(2048, FAST)

    step, _ = settle(branch, 0, tokens, limits)

    assert isinstance(step, Fit)
    assert tokens[step.start] <= 2048 * 3 // 4 < limits.room + 1
    longer, _ = settle(talk(11), step.start, {start: tokens.get(start, 100) for start in range(23)}, limits)
    assert longer == Fit(step.start)


@pytest.mark.parametrize(("context", "effort", "room"), [(256, FAST, 192), (8192, FAST, 7168), (65536, THINK, 61440)])
def test_an_answer_has_its_reserve(context: int, effort: ReasoningEffort, room: int) -> None:
    assert Limits.of(context, effort).room == room


def test_a_question_without_an_answer_belongs_to_the_next_one() -> None:
    assert turn_starts(talk(3)) == (0, 2, 4, 6)
    assert turn_starts(talk(3, empty=frozenset({1}))) == (0, 2, 6)
    assert turn_starts([]) == (0,)


def test_the_next_turn_begins_where_the_last_one_did() -> None:
    stats = TurnStats(StopReason.STOP, left_out_messages=2, context_tokens=4096)
    branch = talk(3)
    branch[3] = replace(branch[3], stats=stats)
    branch[5] = replace(branch[5], stats=TurnStats(StopReason.CANCELLED))  # never reached the model

    assert first_to_try(branch, 4096) == first_to_try(branch, 2048) == 2
    assert first_to_try(branch, 8192) == 0  # a larger context may hold everything
    assert first_to_try(branch[:3], 4096) == 0  # another branch, before anything had to leave


def test_what_is_far_from_full_is_not_measured() -> None:
    branch = talk(2)
    assert surely_fits(branch, "", Limits.of(8192, FAST))
    assert not surely_fits(branch, "", Limits.of(4096, FAST))
    assert not surely_fits(branch, "é" * 2000, Limits.of(8192, FAST))
    thoughtful = [replace(branch[0], reasoning="x" * 4000), *branch[1:]]
    assert not surely_fits(thoughtful, "", Limits.of(8192, FAST))
