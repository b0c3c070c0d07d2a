"""Memories that can't forget their end alone: used whole, or not at all, and never wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engine.child.model import OpenModel
from tests.engine.recurrent_model import write_recurrent
from tests.engine.talks import Talk, greedy_from_nothing, on_disk, one_by_one, open_here, written_to_disk

pytestmark = pytest.mark.model

LONG = "river stone cloud " * 20
QUESTION_TOKENS = 60


@pytest.fixture(scope="module")
def recurrent_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recurrent(tmp_path_factory.mktemp("recurrent") / "mamba.gguf")


@pytest.fixture
def reference(recurrent_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenModel]:
    monkeypatch.setattr("app.engine.child.generation.pieces_of", one_by_one)
    opened = open_here(recurrent_model)
    yield opened
    opened.close()


@pytest.fixture
def opened(recurrent_model: Path, tmp_path: Path) -> Iterator[OpenModel]:
    opened = open_here(recurrent_model, states=on_disk(tmp_path / "states"))
    yield opened
    opened.close()


def test_its_memory_is_used_whole_or_not(opened: OpenModel) -> None:
    session = opened.session
    assert not session.forgets_freely
    assert session.usable([1, 2], [1, 2, 3]) == 2
    assert session.usable([1, 2, 3], [1, 2, 3]) == 0, "the last token is always read"
    assert session.usable([1, 2, 4], [1, 2, 3]) == 0


def test_a_chat_goes_on_without_reading_again(opened: OpenModel, reference: OpenModel) -> None:
    talk = Talk("a")
    talk.ask(opened, LONG)
    told = talk.ask(opened, "And now?")
    assert told.read_tokens < QUESTION_TOKENS
    assert told.tokens == greedy_from_nothing(reference, told.prompt)


def test_a_change_falls_back_to_what_was_copied_before_it(opened: OpenModel, reference: OpenModel) -> None:
    talk = Talk("a")
    talk.ask(opened, LONG)
    opened.recall.rest()
    talk.ask(opened, "And now?")
    opened.recall.rest()

    talk.go_back(2)
    edited = talk.ask(opened, "And then?")

    assert edited.read_tokens < QUESTION_TOKENS
    assert edited.tokens == greedy_from_nothing(reference, edited.prompt)


def test_without_a_copy_all_is_read_again_and_right(opened: OpenModel, reference: OpenModel) -> None:
    talk = Talk("a")
    talk.ask(opened, LONG)
    talk.go_back(0)
    told = talk.ask(opened, f"{LONG} Really.")
    assert told.stats.cached_tokens == 0
    assert told.tokens == greedy_from_nothing(reference, told.prompt)


def test_it_is_kept_on_disk_too(recurrent_model: Path, opened: OpenModel, tmp_path: Path) -> None:
    talk = Talk("a")
    talk.ask(opened, LONG)
    written_to_disk(opened)
    again = open_here(recurrent_model, states=on_disk(tmp_path / "states"))
    told = talk.ask(again, "And now?")
    again.close()
    assert told.read_tokens < QUESTION_TOKENS
