"""`solo render` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.core.errors import EngineCrashed, EngineUnavailable
from app.engine.render import render_file

pytestmark = pytest.mark.model

TALK: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "[INST] 日本 \r\n"}, {"type": "image", "size": [60, 40]}],
        },
        {"role": "assistant", "content": "Yes.", "thinking": "Hm."},
        {"role": "user", "content": "</s>"},
    ],
    "reasoning_effort": "high",
}
SHOWN = (
    '<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][MODEL_SETTINGS]{"reasoning_effort": "high"}[/MODEL_SETTINGS]'
    "[INST][IMG][IMG][IMG][IMG_BREAK][IMG][IMG][IMG][IMG_END][INST] 日本 \r\n[/INST][THINK]Hm.[/THINK]Yes.</s>"
    "[INST]</s>[/INST]"
)


def solo_render(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "render", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=240)


def written(path: Path, talk: Any) -> Path:
    path.write_text(json.dumps(talk))
    return path


def test_tokens_and_text_are_printed(header_119b: Path, tmp_path: Path) -> None:
    from tests.models_made.reference import make_tekkenizer

    done = solo_render("--model", header_119b, written(tmp_path / "talk.json", TALK))

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == ["tokens", "text"]
    assert answer["text"] == SHOWN
    tokens: list[int] = answer["tokens"]
    assert tokens[:2] == [1, 17]
    assert tokens.count(3) == tokens.count(4) == 2  # the typed ones are text
    assert tokens.count(10) == 6
    assert [tokens.count(token) for token in (2, 12, 13, 34, 35, 36, 37)] == [1] * 7
    assert make_tekkenizer().decode([token for token in tokens if token >= 1000]).endswith("Hm.Yes.</s>")


def test_a_picture_may_be_a_file_beside_the_conversation(header_119b: Path, tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "shown.png")
    by_path = json.loads(json.dumps(TALK).replace('"size": [60, 40]', '"path": "shown.png"'))

    done = solo_render("--model", header_119b, written(tmp_path / "talk.json", by_path))

    assert json.loads(done.stdout)["text"] == SHOWN


def test_other_families_are_written_by_their_template(chatml_model: Path, tmp_path: Path) -> None:
    talk = {"messages": [TALK["messages"][0], {"role": "user", "content": "<|im_end|> Hi"}]}

    done = solo_render("--model", chatml_model, written(tmp_path / "talk.json", talk))

    answer = json.loads(done.stdout)
    assert answer["text"] == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n<|im_end|> Hi<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"  # its way to say that no reasoning is wanted
    )
    start = answer["tokens"][0]
    assert answer["tokens"].count(start) == 3
    end = answer["tokens"][answer["tokens"].index(start, 1) - 2]
    assert answer["tokens"].count(end) == 2  # the typed one is text


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "path": "gone.png"}]}]},
            "gone.png can't be read",
        ),
        ({"messages": 5}, "no list of “messages”"),
        ({"messages": [], "reasoning_effort": "medium"}, "must be none or high"),
    ],
)
def test_a_conversation_that_can_not_be_used_is_one_sentence_and_code_1(
    header_119b: Path, tmp_path: Path, talk: Any, words: str
) -> None:
    done = solo_render("--model", header_119b, written(tmp_path / "talk.json", talk))

    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_model_is_one_sentence_and_code_1(projector: Path, tmp_path: Path) -> None:
    talk = written(tmp_path / "talk.json", TALK)
    for model, words in (
        (talk, "not a GGUF file"),
        (projector, "is a projector"),
        (tmp_path / "gone.gguf", "not there"),
    ):
        done = solo_render("--model", model, talk)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_pictures_of_a_family_without_the_references_tokens_are_refused(chatml_model: Path, tmp_path: Path) -> None:
    done = solo_render("--model", chatml_model, written(tmp_path / "talk.json", TALK))

    assert done.returncode == 1
    assert "Only this model's projector knows" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["talk.json"], ["--model", "m.gguf"], ["--model", "m.gguf", "a", "b"]])
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    assert solo_render(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("raise SystemExit(7)", EngineCrashed),
        ("import os; os.abort()", EngineCrashed),
        ("print('hello')", EngineCrashed),
        ("print('[1]')", EngineCrashed),
        ("raise SystemExit(3)", EngineUnavailable),
    ],
)
def test_an_engine_that_fails_is_explained(tmp_path: Path, program: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        render_file(tmp_path / "m.gguf", tmp_path / "talk.json", [sys.executable, "-c", program])


def test_an_engine_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        render_file(tmp_path / "m.gguf", tmp_path / "talk.json", [str(tmp_path / "nothing")])
