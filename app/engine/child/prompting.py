"""A conversation as the entries the model reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import GenerationFailed
from app.core.messages import ReasoningEffort
from app.engine.child.session import Entry, count_tokens
from app.engine.child.streaming import Spoken
from app.engine.child.vocabulary import Vocabulary
from app.engine.prompt import Control, ImageSlot, Markup, Plain, Segment, settings_text
from app.engine.protocol import PictureFile, PromptMessage

Render = Callable[[Sequence[PromptMessage], ReasoningEffort], tuple[Segment, ...]]

_REMEMBERED_TOKENS = 1 << 20
_THINK_TAG = "<think>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold a prompt's entries, its settings block, its pictures' tokens and whether it opens reasoning.

    `written` is what the model wrote itself, as it stands in the prompt.
    """

    entries: tuple[Entry, ...]
    settings: str
    image_tokens: int
    opens_reasoning: bool
    written: tuple[Spoken, ...] = ()

    @property
    def tokens(self) -> int:
        """Return the room the prompt takes in the context."""
        return count_tokens(self.entries)


class Pictures(Protocol):
    """Know how pictures stand in a prompt."""

    def entries(self, picture: PictureFile) -> tuple[Entry, ...]:
        """Return what stands for `picture`. Raises PictureError."""
        ...


class Prompter:
    """Render conversations and turn them into tokens and pictures.

    What the model wrote itself is put back with the very tokens it wrote: the same text can be cut into
    tokens in more than one way, and only the same tokens are found again in the model's memory.
    """

    def __init__(self, render: Render, vocabulary: Vocabulary, pictures: Pictures | None, first: int | None) -> None:
        self._render = render
        self._vocabulary = vocabulary
        self._pictures = pictures
        self._first = first
        self._remembered: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._remembered_tokens = 0

    def build(self, messages: Sequence[PromptMessage], effort: ReasoningEffort) -> Prompt:
        """Return the prompt for `messages`. Raises PictureError, ModelNotSupported, GenerationFailed."""
        pictures = [picture for message in messages for picture in message.pictures]
        segments = self._render(messages, effort)
        entries: list[Entry] = []
        image_tokens = 0
        run: list[Plain | Markup] = []
        for segment in segments:
            if isinstance(segment, Markup) or (isinstance(segment, Plain) and segment.text not in self._remembered):
                run.append(segment)
                continue
            entries += self._tokenize(run)
            run = []
            if isinstance(segment, ImageSlot):
                picture = self._picture(pictures[segment.index])
                image_tokens += count_tokens(picture)
                entries += picture
            else:
                entries += self._exact(segment)
        entries += self._tokenize(run)
        if self._first is not None and entries[:1] != [self._first]:
            entries.insert(0, self._first)
        return Prompt(
            tuple(entries), settings_text(segments), image_tokens, _opens_reasoning(segments), self._written(segments)
        )

    def remember(self, spoken: Sequence[Spoken]) -> None:
        """Keep the tokens of what the model wrote."""
        for stretch in spoken:
            if stretch.text and not any(map(self._vocabulary.is_control, stretch.tokens)):
                self._remembered_tokens += len(stretch.tokens) - len(self._remembered.pop(stretch.text, ()))
                self._remembered[stretch.text] = tuple(stretch.tokens)
        while self._remembered_tokens > _REMEMBERED_TOKENS:
            _, tokens = self._remembered.popitem(last=False)
            self._remembered_tokens -= len(tokens)

    def learn(self, spoken: Sequence[Spoken]) -> None:
        """Remember what a file says that the model wrote, where its tokens do make its text."""
        self.remember([stretch for stretch in spoken if self._is_true(stretch)])

    def _is_true(self, stretch: Spoken) -> bool:
        if not all(0 <= token < self._vocabulary.size for token in stretch.tokens):
            return False
        return b"".join(map(self._vocabulary.piece, stretch.tokens)).decode("utf-8", "replace") == stretch.text

    def _written(self, segments: Sequence[Segment]) -> tuple[Spoken, ...]:
        texts = dict.fromkeys(segment.text for segment in segments if isinstance(segment, Plain))
        found = [text for text in texts if text in self._remembered]
        for text in found:  # what is in use is forgotten last
            self._remembered.move_to_end(text)
        return tuple(Spoken(text, list(self._remembered[text])) for text in found)

    def _exact(self, segment: Control | Plain) -> Sequence[int]:
        if isinstance(segment, Control):
            return [self._vocabulary.control(segment.name)]
        return self._remembered[segment.text]

    def _picture(self, picture: PictureFile) -> tuple[Entry, ...]:
        if self._pictures is None:
            raise GenerationFailed(
                "This model can't see pictures, because it was opened without a projector. Open it with its "
                "projector (mmproj file), or start a chat without pictures."
            )
        return self._pictures.entries(picture)

    def _tokenize(self, run: list[Plain | Markup]) -> list[int]:
        """Return the tokens of text that stands together.

        A template's text and a person's text are best cut into tokens as one, as the model was trained.
        But if that made control tokens that the template's own parts do not have, each part is taken
        by itself: what a person wrote never becomes a control token.
        """
        apart = [
            token
            for part in run
            for token in self._vocabulary.tokenize(part.text, parse_special=isinstance(part, Markup))
        ]
        if len(run) < 2 or not any(isinstance(part, Markup) for part in run):
            return apart
        together = self._vocabulary.tokenize("".join(part.text for part in run), parse_special=True)
        return together if self._controls(together) == self._controls(apart) else apart

    def _controls(self, tokens: list[int]) -> list[int]:
        return [token for token in tokens if self._vocabulary.is_control(token)]


def _opens_reasoning(segments: Sequence[Segment]) -> bool:
    """Return whether a template has begun the reasoning in the model's stead, as some do."""
    last = segments[-1] if segments else None
    return isinstance(last, Markup) and last.text.rstrip().endswith(_THINK_TAG)
