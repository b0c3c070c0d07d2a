"""From the messages of a branch to what the model gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from app.core.messages import Message, Picture, Role
from app.engine.protocol import PictureFile, PromptMessage

PicturePath = Callable[[Picture], Path]


def build_prompt(
    messages: Iterable[Message], system_prompt: str, picture_path: PicturePath
) -> tuple[PromptMessage, ...]:
    """Return the prompt for the next answer.

    Answers that stayed empty (stopped or failed before their first word) are left out, and the questions
    around them become one, as Mistral's reference joins neighbours of one role.
    """
    prompt: list[PromptMessage] = []
    if system_prompt.strip():
        prompt.append(PromptMessage(Role.SYSTEM, system_prompt))
    for message in messages:
        if message.role is Role.ASSISTANT and not message.text:
            continue
        _append(prompt, _convert(message, picture_path))
    return tuple(prompt)


def _convert(message: Message, picture_path: PicturePath) -> PromptMessage:
    pictures = tuple(PictureFile(picture_path(picture), picture.sha256) for picture in message.pictures)
    return PromptMessage(message.role, message.text, pictures, message.reasoning)


def _append(prompt: list[PromptMessage], message: PromptMessage) -> None:
    before = prompt[-1] if prompt else None
    if before is None or before.role is not Role.USER or message.role is not Role.USER:
        prompt.append(message)
        return
    text = "\n\n".join(text for text in (before.text, message.text) if text)
    prompt[-1] = PromptMessage(Role.USER, text, before.pictures + message.pictures)
