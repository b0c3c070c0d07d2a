"""The encoding of a picture is left in its middle when the person stops the turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_cpp import llama_cpp as llama

from app.core.errors import Cancelled
from app.core.messages import ReasoningEffort
from app.engine.child.cancellation import Cancellation
from app.engine.child.loading import Loader
from app.engine.child.logbook import Logbook
from app.engine.child.session import ImageEntry
from app.engine.child.vision import watch_encoding
from app.engine.protocol import LoadRequest
from tests.engine.recorder import cpu_plan, user
from tests.engine.samples import picture


class Watcher:
    """Cancel the turn at a look into an encoding, and count the looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.cancel_at = 2

    def watch(self, cancellation: Cancellation) -> Any:
        real = watch_encoding(cancellation)

        def look(_tensor: object, is_question: bool, _data: object) -> bool:
            if not is_question:
                self.looks += 1
                if self.looks == self.cancel_at:
                    cancellation.cancel("turn")
            return bool(real(None, is_question, None))

        return llama.ggml_backend_sched_eval_callback(look)


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    watcher = Watcher()
    monkeypatch.setattr("app.engine.child.projector.watch_encoding", watcher.watch)
    return watcher


@pytest.mark.model
def test_a_stop_while_a_picture_is_encoded_does_not_wait_for_its_end(
    watcher: Watcher, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    cancellation, logbook = Cancellation(), Logbook()
    logbook.open()
    request = LoadRequest("load", small_model, projector, cpu_plan(2048), threads=1)
    opened = Loader(request, lambda _: None, cancellation, logbook, ()).load()
    messages = (user("What?", picture(tmp_path / "large.png", (224, 224))),)
    entries = opened.prompter.build(messages, ReasoningEffort.NONE).entries
    image = next(entry for entry in entries if isinstance(entry, ImageEntry))

    cancellation.begin("turn")
    with pytest.raises(Cancelled):
        opened.session.decode([image])
    cancellation.end()
    until_the_cancel = watcher.looks
    opened.session.decode([image])
    whole = watcher.looks - until_the_cancel

    assert until_the_cancel == 2 < whole  # nothing was computed after the cancel
    assert opened.session.tokens == image.tokens  # and nothing half done was taken for the picture
    opened.close()


def test_only_some_steps_are_looked_at_and_a_cancel_ends_the_computation() -> None:
    cancellation = Cancellation()
    watch = watch_encoding(cancellation)

    looked_at = [watch(None, True, None) for _ in range(100)]
    assert 1 < sum(looked_at) < 20
    assert watch(None, False, None)
    cancellation.begin("turn")
    cancellation.cancel("turn")
    assert not watch(None, False, None)
