"""One turn: read the prompt, write the answer, tell every step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.core.errors import Cancelled, ContextFull
from app.core.messages import ReasoningEnd, StopReason, TurnStats
from app.engine.child.cancellation import Cancellation
from app.engine.child.model import OpenModel
from app.engine.child.prompting import Prompt
from app.engine.child.sampling import Sampler, check_sampling
from app.engine.child.session import Entry, count_tokens, pieces_of
from app.engine.child.streaming import Answer, Piece, Reasoning, ReasoningClosed, TokenReader
from app.engine.protocol import (
    AnswerPiece,
    EngineEvent,
    Generated,
    GenerateRequest,
    Prefilled,
    ReasoningEnded,
    ReasoningPiece,
    Rendered,
)

_PROGRESS_INTERVAL_S = 0.05


class Turn:
    """Answer one GenerateRequest with `model`."""

    def __init__(
        self,
        model: OpenModel,
        request: GenerateRequest,
        send: Callable[[EngineEvent], None],
        cancellation: Cancellation,
    ) -> None:
        self._model = model
        self._request = request
        self._id = request.request_id
        self._send = send
        self._cancellation = cancellation
        self._clock = _Clock()
        self._reasoning_end = ReasoningEnd.MODEL

    def run(self) -> None:
        """Generate; the last event sent is Generated. Raises AppError other than Cancelled."""
        check_sampling(self._request.sampling)
        prompt = self._model.prompter.build(self._request.messages, self._request.effort)
        self._check_room(prompt)
        kept = self._model.recall.resume(prompt)
        cached = count_tokens(prompt.entries[:kept])
        self._send(Rendered(self._id, prompt.settings, prompt.tokens, cached))
        reader = TokenReader(self._model.vocabulary.piece, self._model.think_marks, reasoning=prompt.opens_reasoning)
        try:
            self._read(prompt.entries[kept:], cached, prompt.tokens)
            reason = self._write(reader, prompt.entries)
        except Cancelled:
            reason = StopReason.CANCELLED
        finally:
            self._model.recall.remember(reader.spoken)
        self._tell(reader.finish())
        stats = replace(self._clock.stats(reason, prompt, cached), reasoning_end=self._reasoning_end)
        self._send(Generated(self._id, stats))

    def _check_room(self, prompt: Prompt) -> None:
        room = self._model.session.context_tokens
        if prompt.tokens >= room:
            raise ContextFull(
                f"The conversation takes {prompt.tokens:,} tokens, but the model's context holds {room:,}. "
                "Start a new chat, leave something out, or load the model with a longer context."
            )

    def _read(self, entries: Sequence[Entry], done: int, total: int) -> None:
        self._clock.begin_reading()
        told_at = -_PROGRESS_INTERVAL_S
        for piece in pieces_of(entries):
            now = time.monotonic()
            if now - told_at >= _PROGRESS_INTERVAL_S:
                self._send(Prefilled(self._id, done, total))
                told_at = now
            self._cancellation.check()
            self._model.session.decode(piece)
            done += count_tokens(piece)
            self._clock.note_reading()
        self._send(Prefilled(self._id, total, total))

    def _write(self, reader: TokenReader, prompt: Sequence[Entry]) -> StopReason:
        session, vocabulary = self._model.session, self._model.vocabulary
        before = [entry for entry in prompt if isinstance(entry, int)]
        forced: deque[int] = deque()
        with Sampler(self._request.sampling, session.context, before) as sampler:
            while not self._cancellation.requested:
                if reader.reasoning and not forced:
                    forced.extend(self._closing_tokens())
                token = self._force(forced, sampler) if forced else sampler.draw()
                if vocabulary.ends_answer(token):
                    return StopReason.STOP
                was_reasoning = reader.reasoning
                pieces = reader.take(token)
                self._clock.count_token(was_reasoning=was_reasoning, reasoning=reader.reasoning)
                self._tell(pieces)
                if self._request.max_tokens is not None and self._clock.tokens >= self._request.max_tokens:
                    return StopReason.LENGTH
                if session.tokens >= session.context_tokens:
                    return StopReason.LENGTH
                session.decode([token])
        return StopReason.CANCELLED

    def _closing_tokens(self) -> list[int]:
        """Return what ends the reasoning in the model's stead, if it is to end."""
        budget = self._request.think_budget
        if self._cancellation.hurried:
            self._reasoning_end = ReasoningEnd.PERSON
        elif 0 < budget <= self._clock.reasoning_tokens:
            self._reasoning_end = ReasoningEnd.BUDGET
        else:
            return []
        vocabulary = self._model.vocabulary
        return self._model.think_marks.to_close(lambda tag: vocabulary.tokenize(tag, parse_special=True))

    @staticmethod
    def _force(forced: deque[int], sampler: Sampler) -> int:
        sampler.accept(forced[0])
        return forced.popleft()

    def _tell(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Reasoning(text):
                    self._send(ReasoningPiece(self._id, text))
                case Answer(text):
                    self._send(AnswerPiece(self._id, text))
                case ReasoningClosed():
                    clock = self._clock
                    end = self._reasoning_end
                    self._send(ReasoningEnded(self._id, clock.reasoning_ms, clock.reasoning_tokens, end))


class _Clock:
    """Measure one turn."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._reading_since = self._read_at = self._first_at = self._last_at = 0.0
        self._reasoning_since: float | None = None
        self._reasoning_s = 0.0
        self.tokens = 0
        self.reasoning_tokens = 0

    def begin_reading(self) -> None:
        self._reading_since = self._read_at = time.monotonic()

    def note_reading(self) -> None:
        self._read_at = time.monotonic()

    def count_token(self, *, was_reasoning: bool, reasoning: bool) -> None:
        self._last_at = time.monotonic()
        self._first_at = self._first_at or self._last_at
        self.tokens += 1
        self.reasoning_tokens += was_reasoning and reasoning  # without the tokens that open and close it
        self._time_reasoning(reasoning=reasoning)

    def _time_reasoning(self, *, reasoning: bool) -> None:
        if reasoning and self._reasoning_since is None:
            self._reasoning_since = self._last_at
        elif not reasoning and self._reasoning_since is not None:
            self._reasoning_s += self._last_at - self._reasoning_since
            self._reasoning_since = None

    @property
    def reasoning_ms(self) -> float:
        open_s = 0.0 if self._reasoning_since is None else self._last_at - self._reasoning_since
        return (self._reasoning_s + open_s) * 1000

    def stats(self, reason: StopReason, prompt: Prompt, cached: int) -> TurnStats:
        writing_s = self._last_at - self._first_at
        return TurnStats(
            stop_reason=reason,
            prompt_tokens=prompt.tokens,
            cached_tokens=cached,
            image_tokens=prompt.image_tokens,
            generated_tokens=self.tokens,
            reasoning_tokens=self.reasoning_tokens,
            prefill_ms=(self._read_at - self._reading_since) * 1000,
            first_token_ms=(self._first_at - self._started) * 1000 if self.tokens else 0.0,
            reasoning_ms=self.reasoning_ms,
            tokens_per_second=(self.tokens - 1) / writing_s if writing_s > 0 else 0.0,
        )
