"""From generated conversations to token ids, through the very prompt code of the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiktoken
from PIL import Image

from app.core.messages import ReasoningEffort, Role
from app.engine.prompt import Control, ImageSlot, Plain, render_mistral
from app.engine.protocol import PictureFile, PromptMessage
from scripts.model_files.vocabulary import Vocabulary, tekken_pattern

from .samples import Sample

# Not the usual statistics: all values are above zero, so that every patch, black ones too, has a part that is the same
# everywhere. Without it, and without biases, a tower can't attend by position before its second layer.
PIXEL_MEAN = np.array([-0.5, -0.5, -0.5], np.float32)
PIXEL_STD = np.array([1.0, 1.0, 1.0], np.float32)


@dataclass
class Encoded:
    """Hold ids, which of them count in the loss, and the pictures with the places of their tokens."""

    ids: list[int] = field(default_factory=list)
    learned: list[bool] = field(default_factory=list)
    pictures: list[tuple[int, Image.Image]] = field(default_factory=list)  # (first position, picture)

    def add(self, ids: list[int], *, learned: bool) -> None:
        """Append ids."""
        self.ids += ids
        self.learned += [learned] * len(ids)


class Encoder:
    """Turn samples into ids with a vocabulary cut from Tekken."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        ranks = {piece: rank for rank, piece in enumerate(vocabulary.ranks)}
        self._text = tiktoken.Encoding("cut", pat_str=tekken_pattern(), mergeable_ranks=ranks, special_tokens={})
        self._first = len(vocabulary.control)

    def text(self, text: str) -> list[int]:
        """Return the ids of plain text."""
        return [self._first + rank for rank in self._text.encode_ordinary(text)]

    def control(self, name: str) -> int:
        """Return the id of a control token."""
        return self._vocabulary.control.index(name)

    def encode(self, sample: Sample) -> Encoded:
        """Return a whole conversation with its last answer, closed by `</s>`."""
        effort = ReasoningEffort(sample.effort)
        messages = [
            PromptMessage(
                Role(message.role),
                message.text,
                tuple(PictureFile(Path(str(number)), "") for number, _ in enumerate(message.pictures)),
                message.reasoning,
            )
            for message in sample.messages
        ]
        pictures = [picture for message in sample.messages for picture in message.pictures]
        encoded = Encoded()
        answers = iter(message for message in sample.messages if message.role == "assistant")
        answer, learned = sample.messages[-1], False
        for segment in render_mistral(messages, effort):
            match segment:
                case ImageSlot():
                    self._add_picture(encoded, pictures[segment.index])
                case Control():
                    encoded.add([self.control(segment.name)], learned=learned)
                    if segment.name == "[/INST]":
                        answer = next(answers)
                        learned = answer.learned
                    elif segment.name == "</s>":
                        learned = False
                case Plain() if learned and answer.letter_by_letter and segment.text == answer.text:
                    encoded.add([ident for letter in segment.text for ident in self.text(letter)], learned=True)
                case Plain():
                    encoded.add(self.text(segment.text), learned=learned)
        return encoded

    def prompt(self, sample: Sample) -> Encoded:
        """Return the conversation without its last answer."""
        shorter = Sample(sample.kind, sample.messages[:-1], sample.effort)
        return self.encode(shorter)

    def _add_picture(self, encoded: Encoded, picture: Image.Image) -> None:
        columns, rows = picture.width // 28, picture.height // 28
        encoded.pictures.append((len(encoded.ids), picture))
        row = [self.control("[IMG]")] * columns
        row_break = self.control("[IMG_BREAK]")
        ids = [*row, *([row_break, *row] * (rows - 1)), self.control("[IMG_END]")]
        encoded.add(ids, learned=False)


def pixels(pictures: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
    """Return the normalised pixels of pictures of one size, [pictures, 3, height, width]."""
    values = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return (values * (1 / (255 * PIXEL_STD)) - PIXEL_MEAN / PIXEL_STD).transpose(0, 3, 1, 2)
