"""A conversation as the entries the model reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.core.errors import GenerationFailed
from app.core.messages import ReasoningEffort
from app.engine.child.session import Entry, count_tokens
from app.engine.child.streaming import Spoken
from app.engine.child.vision import Vision
from app.engine.child.vocabulary import Vocabulary
from app.engine.prompt import Control, ImageSlot, Markup, Plain, Segment, settings_text
from app.engine.protocol import PictureFile, PromptMessage

Render = Callable[[Sequence[PromptMessage], ReasoningEffort], tuple[Segment, ...]]

_REMEMBERED = 256
_THINK_TAG = "<think>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold a prompt's entries, its settings block, its pictures' tokens and whether it opens reasoning."""

    entries: tuple[Entry, ...]
    settings: str
    image_tokens: int
    opens_reasoning: bool

    @property
    def tokens(self) -> int:
        """Return the room the prompt takes in the context."""
        return count_tokens(self.entries)


class Prompter:
    """Render conversations and turn them into tokens and pictures.

    What the model wrote itself is put back with the very tokens it wrote: the same text can be cut into
    tokens in more than one way, and only the same tokens are found again in the model's memory.
    """

    def __init__(self, render: Render, vocabulary: Vocabulary, vision: Vision | None, first: int | None) -> None:
        self._render = render
        self._vocabulary = vocabulary
        self._vision = vision
        self._first = first
        self._remembered: OrderedDict[str, tuple[int, ...]] = OrderedDict()

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
        return Prompt(tuple(entries), settings_text(segments), image_tokens, _opens_reasoning(segments))

    def remember(self, spoken: Sequence[Spoken]) -> None:
        """Keep the tokens of what the model wrote."""
        for stretch in spoken:
            if stretch.text and not any(map(self._vocabulary.is_control, stretch.tokens)):
                self._remembered[stretch.text] = tuple(stretch.tokens)
                self._remembered.move_to_end(stretch.text)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _exact(self, segment: Control | Plain) -> Sequence[int]:
        if isinstance(segment, Control):
            return [self._vocabulary.control(segment.name)]
        return self._remembered[segment.text]

    def _picture(self, picture: PictureFile) -> tuple[Entry, ...]:
        if self._vision is None:
            raise GenerationFailed(
                "This model can't see pictures, because it was opened without a projector. Open it with its "
                "projector (mmproj file), or start a chat without pictures."
            )
        return self._vision.entries(picture)

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
