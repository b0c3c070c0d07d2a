"""Measure, with the engine's help, what of a chat fits the model's context."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.chat.desk import EngineDesk
from app.chat.drafts import new_message
from app.chat.fitting import Fit, Limits, Probe, Step, TooLong, first_to_try, next_step, surely_fits, turn_starts
from app.chat.model_slot import ModelSlot
from app.core.errors import AppError, ContextFull
from app.core.messages import Message, Part, ReasoningEffort, Role
from app.engine.protocol import Died, EngineEvent, Measured, MeasureRequest, PromptMessage, RequestFailed

Build = Callable[[Sequence[Message]], tuple[PromptMessage, ...]]
Refuse = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Say from which message on a branch fits.

    `tokens_before` is what it took before anything left it for this turn; `leaves_more` says whether anything does.
    """

    start: int
    tokens_before: int
    leaves_more: bool


Outcome = Fitted | TooLong | RequestFailed | Died


class Fitting:
    """Find out what of one branch fits; `done` gets the outcome, unless the fitting is withdrawn before."""

    def __init__(
        self,
        desk: EngineDesk,
        slot: ModelSlot,
        build: Build,
        branch: Sequence[Message],
        effort: ReasoningEffort,
        done: Callable[[Outcome], None],
    ) -> None:
        self._desk = desk
        self._slot = slot
        self._build = build
        self._branch = branch
        self._effort = effort
        self._done: Callable[[Outcome], None] | None = done
        self._measured: dict[int, int] = {}
        self._request_id = ""

    def begin(self) -> None:
        """Ask for the first measurement; the model may still be loading."""
        self._take(self._step())

    def withdraw(self) -> None:
        """Measure nothing more and tell no outcome."""
        self._done = None
        self._desk.cancel(self._request_id)

    def _step(self) -> Step:
        if not self._slot.is_ready:
            return Probe(0)  # how long the context is nobody knows yet
        limits = Limits.of(self._slot.context_tokens, self._effort)
        return next_step(turn_starts(self._branch), self._first, self._measured, limits)

    @property
    def _first(self) -> int:
        return first_to_try(self._branch, self._slot.context_tokens)

    def _take(self, step: Step) -> None:
        match step:
            case Probe(start):
                self._request_id = uuid.uuid4().hex
                request = MeasureRequest(self._request_id, self._build(self._branch[start:]), self._effort)
                self._desk.submit(request, lambda event: self._receive(start, event))
            case Fit(start):
                self._tell(Fitted(start, self._measured[self._first], start > self._first))
            case TooLong():
                self._tell(step)

    def _receive(self, start: int, event: EngineEvent) -> None:
        if isinstance(event, RequestFailed | Died):
            self._tell(event)
        elif isinstance(event, Measured) and self._done is not None:
            self._measured[start] = event.tokens
            self._take(self._step())

    def _tell(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


class Fitter:
    """Fit one branch at a time; on the worker thread only."""

    def __init__(self, desk: EngineDesk, slot: ModelSlot, build: Build, system_prompt: Callable[[], str]) -> None:
        self._desk = desk
        self._slot = slot
        self._build = build
        self._system_prompt = system_prompt
        self._fitting: Fitting | None = None

    @property
    def is_busy(self) -> bool:
        """Say whether something is being measured."""
        return self._fitting is not None

    def surely_fits(self, branch: Sequence[Message], effort: ReasoningEffort) -> bool:
        """Tell without measuring whether a branch is far from filling the context of the model in use."""
        limits = Limits.of(self._slot.context_tokens, effort)
        return surely_fits(branch, self._system_prompt(), limits)

    def fit(self, branch: Sequence[Message], effort: ReasoningEffort, settle: Callable[[Outcome], None]) -> None:
        """Measure and hand the outcome to `settle`."""

        def done(outcome: Outcome) -> None:
            self._fitting = None
            settle(outcome)

        self._fitting = Fitting(self._desk, self._slot, self._build, branch, effort, done)
        self._fitting.begin()

    def withdraw(self) -> None:
        """Measure nothing more."""
        fitting, self._fitting = self._fitting, None
        if fitting is not None:
            fitting.withdraw()

    def check_length(
        self, parts: tuple[Part, ...], effort: ReasoningEffort, go_on: Callable[[], None], refuse: Refuse
    ) -> None:
        """Go on if a question of `parts` fits the context alone, or if nobody knows yet because no model is ready."""
        question = new_message("", None, Role.USER, parts, effort)
        if not self._slot.is_ready or self.surely_fits((question,), effort):
            go_on()
            return

        def settle(outcome: Outcome) -> None:
            match outcome:
                case TooLong(tokens):
                    refuse(str(explain_length(tokens, self._slot.context_tokens, effort)))
                case Died(error):
                    refuse(str(error))
                case _:
                    try:
                        go_on()
                    except AppError as error:
                        refuse(str(error))

        self.fit((question,), effort, settle)


def explain_length(tokens: int, context_tokens: int, effort: ReasoningEffort) -> ContextFull:
    """Return the error that says that a question alone is too long."""
    room = Limits.of(context_tokens, effort).room
    return ContextFull(
        f"This message takes {tokens:,} tokens, but the model’s context has room for {room:,} beside an answer. "
        "Shorten it, leave out a picture, or load the model with a longer context."
    )
