"""Generated tokens as they become text: bytes to characters, reasoning apart from the answer."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field

_TAGS = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Carry reasoning text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningClosed:
    """Say that the reasoning is over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Carry answer text."""

    text: str


Piece = Reasoning | ReasoningClosed | Answer


@dataclass(frozen=True, slots=True)
class ThinkMarks:
    """Name the tokens that open and close reasoning; None where only text tags can."""

    opening: int | None = None
    closing: int | None = None

    def to_close(self, tokenize: Callable[[str], list[int]]) -> list[int]:
        """Return the tokens that close reasoning; `tokenize` cuts the tag into tokens where it has to be written."""
        return [self.closing] if self.closing is not None else tokenize(_TAGS[1])


@dataclass(slots=True)
class Spoken:
    """Collect a stretch of text with the tokens that made it."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)


class TokenReader:
    """Turn tokens into pieces of reasoning and answer.

    `piece` gives a token's bytes. Reasoning is told by the tokens of `marks`, or, where the vocabulary has
    none, by <think> at the very start. `spoken` keeps whole stretches with their tokens, so that the next
    prompt can repeat exactly what the model wrote.
    """

    def __init__(self, piece: Callable[[int], bytes], marks: ThinkMarks, *, reasoning: bool = False) -> None:
        self._piece = piece
        self._marks = marks
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tags = TagSplitter(reasoning=reasoning) if marks.opening is None else None
        self._reasoning = reasoning
        self.spoken: list[Spoken] = [Spoken()]

    @property
    def reasoning(self) -> bool:
        """Return whether the model is reasoning now."""
        return self._tags.reasoning if self._tags is not None else self._reasoning

    def take(self, token: int) -> list[Piece]:
        """Return what `token` adds."""
        if self._marks.opening is not None and token in {self._marks.opening, self._marks.closing}:
            return self._turn(reasoning=token == self._marks.opening)
        text = self._decoder.decode(self._piece(token))
        self.spoken[-1].text += text
        self.spoken[-1].tokens.append(token)
        return self._sort(text)

    def finish(self) -> list[Piece]:
        """Return what was held back: half a character, half a tag."""
        text = self._decoder.decode(b"", final=True)
        self.spoken[-1].text += text
        return self._sort(text) + (self._tags.finish() if self._tags is not None else [])

    def _turn(self, *, reasoning: bool) -> list[Piece]:
        text = self._decoder.decode(b"", final=True)
        self.spoken[-1].text += text
        pieces = self._sort(text)
        if self._reasoning and not reasoning:
            pieces.append(ReasoningClosed())
        self._reasoning = reasoning
        self.spoken.append(Spoken())
        return pieces

    def _sort(self, text: str) -> list[Piece]:
        if self._tags is not None:
            return self._tags.take(text)
        if not text:
            return []
        return [Reasoning(text) if self._reasoning else Answer(text)]


class TagSplitter:
    """Split text at <think> and </think>, which may arrive in parts.

    Only a <think> that nothing but blanks precede opens reasoning: later it is something the answer says.
    """

    def __init__(self, *, reasoning: bool = False) -> None:
        self.reasoning = reasoning
        self._may_open = not reasoning
        self._held = ""

    def take(self, text: str) -> list[Piece]:
        """Return what can be told of the text so far."""
        self._held += text
        pieces: list[Piece] = []
        if self._may_open:
            self._look_for_opening()
        if self.reasoning:
            pieces += self._reasoning_pieces()
        if not self.reasoning and not self._may_open:
            pieces += self.finish()
        return pieces

    def finish(self) -> list[Piece]:
        """Return what is held back."""
        text, self._held = self._held, ""
        if not text:
            return []
        return [Reasoning(text) if self.reasoning else Answer(text)]

    def _look_for_opening(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_TAGS[0]):
            self._held = start[len(_TAGS[0]) :]
            self.reasoning, self._may_open = True, False
        elif not _TAGS[0].startswith(start):
            self._may_open = False

    def _reasoning_pieces(self) -> list[Piece]:
        before, found, after = self._held.partition(_TAGS[1])
        if found:
            self._held, self.reasoning = after, False
            return [*([Reasoning(before)] if before else []), ReasoningClosed()]
        sure = len(self._held) - _overlap(self._held, _TAGS[1])
        before, self._held = self._held[:sure], self._held[sure:]
        return [Reasoning(before)] if before else []


def _overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:n])), 0)
