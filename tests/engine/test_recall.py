"""What a model has read is read once: across edits, sides, chats and restarts, with counts."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.core.errors import GenerationFailed
from app.engine.child.model import OpenModel
from app.engine.child.recall import WORTH_TOKENS
from app.engine.child.session import ImageEntry
from app.engine.protocol import PictureFile, PromptMessage, StateKeeping
from tests.engine.samples import rewritten
from tests.engine.talks import THINK, Talk, greedy_from_nothing, on_disk, one_by_one, open_here, written_to_disk

pytestmark = pytest.mark.model

Open = Callable[..., OpenModel]
LONG = "river stone cloud " * 20
QUESTION_TOKENS = 40  # more than what stands between two turns here


@pytest.fixture
def open_model() -> Iterator[Open]:
    opened: list[OpenModel] = []

    def load(*arguments: Path | None, states: StateKeeping | None = None, context_tokens: int = 4096) -> OpenModel:
        opened.append(open_here(*arguments, states=states, context_tokens=context_tokens))  # type: ignore[arg-type]  # paths
        return opened[-1]

    yield load
    for model in opened:
        model.close()


@pytest.fixture
def reference(open_model: Open, small_model: Path, monkeypatch: pytest.MonkeyPatch) -> OpenModel:
    """A model to compare with, to the last bit."""
    monkeypatch.setattr("app.engine.child.generation.pieces_of", one_by_one)
    return open_model(small_model)


def shown(folder: Path, colour: str) -> PictureFile:
    path = folder / f"{colour}.png"
    Image.new("RGB", (112, 84), colour).save(path)
    return PictureFile(path, hashlib.sha256(path.read_bytes()).hexdigest())


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.state")
    return path


# --- one chat -----------------------------------------------------------------------------------


def test_only_what_is_new_is_read(open_model: Open, small_model: Path) -> None:
    opened = open_model(small_model)
    talk = Talk("a")

    first = talk.ask(opened, LONG)
    second = talk.ask(opened, "And now?")
    third = talk.ask(opened, "And then?")

    assert first.stats.cached_tokens == 0
    assert second.stats.cached_tokens == len(first.prompt) + len(first.tokens)
    assert third.stats.cached_tokens == len(second.prompt) + len(second.tokens)
    assert max(second.read_tokens, third.read_tokens) < QUESTION_TOKENS


def test_regenerating_reads_one_token_and_editing_what_follows_the_change(open_model: Open, small_model: Path) -> None:
    opened = open_model(small_model)
    talk = Talk("a")
    talk.ask(opened, LONG)
    before = talk.ask(opened, "What of it?")

    talk.go_back(2)
    again = talk.ask(opened, "What of it?")
    talk.go_back(2)
    edited = talk.ask(opened, "What of them?")

    assert again.read_tokens == 1
    assert again.tokens == before.tokens
    assert edited.read_tokens < QUESTION_TOKENS
    assert edited.stats.cached_tokens > len(before.prompt) - QUESTION_TOKENS


def test_a_switch_of_sides_costs_what_is_new_since(open_model: Open, small_model: Path, reference: OpenModel) -> None:
    opened = open_model(small_model)
    talk = Talk("a")
    talk.ask(opened, LONG)
    opened.recall.rest()

    first_think = talk.ask(opened, "Think.", effort=THINK)
    back = talk.ask(opened, "Fast again.")
    think_again = talk.ask(opened, "Think again.", effort=THINK)

    assert first_think.read_tokens > len(LONG) / 8, "the settings stand in front of everything"
    # New for the fast side are two questions and two answers, for the other as well.
    assert back.read_tokens < 2 * QUESTION_TOKENS
    assert think_again.read_tokens < 2 * QUESTION_TOKENS
    assert think_again.tokens == greedy_from_nothing(reference, think_again.prompt)


def test_sides_that_were_not_copied_in_time_are_when_they_make_room(open_model: Open, small_model: Path) -> None:
    opened = open_model(small_model)
    talk = Talk("a")

    talk.ask(opened, LONG)
    talk.ask(opened, "Think.", effort=THINK)
    back = talk.ask(opened, "Fast again.")

    assert back.read_tokens < 2 * QUESTION_TOKENS


def test_where_the_switch_stands_at_the_end_sides_share_what_is_before_it(open_model: Open, chatml_model: Path) -> None:
    opened = open_model(chatml_model)
    talk = Talk("a")
    talk.ask(opened, LONG)

    assert talk.ask(opened, "Think.", effort=THINK).read_tokens < QUESTION_TOKENS


# --- many chats ---------------------------------------------------------------------------------


def test_chats_take_turns(open_model: Open, small_model: Path, reference: OpenModel) -> None:
    opened = open_model(small_model)
    talks = [Talk("a"), Talk("b"), Talk("c")]
    for number, talk in enumerate(talks):
        talk.ask(opened, f"{number} {LONG}")

    for talk in talks:
        told = talk.ask(opened, "And now?")
        assert told.read_tokens < QUESTION_TOKENS
        assert told.tokens == greedy_from_nothing(reference, told.prompt)


def test_a_long_system_prompt_is_read_once_for_all_chats(open_model: Open, small_model: Path) -> None:
    opened = open_model(small_model)
    first, second = Talk("a"), Talk("b")
    first.ask(opened, LONG)
    assert second.ask(opened, f"{LONG} Else.").read_tokens < QUESTION_TOKENS


def test_nothing_is_kept_of_what_belongs_to_no_chat(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    opened = open_model(small_model, states=on_disk(tmp_path))
    talk = Talk("")
    talk.ask(opened, LONG)
    written_to_disk(opened)

    assert not opened.recall._recent.all()
    assert not list(tmp_path.iterdir())
    assert talk.ask(opened, "And now?").read_tokens < QUESTION_TOKENS, "what stands there is used all the same"


def test_memory_is_a_limit_and_the_oldest_goes(open_model: Open, small_model: Path) -> None:
    probe = open_model(small_model)
    Talk("a").ask(probe, LONG)
    one = probe.session.count_state_bytes()
    opened = open_model(small_model, states=StateKeeping(ram_bytes=int(2.5 * one)))
    talks = {name: Talk(name) for name in "abcd"}
    for name, talk in talks.items():
        talk.ask(opened, f"{name} {LONG}")
        opened.recall.rest()

    assert [state.chat_id for state in opened.recall._recent.all()] == ["c", "d"]
    assert talks["c"].ask(opened, "And now?").read_tokens < QUESTION_TOKENS
    assert talks["a"].ask(opened, "And now?").read_tokens > len(LONG) / 8


# --- pictures -----------------------------------------------------------------------------------


def test_a_picture_is_encoded_once_per_chat(
    open_model: Open, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    opened = open_model(small_model, projector, states=on_disk(tmp_path / "states"))
    assert opened.vision is not None
    red, blue = shown(tmp_path, "red"), shown(tmp_path, "blue")
    talk, other = Talk("a"), Talk("b")

    talk.ask(opened, LONG, red)
    talk.ask(opened, "Think.", effort=THINK)
    talk.ask(opened, "And this?", blue)
    talk.go_back(4)
    talk.ask(opened, "Or this?", blue)
    other.ask(opened, LONG)
    told = talk.ask(opened, "Which was first?", red)

    assert opened.vision.encodings == 2
    assert sum(isinstance(entry, ImageEntry) for entry in told.prompt) == 3


def test_a_restored_chat_needs_no_encoding(
    open_model: Open, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    talk = Talk("a")
    opened = open_model(small_model, projector, states=on_disk(tmp_path / "states"))
    talk.ask(opened, LONG, shown(tmp_path, "red"))
    written_to_disk(opened)

    again = open_model(small_model, projector, states=on_disk(tmp_path / "states"))
    told = talk.ask(again, "And now?")

    assert told.read_tokens < QUESTION_TOKENS
    assert again.vision is not None
    assert again.vision.encodings == 0


# --- the disk -----------------------------------------------------------------------------------


def test_yesterdays_chat_goes_on(open_model: Open, small_model: Path, reference: OpenModel, tmp_path: Path) -> None:
    talk = Talk("a")
    opened = open_model(small_model, states=on_disk(tmp_path))
    talk.ask(opened, LONG, n=40)
    talk.ask(opened, "And now?", n=40)
    written_to_disk(opened)

    told = talk.ask(open_model(small_model, states=on_disk(tmp_path)), "Good morning.")

    # Also what the model wrote is found again, though its text could be cut into tokens in other ways.
    assert told.read_tokens < QUESTION_TOKENS
    assert told.tokens == greedy_from_nothing(reference, told.prompt)


def test_both_sides_are_on_disk(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    talk = Talk("a")
    opened = open_model(small_model, states=on_disk(tmp_path))
    talk.ask(opened, LONG)
    talk.ask(opened, "Think.", effort=THINK)
    written_to_disk(opened)

    again = open_model(small_model, states=on_disk(tmp_path))
    assert talk.ask(again, "And now?").read_tokens < 2 * QUESTION_TOKENS
    assert talk.ask(again, "Think again.", effort=THINK).read_tokens < 2 * QUESTION_TOKENS


def test_closing_saves_what_was_not_saved_yet(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    talk = Talk("a")
    opened = open_here(small_model, states=on_disk(tmp_path))
    talk.ask(opened, LONG)
    opened.recall.close(60)
    opened.close()

    assert talk.ask(open_model(small_model, states=on_disk(tmp_path)), "And now?").read_tokens < QUESTION_TOKENS


def test_files_are_private_and_tell_no_names(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "states"
    opened = open_model(small_model, states=on_disk(folder))
    Talk("my-secret-chat").ask(opened, LONG)
    written_to_disk(opened)

    path = only_file(folder)
    assert "secret" not in path.name
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


def test_the_disk_is_a_limit_and_the_oldest_goes(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    probe = open_model(small_model, states=on_disk(tmp_path / "probe"))
    Talk("a").ask(probe, LONG)
    written_to_disk(probe)
    one = only_file(tmp_path / "probe").stat().st_size
    folder = tmp_path / "states"
    opened = open_model(small_model, states=on_disk(folder, disk_bytes=int(2.5 * one), ram_bytes=0))
    talks = {name: Talk(name) for name in "abc"}
    for number, (name, talk) in enumerate(talks.items()):
        talk.ask(opened, f"{name} {LONG}")
        written_to_disk(opened)
        for path in folder.glob("*.state"):  # clocks of file systems are coarse
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10 + number))

    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2.5 * one
    assert talks["b"].ask(opened, "And now?").read_tokens < QUESTION_TOKENS
    assert talks["a"].ask(opened, "And now?").read_tokens > len(LONG) / 8


def test_a_deleted_chat_leaves_nothing(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    opened = open_model(small_model, states=on_disk(tmp_path))
    gone, kept = Talk("gone"), Talk("kept")
    kept.ask(opened, f"Kept {LONG}")
    gone.ask(opened, f"Gone {LONG}")
    gone.ask(opened, "Think.", effort=THINK)
    opened.recall.rest()

    opened.recall.forget("gone")
    written_to_disk(opened)

    assert [state.chat_id for state in opened.recall._recent.all()] == ["kept"]
    assert len(list(tmp_path.iterdir())) == 1
    gone.ask(opened, "The deletion was undone.")
    written_to_disk(opened)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_forgotten_while_it_is_used_is_not_saved(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    opened = open_model(small_model, states=on_disk(tmp_path))
    Talk("gone").ask(opened, LONG)
    opened.recall.forget("gone")
    written_to_disk(opened)
    assert not list(tmp_path.iterdir())


def test_keeping_can_be_ended(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    opened = open_model(small_model, states=on_disk(tmp_path))
    talk = Talk("a")
    talk.ask(opened, LONG)
    written_to_disk(opened)

    opened.recall.forget(None)
    talk.ask(opened, "Think.", effort=THINK)
    opened.recall.rest()

    assert not list(tmp_path.iterdir())
    assert len(opened.recall._recent.all()) == 1, "memory is not disk"


# --- what is not trusted ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[PromptMessage], Path]:
    """What was said in a chat whose state is on disk, and the file."""
    folder = tmp_path_factory.mktemp("saved")
    talk = Talk("a")
    opened = open_here(small_model, states=on_disk(folder))
    talk.ask(opened, LONG)
    written_to_disk(opened)
    opened.close()
    return talk.messages, only_file(folder)


@pytest.fixture
def kept(saved: tuple[list[PromptMessage], Path], tmp_path: Path) -> tuple[Talk, Path]:
    """A copy of that."""
    messages, path = saved
    talk = Talk("a")
    talk.messages = list(messages)
    (tmp_path / "states").mkdir()
    return talk, Path(shutil.copy(path, tmp_path / "states"))


def test_the_saved_state_is_one_that_would_be_used(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path]
) -> None:
    talk, path = kept
    assert talk.ask(open_model(small_model, states=on_disk(path.parent)), "And now?").read_tokens < QUESTION_TOKENS


@pytest.mark.parametrize("place", ["magic", "length", "header", "content", "digest"])
def test_a_damaged_state_is_ignored(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path], caplog: pytest.LogCaptureFixture, place: str
) -> None:
    talk, path = kept
    content = bytearray(path.read_bytes())
    offset = {"magic": 2, "length": 9, "header": 90, "content": len(content) // 2, "digest": len(content) - 1}[place]
    content[offset] ^= 0x20
    path.write_bytes(content)
    caplog.set_level(logging.INFO)

    told = talk.ask(open_model(small_model, states=on_disk(path.parent)), "And now?")

    assert told.stats.cached_tokens == 0
    assert "is ignored" in caplog.text
    assert not path.exists()


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.9999])
def test_a_state_that_is_cut_off_is_ignored(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path], share: float
) -> None:
    talk, path = kept
    os.truncate(path, int(path.stat().st_size * share))
    assert talk.ask(open_model(small_model, states=on_disk(path.parent)), "And now?").stats.cached_tokens == 0
    assert not path.exists()


def test_the_state_of_another_model_is_not_used(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path], tmp_path: Path
) -> None:
    talk, path = kept
    other = rewritten(small_model, tmp_path / "other.gguf", (b"Mini Mistral 4", b"Mine Mistral 4"))

    opened = open_model(other, states=on_disk(path.parent))
    assert talk.ask(opened, "And now?").stats.cached_tokens == 0
    assert path.exists(), "the first model may be opened again"

    # Even under the name that the other model's state would have.
    Talk("a").ask(opened, LONG)
    written_to_disk(opened)
    foreign = next(each for each in path.parent.glob("*.state") if each != path)
    foreign.write_bytes(path.read_bytes())
    assert talk.ask(open_model(other, states=on_disk(path.parent)), "And now?").stats.cached_tokens == 0


def test_the_state_of_another_context_is_not_used(open_model: Open, small_model: Path, kept: tuple[Talk, Path]) -> None:
    talk, path = kept
    opened = open_model(small_model, states=on_disk(path.parent), context_tokens=2048)
    assert talk.ask(opened, "And now?").stats.cached_tokens == 0


def test_the_state_of_another_chat_is_not_used(open_model: Open, small_model: Path, kept: tuple[Talk, Path]) -> None:
    _, path = kept
    opened = open_model(small_model, states=on_disk(path.parent))
    assert opened.recall._writer is not None
    path.replace(opened.recall._writer.path("b", "none"))

    assert Talk("b").ask(opened, LONG).stats.cached_tokens == 0


def test_a_state_that_llama_cpp_refuses_is_ignored(
    open_model: Open,
    small_model: Path,
    kept: tuple[Talk, Path],
    reference: OpenModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk, path = kept
    opened = open_model(small_model, states=on_disk(path.parent))
    monkeypatch.setattr("app.engine.child.session.llama.llama_state_seq_set_data", lambda *_: 0)

    told = talk.ask(opened, "And now?")

    assert told.stats.cached_tokens == 0
    assert not path.exists()
    assert told.tokens == greedy_from_nothing(reference, told.prompt)


def test_a_state_that_a_process_died_of_is_not_read_again(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path]
) -> None:
    talk, path = kept
    path.rename(path.with_suffix(".reading"))
    opened = open_model(small_model, states=on_disk(path.parent))
    assert talk.ask(opened, "And now?").stats.cached_tokens == 0
    written_to_disk(opened)
    assert [each.suffix for each in path.parent.iterdir()] == [".state"]


def test_what_a_failed_turn_may_have_spoilt_is_not_used_again(
    open_model: Open, small_model: Path, kept: tuple[Talk, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, path = kept
    opened = open_model(small_model, states=on_disk(path.parent))
    monkeypatch.setattr("app.engine.child.session.llama.llama_decode", lambda *_: -3)
    with pytest.raises(GenerationFailed):
        talk.ask(opened, "And now?")
    monkeypatch.undo()

    assert not path.exists()
    assert talk.ask(opened, "And now?").stats.cached_tokens == 0


def test_short_chats_are_not_worth_it(open_model: Open, small_model: Path, tmp_path: Path) -> None:
    opened = open_model(small_model, states=on_disk(tmp_path))
    told = Talk("a").ask(opened, "Hi")
    written_to_disk(opened)
    assert len(told.prompt) < WORTH_TOKENS
    assert not list(tmp_path.iterdir())
