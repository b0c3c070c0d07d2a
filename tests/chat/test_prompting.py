from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.chat.prompting import build_prompt
from app.core.messages import Message, MessageState, Part, Picture, Role, Text
from app.engine.protocol import PictureFile, PromptMessage

PICTURE = Picture("ab" * 32, "cat.png", "image/png", 28, 28, 2)


def path_of(picture: Picture) -> Path:
    return Path("/pictures") / picture.sha256


def message(role: Role, *parts: Part, reasoning: str = "", state: MessageState = MessageState.COMPLETE) -> Message:
    return Message("id", "chat", None, role, parts, datetime.now(UTC), state, reasoning)


def test_pictures_text_and_reasoning_are_carried_over() -> None:
    branch = [
        message(Role.USER, PICTURE, Text("What is this?")),
        message(Role.ASSISTANT, Text("A cat."), reasoning="Whiskers."),
        message(Role.USER, Text("Sure?")),
    ]
    assert build_prompt(branch, "", path_of) == (
        PromptMessage(Role.USER, "What is this?", (PictureFile(path_of(PICTURE), PICTURE.sha256),)),
        PromptMessage(Role.ASSISTANT, "A cat.", (), "Whiskers."),
        PromptMessage(Role.USER, "Sure?"),
    )


def test_the_system_prompt_goes_first_and_a_blank_one_nowhere() -> None:
    branch = [message(Role.USER, Text("Hi"))]
    assert build_prompt(branch, "Be brief.", path_of)[0] == PromptMessage(Role.SYSTEM, "Be brief.")
    assert build_prompt(branch, " \n", path_of)[0].role is Role.USER


def test_answers_that_stayed_empty_leave_and_their_questions_join() -> None:
    branch = [
        message(Role.USER, Text("First")),
        message(Role.ASSISTANT, state=MessageState.FAILED),
        message(Role.USER, PICTURE, Text("Second")),
        message(Role.ASSISTANT, reasoning="only thoughts", state=MessageState.STOPPED),
        message(Role.USER, Text("Third")),
    ]
    (only,) = build_prompt(branch, "", path_of)
    assert only.text == "First\n\nSecond\n\nThird"
    assert [picture.sha256 for picture in only.pictures] == [PICTURE.sha256]
