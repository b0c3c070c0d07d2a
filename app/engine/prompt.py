"""Prompts as token segments, so that what a person wrote can never become a control token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby, islice

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

    The settings block stands before the first question; an answer starts right behind `[/INST]`, and the model
    writes `[THINK]` itself. Neighbours of one role become one message, except for system prompts.
    Source: mistral-common, InstructTokenizerV15 and InstructRequestNormalizerV15.
    """
    segments: list[Segment] = [Control("<s>")]
    settings = _wrapped("MODEL_SETTINGS", json.dumps({"reasoning_effort": effort.value}))
    slots = map(ImageSlot, count())
    for role, neighbours in groupby(messages, key=lambda message: message.role):
        match role:
            case Role.SYSTEM:
                for message in neighbours:
                    segments += _wrapped("SYSTEM_PROMPT", message.text)
            case Role.USER:
                segments += [*settings, Control("[INST]"), *_question(neighbours, slots), Control("[/INST]")]
                settings = []
            case Role.ASSISTANT:
                segments += [*_answer(neighbours), Control("</s>")]
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


def _question(messages: Iterable[PromptMessage], slots: Iterator[ImageSlot]) -> list[Segment]:
    parts: list[Segment] = []
    for message in messages:
        parts += islice(slots, len(message.pictures))
        _add_text(parts, message.text)
    match parts:
        case [Plain(), ImageSlot()]:  # the reference puts a picture that follows its text before it
            return parts[::-1]
    return parts


def _answer(messages: Iterable[PromptMessage]) -> list[Segment]:
    parts: list[Segment] = []
    for message in messages:
        if message.reasoning:
            parts += _wrapped("THINK", message.reasoning)
        _add_text(parts, message.text)
    match parts:
        case [Plain(text)]:  # the reference drops spaces at the end of an answer, but only of one without reasoning
            return _plain(text.rstrip(" "))
    return parts


def _add_text(parts: list[Segment], text: str) -> None:
    """Add `text`; to other text it is joined by a blank line."""
    match parts:
        case [*_, Plain(before)] if text:
            parts[-1] = Plain(f"{before}\n\n{text}")
        case _:
            parts += _plain(text)


def _plain(text: str) -> list[Segment]:
    return [Plain(text)] if text else []
