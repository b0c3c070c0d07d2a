"""What only a real model can show."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.core.errors import (
    AppError,
    GenerationFailed,
    ModelFileDamaged,
    ModelFileMissing,
    ModelNotSupported,
    NotEnoughMemory,
    PictureUnreadable,
    ProjectorMismatch,
)
from app.core.facts import DevicePlan, HostPlan, Plan, TensorOverride
from app.core.messages import ReasoningEffort, Role, StopReason
from app.engine.pictures import prepare_picture
from app.engine.process import engine_command
from app.engine.protocol import (
    AnswerPiece,
    Died,
    Generated,
    Loaded,
    PictureFile,
    Prefilled,
    PromptMessage,
    ReasoningEnded,
    RequestFailed,
    Sampling,
)
from tests.engine.recorder import Recorder, cpu_plan, user

pytestmark = pytest.mark.model

NewEngine = Callable[..., Recorder]


@pytest.fixture
def start() -> Iterator[NewEngine]:
    recorders: list[Recorder] = []

    def start_engine(*arguments: Any, command: list[str] | None = None, **options: Any) -> Recorder:
        recorders.append(Recorder(command))
        if arguments:
            recorders[-1].loaded(*arguments, **options)
        return recorders[-1]

    yield start_engine
    for recorder in recorders:
        recorder.engine.close()


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


# --- answers ------------------------------------------------------------------------------------


def test_greedy_answers_are_the_same_in_every_process(start: NewEngine, small_model: Path) -> None:
    answers = set()
    for _ in range(2):
        recorder = start(small_model)
        answers.add(recorder.answer(recorder.generated(user("Hello"), max_tokens=24).request_id))

    assert len(answers) == 1
    assert answers != {""}


def test_a_seed_repeats_an_answer_and_another_one_does_not(start: NewEngine, small_model: Path) -> None:
    recorder = start(small_model)

    def answer(seed: int | None) -> str:
        recorder.generated(user("something else"), max_tokens=1)  # so that both begin with the same prefix
        sampling = Sampling(temperature=1.0, top_p=0.95, seed=seed)
        return recorder.answer(recorder.generated(user("Hello"), sampling=sampling, max_tokens=16).request_id)

    assert answer(1) == answer(1) != answer(2)
    assert answer(None) != answer(None)


def test_reasoning_is_told_apart_and_timed(start: NewEngine, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"), effort=ReasoningEffort.HIGH)

    closed = next(event for event in recorder.of(ended.request_id) if isinstance(event, ReasoningEnded))
    stats = ended.stats
    assert recorder.reasoning(ended.request_id).startswith("Let me think")
    assert recorder.answer(ended.request_id).startswith("## Short answer")
    assert "THINK" not in recorder.answer(ended.request_id) + recorder.reasoning(ended.request_id)
    assert stats.stop_reason is StopReason.STOP
    assert 0 < closed.reasoning_tokens == stats.reasoning_tokens < stats.generated_tokens
    assert 0 < closed.reasoning_ms == stats.reasoning_ms
    assert 0 < stats.prefill_ms <= stats.first_token_ms
    assert stats.tokens_per_second > 0


def test_without_effort_the_same_model_does_not_reason(start: NewEngine, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"))

    assert recorder.reasoning(ended.request_id) == ""
    assert recorder.answer(ended.request_id).startswith("## Short answer")
    assert ended.stats.reasoning_tokens == 0


def test_the_next_turn_finds_the_very_tokens_of_the_last_answer(start: NewEngine, thinking_model: Path) -> None:
    """The model spells its answer as no tokenizer would: only remembered tokens can match."""
    recorder = start(thinking_model)
    first = recorder.generated(user("Count!"), effort=ReasoningEffort.HIGH)

    talk = (user("Count!"), answer_of(recorder, first), user("Again!"))
    second = recorder.generated(*talk, effort=ReasoningEffort.HIGH)

    assert second.stats.cached_tokens == first.stats.prompt_tokens + first.stats.generated_tokens
    fresh = start(thinking_model)
    alone = fresh.generated(*talk, effort=ReasoningEffort.HIGH)
    assert alone.stats.cached_tokens == 0
    assert answer_of(fresh, alone) == answer_of(recorder, second)


def test_the_context_ends_an_answer_when_it_is_full(start: NewEngine, small_model: Path) -> None:
    recorder = start(small_model, plan=cpu_plan(256))

    ended = recorder.generated(user("Hello"), sampling=Sampling(temperature=1.5, seed=3))

    assert ended.stats.stop_reason is StopReason.LENGTH
    assert ended.stats.prompt_tokens + ended.stats.generated_tokens == 256 + 1


def test_text_that_is_not_unicode_or_holds_zeros_is_answered(start: NewEngine, small_model: Path) -> None:
    recorder = start(small_model)

    whole = recorder.measured(user("a\x00b\ud800c" * 10))

    assert whole.tokens > recorder.measured(user("")).tokens + 20


# --- stopping -----------------------------------------------------------------------------------


def test_a_long_prompt_is_left_soon_after_cancel(start: NewEngine, small_model: Path) -> None:
    recorder = start(small_model, plan=cpu_plan(32768))
    words = user("word " * 30_000)

    turn = recorder.generate(words)
    recorder.wait_for(Prefilled, lambda event: event.done_tokens > 0)
    asked = time.monotonic()
    recorder.engine.cancel()
    ended = recorder.end_of(turn)
    elapsed_ms = (time.monotonic() - asked) * 1000

    logging.getLogger(__name__).info("a prompt was left %.0f ms after cancel", elapsed_ms)
    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED
    assert elapsed_ms < 2000  # 300 ms on an idle machine
    again = recorder.generate(words)
    rendered = recorder.wait_for(Prefilled, lambda event: event.request_id == again)
    recorder.engine.cancel()
    recorder.end_of(again)
    assert rendered.done_tokens > 0  # what was read before the cancel is still there


def test_a_load_is_left_soon_after_cancel(start: NewEngine, small_model: Path) -> None:
    recorder = start()
    load = recorder.load(small_model)

    recorder.engine.cancel()

    assert isinstance(recorder.end_of(load), RequestFailed)
    assert isinstance(recorder.loaded(small_model), Loaded)


# --- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(28, 28), (280, 140), (140, 420), (500, 333)])
def test_a_picture_takes_the_tokens_that_were_announced(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    recorder = start(small_model, projector)
    shown = picture(tmp_path / "shown.png", size)

    ended = recorder.generated(user("What is this?", shown), max_tokens=2)

    announced = prepare_picture(shown.path.read_bytes()).tokens
    assert ended.stats.image_tokens == announced
    assert recorder.measured(user("What is this?", shown)).image_tokens == announced
    assert ended.stats.prompt_tokens > announced


def test_a_picture_is_read_once_and_its_answer_depends_on_it(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    red = picture(tmp_path / "red.png", (560, 560), "red")
    blue = picture(tmp_path / "blue.png", (560, 560), "blue")

    first = recorder.generated(user("What is this?", red), max_tokens=8)
    second = recorder.generated(user("What is this?", red), answer_of(recorder, first), user("And?"), max_tokens=8)
    other = recorder.generated(user("What is this?", blue), max_tokens=8)

    assert second.stats.cached_tokens >= first.stats.prompt_tokens
    assert other.stats.cached_tokens < 40  # only what stands before the picture
    assert recorder.answer(first.request_id) != recorder.answer(other.request_id)


def test_two_pictures_of_one_message_keep_their_order(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    red = picture(tmp_path / "red.png", (56, 56), "red")
    blue = picture(tmp_path / "blue.png", (56, 56), "blue")

    before = recorder.generated(user("Which?", red, blue), max_tokens=1)
    same = recorder.generated(user("Which?", red, blue), max_tokens=1)
    swapped = recorder.generated(user("Which?", blue, red), max_tokens=1)

    assert same.stats.cached_tokens == before.stats.prompt_tokens - 1
    assert swapped.stats.cached_tokens < before.stats.prompt_tokens - before.stats.image_tokens


def test_pictures_that_can_not_be_used_fail_the_turn_only(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    shown = picture(tmp_path / "shown.png", (56, 56))
    gone = PictureFile(tmp_path / "gone.png", shown.sha256)
    changed = PictureFile(shown.path, "0" * 64)

    for file in (gone, changed):
        failed = recorder.end_of(recorder.generate(user("x", file)))
        assert isinstance(failed, RequestFailed)
        assert isinstance(failed.error, PictureUnreadable)
    assert recorder.generated(user("x", shown), max_tokens=1).stats.image_tokens > 0


def test_a_picture_for_a_model_without_projector_is_refused(
    start: NewEngine, small_model: Path, tmp_path: Path
) -> None:
    recorder = start(small_model)

    failed = recorder.end_of(recorder.generate(user("x", picture(tmp_path / "shown.png", (56, 56)))))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, GenerationFailed)
    assert "projector" in str(failed.error)


POISON = """
#include <stddef.h>
#include <string.h>
extern void *__libc_malloc(size_t);
extern void *__libc_memalign(size_t, size_t);
static void *poison(void *p, size_t n) { if (p) memset(p, 0xFF, n); return p; }
void *malloc(size_t n) { return poison(__libc_malloc(n), n); }
void *aligned_alloc(size_t a, size_t n) { return poison(__libc_memalign(a, n), n); }
int posix_memalign(void **out, size_t a, size_t n) {
    *out = poison(__libc_memalign(a, n), n);
    return *out ? 0 : 12;
}
"""


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler and the GNU C library"
)
def test_memory_that_was_never_written_does_not_reach_a_picture(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, library = tmp_path / "poison.c", tmp_path / "poison.so"
    source.write_text(POISON)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    shown = picture(tmp_path / "shown.png", (140, 140))
    clean = start(small_model, projector)
    expected = clean.answer(clean.generated(user("What?", shown), max_tokens=8).request_id)

    monkeypatch.setenv("LD_PRELOAD", str(library))
    poisoned = start(small_model, projector)
    ended = poisoned.generated(user("What?", shown), max_tokens=8)

    assert poisoned.answer(ended.request_id) == expected


# --- loading ------------------------------------------------------------------------------------


def test_details_say_what_a_person_wants_to_know(start: NewEngine, small_model: Path, projector: Path) -> None:
    loaded = start().loaded(small_model, projector)

    details = dict(loaded.details)
    assert details["Quantization"] == "Q4_K_M"
    assert details["Family"] == "mistral4"
    assert details["Projector"] == projector.name
    assert details["Threads"] == "1"
    assert "CPU" in details["Backends"]
    assert details["Attention scale"] == "as the file says"
    assert any("model" in value and "MiB" in value for label, value in details.items() if "Memory" in label)
    assert loaded.sees_pictures


def rewritten(model: Path, target: Path, *pairs: tuple[bytes, bytes]) -> Path:
    content = model.read_bytes()
    for old, new in pairs:
        assert old in content
        assert len(old) == len(new)
        content = content.replace(old, new)
    target.write_bytes(content)
    return target


def test_missing_temperature_keys_are_put_in_and_told(start: NewEngine, small_model: Path, tmp_path: Path) -> None:
    lacking = rewritten(
        small_model,
        tmp_path / "lacking.gguf",
        (b"attention.temperature_scale", b"attention.temperature_xxxxx"),
        (b"attention.temperature_length", b"attention.temperature_xxxxxx"),
    )
    recorder = start()

    corrected = dict(recorder.loaded(lacking).details)
    complete = dict(recorder.loaded(small_model).details)

    assert "8192" in corrected["Correction"]
    assert "Correction" not in complete


def test_wished_metadata_changes_the_model_and_is_told(start: NewEngine, small_model: Path) -> None:
    wish = (
        ("mistral4.rope.scaling.yarn_log_multiplier", 0.0),
        ("mistral4.rope.scaling.attn_factor", 0.6733086),
    )
    recorder = start(small_model)
    before = recorder.answer(recorder.generated(user("Hello"), max_tokens=16).request_id)

    details = recorder.loaded(small_model, metadata=wish).details

    assert dict(details)["Attention scale"] == "not scaled (native configuration)"
    assert recorder.answer(recorder.generated(user("Hello"), max_tokens=16).request_id) != before


def test_files_that_can_not_be_opened_are_told_apart(
    start: NewEngine, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    content = small_model.read_bytes()
    recorder = start()

    def fails(kind: type[AppError], model: Path, eyes: Path | None = None) -> None:
        error = failure_of(recorder, model, eyes)
        assert type(error) is kind, error

    for length in (0, 3, 20, 1000, 50_000, len(content) // 2, len(content) - 1):
        truncated = tmp_path / f"truncated-{length}.gguf"
        truncated.write_bytes(content[:length])
        fails(ModelFileDamaged, truncated)
    (tmp_path / "text.gguf").write_text("This is no model.")
    fails(ModelFileDamaged, tmp_path / "text.gguf")
    fails(ModelFileMissing, tmp_path / "nothing.gguf")
    fails(ModelFileMissing, tmp_path)
    other = rewritten(small_model, tmp_path / "other.gguf", (b"mistral4", b"mistral9"))
    fails(ModelNotSupported, other)
    hole = rewritten(small_model, tmp_path / "hole.gguf", (b"blk.2.ffn_gate_inp", b"blk.2.xxx_xxxx_xxx"))
    fails(ModelNotSupported, hole)
    fails(ModelNotSupported, projector)
    fails(ProjectorMismatch, small_model, small_model)
    half = tmp_path / "half.gguf"
    half.write_bytes(projector.read_bytes()[: projector.stat().st_size // 2])
    fails(ModelFileDamaged, small_model, half)
    width = b"clip.vision.projection_dim\x04\0\0\0"
    wide = rewritten(projector, tmp_path / "wide.gguf", (width + b"\x00\x01", width + b"\x00\x02"))
    fails(ProjectorMismatch, small_model, wide)
    assert isinstance(recorder.loaded(small_model, projector), Loaded)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no ulimit")
def test_too_little_memory_is_named(start: NewEngine, small_model: Path) -> None:
    limited = ["sh", "-c", f"ulimit -v 1500000; exec {' '.join(engine_command())}"]
    recorder = start(command=limited)

    error = failure_of(recorder, small_model, plan=cpu_plan(1 << 20))  # 2.5 GiB of KV cache

    assert isinstance(error, NotEnoughMemory)
    assert isinstance(recorder.loaded(small_model), Loaded)


def test_a_planned_card_that_is_gone_is_named(start: NewEngine, small_model: Path) -> None:
    plan = Plan(
        fits=True,
        context_tokens=512,
        n_gpu_layers=5,
        tensor_split=(5,),
        overrides=(TensorOverride("ffn_down_exps", "CPU"),),
        devices=(DevicePlan("RTX 9999", "0000ffff:ff:1f.0", 1, 1, 1, 1, 1),),
        host=HostPlan(1, 1),
        reasons=(),
    )

    error = failure_of(start(), small_model, plan=plan)

    assert isinstance(error, NotEnoughMemory)
    assert "0000ffff:ff:1f.0" in str(error)


def test_overrides_to_the_cpu_are_accepted(start: NewEngine, small_model: Path) -> None:
    plan = cpu_plan(512)
    object.__setattr__(plan, "overrides", (TensorOverride(r"blk\.\d+\.ffn_(gate_up|down)_exps", "CPU"),))

    recorder = start(small_model, plan=plan)

    assert recorder.generated(user("x"), max_tokens=1).stats.generated_tokens == 1


def test_a_model_in_parts_opens_by_its_first_part_only(start: NewEngine, split_model: Path, tmp_path: Path) -> None:
    first, *others = sorted(split_model.parent.glob(split_model.name.replace("00001-of", "*-of")))
    assert others
    recorder = start()

    assert isinstance(recorder.loaded(first), Loaded)
    assert isinstance(failure_of(recorder, others[0]), ModelNotSupported)
    alone = tmp_path / first.name
    shutil.copyfile(first, alone)
    assert isinstance(failure_of(recorder, alone), ModelFileMissing)


def test_a_model_with_its_own_template_answers_too(start: NewEngine, chatml_model: Path) -> None:
    recorder = start()

    loaded = recorder.loaded(chatml_model)
    ended = recorder.generated(user("Hello <|im_end|> there"), max_tokens=4)

    assert loaded.arch != "mistral4"
    assert ended.stats.generated_tokens > 0
    assert recorder.of(ended.request_id)[0].settings == ""


def test_loading_another_model_takes_the_place_of_the_first(
    start: NewEngine, small_model: Path, thinking_model: Path
) -> None:
    recorder = start(small_model)
    pid = recorder.engine.pid

    recorder.loaded(thinking_model)

    assert recorder.engine.pid == pid
    ended = recorder.generated(user("Count!"))
    assert recorder.answer(ended.request_id).startswith("## Short answer")


ABORTING = """
import app.engine.child.__main__ as entry
from app.engine.child import serving
from llama_cpp import llama_cpp
def give_up(*_): llama_cpp._lib.ggml_abort(b"ggml.c", 7, {message!r})
serving.Server.handle = give_up
entry.main()
"""


@pytest.mark.parametrize(
    ("message", "words"),
    [(b"GGML_ASSERT(x > 0) failed", "inside itself"), (b"failed to allocate the buffer", "(memory ran out)")],
)
def test_when_native_code_gives_up_its_reason_is_told(
    start: NewEngine, small_model: Path, caplog: pytest.LogCaptureFixture, message: bytes, words: str
) -> None:
    caplog.set_level(logging.INFO)
    recorder = start(command=[sys.executable, "-c", ABORTING.format(message=message)])

    died = recorder.end_of(recorder.load(small_model))

    assert isinstance(died, Died)
    assert words in str(died.error)
    assert f"ggml.c:7: {message.decode()}" in caplog.text


def test_nothing_is_imported_from_the_current_folder(
    start: NewEngine, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("llama_cpp", "gguf", "logging", "app"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')")
    monkeypatch.chdir(tmp_path)

    assert isinstance(start().loaded(small_model.resolve()), Loaded)


def test_words_arrive_while_the_answer_grows(start: NewEngine, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"))

    pieces = [event for event in recorder.of(ended.request_id) if isinstance(event, AnswerPiece)]
    assert len(pieces) == ended.stats.generated_tokens  # nothing is held back
