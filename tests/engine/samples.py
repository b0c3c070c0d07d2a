"""Things that tests of the engine are made of."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from PIL import Image

from app.core.errors import AppError
from app.core.messages import Role
from app.engine.protocol import Generated, PictureFile, PromptMessage, RequestFailed
from tests.engine.recorder import Recorder


def picture(path: Path, size: tuple[int, int], colour: str = "red") -> PictureFile:
    image = Image.new("RGB", size, colour)
    image.paste("white", (0, 0, size[0] // 2, size[1] // 2))
    image.save(path)
    return PictureFile(path, hashlib.sha256(path.read_bytes()).hexdigest())


def answer_of(recorder: Recorder, ended: Generated) -> PromptMessage:
    return PromptMessage(
        Role.ASSISTANT, recorder.answer(ended.request_id), reasoning=recorder.reasoning(ended.request_id)
    )


def failure_of(recorder: Recorder, *arguments: Any, **options: Any) -> AppError:
    event = recorder.end_of(recorder.load(*arguments, **options))
    assert isinstance(event, RequestFailed), event
    return event.error


def rewritten(model: Path, target: Path, *pairs: tuple[bytes, bytes]) -> Path:
    content = model.read_bytes()
    for old, new in pairs:
        assert old in content
        assert len(old) == len(new)
        content = content.replace(old, new)
    target.write_bytes(content)
    return target
