"""Prompts as token segments, so that what a person wrote can never become a control token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.messages import ReasoningEffort, Role
from app.engine.protocol import PromptMessage


@dataclass(frozen=True, slots=True)
class Control:
    """Stand for one control token, by its name in the vocabulary (`[INST]`, `<s>`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Plain:
    """Hold text in which nothing is a control token, whatever it looks like."""

    text: str


@dataclass(frozen=True, slots=True)
class Markup:
    """Hold text from a model file's own chat template, in which control tokens are parsed."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageSlot:
    """Stand for the n-th picture of the whole conversation, counted from 0."""

    index: int


Segment = Control | Plain | Markup | ImageSlot


def render_mistral(messages: Sequence[PromptMessage], effort: ReasoningEffort) -> tuple[Segment, ...]:
    """Return the prompt of `messages` in Mistral's format v15, up to where the answer begins.

    A system message stands first and becomes the system prompt. The settings block follows it and is always
    there; an answer starts right behind `[/INST]`, and the model writes `[THINK]` itself. Pictures go before
    the text.
    Source: mistral-common, InstructTokenizerV15.
    """
    segments: list[Segment] = [Control("<s>")]
    rest = list(messages)
    if rest and rest[0].role is Role.SYSTEM:
        segments += _wrapped("SYSTEM_PROMPT", rest.pop(0).text)
    segments += _wrapped("MODEL_SETTINGS", json.dumps({"reasoning_effort": effort.value}))
    n_pictures = 0
    for message in rest:
        if message.role is Role.ASSISTANT:
            segments += _answer(message)
            continue
        slots = [ImageSlot(n_pictures + number) for number in range(len(message.pictures))]
        n_pictures += len(slots)
        segments += [Control("[INST]"), *slots, *_plain(message.text), Control("[/INST]")]
    return tuple(segments)


def settings_text(segments: Sequence[Segment]) -> str:
    """Return the settings block as it stands in the prompt, or an empty string where there is none."""
    begin, end = Control("[MODEL_SETTINGS]"), Control("[/MODEL_SETTINGS]")
    if begin not in segments:
        return ""
    block = segments[segments.index(begin) + 1 : segments.index(end)]
    inner = "".join(segment.text for segment in block if isinstance(segment, Plain))
    return f"{begin.name}{inner}{end.name}"


def _wrapped(name: str, text: str) -> list[Segment]:
    return [Control(f"[{name}]"), *_plain(text), Control(f"[/{name}]")]


def _answer(message: PromptMessage) -> list[Segment]:
    if message.reasoning:
        return [*_wrapped("THINK", message.reasoning), *_plain(message.text), Control("</s>")]
    # The reference drops spaces at the end of an answer, but only of one without reasoning.
    return [*_plain(message.text.rstrip(" ")), Control("</s>")]


def _plain(text: str) -> list[Segment]:
    return [Plain(text)] if text else []
