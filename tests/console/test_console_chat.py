"""`solo chat` as a person or a script meets it: what it writes where, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.console.conftest import ROOT, SOLO, Run

COUNTS = ["prompt_tokens", "cached_tokens", "image_tokens", "generated_tokens", "reasoning_tokens"]
TIMES = ["prefill_ms", "first_token_ms", "tokens_per_second"]


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def assert_one_sentence(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.strip().endswith(".")


# --- answers, with a real model -----------------------------------------------------------------


@pytest.mark.model
def test_json_has_one_event_a_line_and_ends_with_the_numbers(solo: Run, thinking_model: Path) -> None:
    done = solo("chat", "--model", thinking_model, "--json", "--think", "hello")
    assert done.returncode == 0, done.stderr
    *pieces, end = events_of(done.stdout)
    assert {(*piece,) for piece in pieces} == {("event", "text")}
    kinds = [piece["event"] for piece in pieces]
    assert kinds == sorted(kinds, reverse=True), "all reasoning comes before the answer"
    assert set(kinds) == {"reasoning", "answer"}
    assert list(end) == ["event", "stop_reason", *COUNTS, *TIMES]
    assert (end["event"], end["stop_reason"]) == ("finished", "stop")
    assert all(isinstance(end[name], int) for name in COUNTS)
    assert all(isinstance(end[name], float) and end[name] > 0 for name in TIMES)
    assert 0 < end["reasoning_tokens"] < end["generated_tokens"]
    assert (end["cached_tokens"], end["image_tokens"]) == (0, 0)


@pytest.mark.model
def test_without_think_there_is_no_reasoning_and_the_length_is_kept(solo: Run, thinking_model: Path) -> None:
    done = solo("chat", "--model", thinking_model, "--json", "--max-tokens", "5", "hello")
    *pieces, end = events_of(done.stdout)
    assert {piece["event"] for piece in pieces} == {"answer"}
    assert (end["stop_reason"], end["generated_tokens"], end["reasoning_tokens"]) == ("length", 5, 0)


@pytest.mark.model
def test_text_goes_to_stdout_and_reasoning_to_stderr(solo: Run, thinking_model: Path) -> None:
    done = solo("chat", "--model", thinking_model, "--think", "hello")
    lines = events_of(solo("chat", "--model", thinking_model, "--json", "--think", "hello").stdout)
    answer = "".join(line["text"] for line in lines if line["event"] == "answer")
    reasoning = "".join(line["text"] for line in lines if line["event"] == "reasoning")
    assert (done.returncode, done.stdout) == (0, f"{answer}\n")
    assert done.stderr.strip() == reasoning.strip()


@pytest.mark.model
def test_without_a_model_the_built_in_one_answers(solo: Run, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), "red").save(tmp_path / "red.png")
    done = solo("chat", "--image", tmp_path / "red.png", "--json", "--max-tokens", "1", "What is in the picture?")
    assert done.returncode == 0, done.stderr
    assert 0 < events_of(done.stdout)[-1]["image_tokens"] < 18 * 24, "not prepared for the built-in model's eyes"


@pytest.mark.model
def test_a_seed_repeats_the_answer(solo: Run, small_model: Path) -> None:
    def text(seed: str) -> str:
        return solo("chat", "--model", small_model, "--seed", seed, "--max-tokens", "12", "--think", "hello").stdout

    assert text("7") == text("7") != text("8")


@pytest.mark.model
def test_a_picture_is_seen(solo: Run, small_model: Path, projector: Path, tmp_path: Path) -> None:
    path = tmp_path / "Bild 图.png"
    Image.new("RGB", (56, 28), "red").save(path)
    done = solo(
        "chat",
        "--model",
        small_model,
        "--projector",
        projector,
        "--image",
        path,
        "--json",
        "--max-tokens",
        "2",
        "What?",
    )
    assert done.returncode == 0, done.stderr
    assert events_of(done.stdout)[-1]["image_tokens"] == 3  # two cells and the end of their row


@pytest.mark.model
def test_a_model_that_does_not_see_says_so(solo: Run, thinking_model: Path, tmp_path: Path) -> None:
    Image.new("RGB", (56, 28), "red").save(tmp_path / "red.png")
    done = solo("chat", "--model", thinking_model, "--image", tmp_path / "red.png", "--json", "What?")
    assert_one_sentence(done, "picture")


@pytest.mark.model
def test_ctrl_c_ends_the_answer_with_its_numbers(home: dict[str, str], small_model: Path) -> None:
    command = [*SOLO, "chat", "--model", str(small_model), "--json", "hello"]
    options: dict[str, Any] = {"cwd": ROOT, "env": home, "encoding": "utf-8", "start_new_session": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does it: the engine gets it too
        rest, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    *pieces, end = events_of(first + rest)
    assert (end["event"], end["stop_reason"]) == ("finished", "cancelled")
    assert end["generated_tokens"] >= len(pieces) > 0
    assert "Traceback" not in said


@pytest.mark.model
def test_a_reader_that_leaves_ends_it_quietly(home: dict[str, str], small_model: Path) -> None:
    solo = shlex.join([*SOLO, "chat", "--model", str(small_model), "--json", "--max-tokens", "4000", "hello"])
    done = subprocess.run(
        ["bash", "-c", f"{solo} | head -n 1; echo code ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        env=home,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    first, last = done.stdout.splitlines()
    assert json.loads(first)["event"] == "answer"
    assert last == "code 1"
    assert done.stderr == ""


@pytest.mark.model
def test_json_is_utf_8_whatever_the_terminal_speaks(solo: Run, thinking_model: Path, home: dict[str, str]) -> None:
    poor = {**home, "PYTHONIOENCODING": "ascii"}
    done = solo("chat", "--model", thinking_model, "--json", "--max-tokens", "3", "日本語 ü", env=poor)
    assert done.returncode == 0, done.stderr
    assert events_of(done.stdout)[-1]["stop_reason"] == "length"


@pytest.mark.model
def test_the_model_is_found_from_where_the_person_stands(solo: Run, home: dict[str, str], small_model: Path) -> None:
    there = {**home, "PYTHONPATH": str(ROOT)}
    arguments = ["chat", "--model", small_model.name, "--json", "--max-tokens", "1", "hello"]
    done = solo(*arguments, cwd=small_model.parent, env=there)
    assert done.returncode == 0, done.stderr


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_model_that_is_not_there(solo: Run, tmp_path: Path) -> None:
    assert_one_sentence(solo("chat", "--model", tmp_path / "gone.gguf", "hello"), "gone.gguf")


def test_a_model_that_is_damaged(solo: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 nothing more")
    assert_one_sentence(solo("chat", "--model", tmp_path / "bad.gguf", "--json", "hello"), "bad.gguf")


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_picture_that_can_not_be_used(solo: Run, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "photo.png").write_bytes(content)
    done = solo("chat", "--model", tmp_path / "gone.gguf", "--image", tmp_path / "photo.png", "hello")
    assert_one_sentence(done, "picture")


def test_folders_that_can_not_be_made(solo: Run, home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = solo("chat", "--model", "x.gguf", "hello", env={**home, "XDG_DATA_HOME": str(tmp_path / "file")})
    assert_one_sentence(done, "can’t use its folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat"],
        ["chat", "--projector", "mmproj.gguf", "hello"],
        ["chat", "--model", "x.gguf"],
        ["chat", "--model", "x.gguf", "--max-tokens", "0", "hello"],
        ["chat", "--model", "x.gguf", "--max-tokens", "many", "hello"],
        ["chat", "--model", "x.gguf", "--seed", "-1", "hello"],
        ["chat", "--model", "x.gguf", "--seed", "4294967296", "hello"],
        ["chat", "--model", "x.gguf", "--unknown", "hello"],
        ["--projector", "mmproj.gguf"],
        ["sing"],
    ],
)
def test_wrong_usage(solo: Run, arguments: list[str]) -> None:
    done = solo(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage: solo" in done.stderr
    assert "Traceback" not in done.stderr
    assert "_positive" not in done.stderr
