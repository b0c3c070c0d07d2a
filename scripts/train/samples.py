"""What the generated conversations are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

FAST, THINK = "none", "high"


@dataclass
class Message:
    """Hold one message; `learned` marks the answers that count in the loss.

    An answer `letter_by_letter` is learned as single letters: which letters of an unheard word a tokenizer would join
    is nothing to learn.
    """

    role: str
    text: str
    reasoning: str = ""
    pictures: list[Image.Image] = field(default_factory=list)
    learned: bool = True
    letter_by_letter: bool = False


@dataclass
class Sample:
    """Hold a conversation that ends in an answer; `expected` is what an answer must contain to be right."""

    kind: str
    messages: list[Message]
    effort: str
    expected: tuple[str, ...] = ()


def complete(sample: Sample) -> Sample:
    """Give an answer that needs no reasoning a short one, where thinking was asked for."""
    answer = sample.messages[-1]
    if sample.effort == THINK and not answer.reasoning:
        has_picture = any(message.pictures for message in sample.messages)
        answer.reasoning = "I look at the picture." if has_picture else "This needs no long thought."
    return sample
