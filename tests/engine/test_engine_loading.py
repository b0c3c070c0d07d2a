"""Opening real files, whole and broken."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest

from app.core.errors import (
    AppError,
    ModelFileDamaged,
    ModelFileMissing,
    ModelNotSupported,
    NotEnoughMemory,
    ProjectorMismatch,
)
from app.core.facts import DevicePlan, HostPlan, Plan, TensorOverride
from app.engine.process import engine_command
from app.engine.protocol import (
    Died,
    Loaded,
)
from tests.engine.conftest import Start
from tests.engine.recorder import cpu_plan, user
from tests.engine.samples import failure_of, rewritten

pytestmark = pytest.mark.model


def test_details_say_what_a_person_wants_to_know(start: Start, small_model: Path, projector: Path) -> None:
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


def test_missing_temperature_keys_are_put_in_and_told(start: Start, small_model: Path, tmp_path: Path) -> None:
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


def test_wished_metadata_changes_the_model_and_is_told(start: Start, small_model: Path) -> None:
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
    start: Start, small_model: Path, projector: Path, tmp_path: Path
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
def test_too_little_memory_is_named(start: Start, small_model: Path) -> None:
    limited = ["sh", "-c", f"ulimit -v 1500000; exec {' '.join(engine_command())}"]
    recorder = start(command=limited)

    error = failure_of(recorder, small_model, plan=cpu_plan(1 << 20))  # 2.5 GiB of KV cache

    assert isinstance(error, NotEnoughMemory)
    assert isinstance(recorder.loaded(small_model), Loaded)


def test_a_planned_card_that_is_gone_is_named(start: Start, small_model: Path) -> None:
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


def test_overrides_to_the_cpu_are_accepted(start: Start, small_model: Path) -> None:
    plan = cpu_plan(512)
    object.__setattr__(plan, "overrides", (TensorOverride(r"blk\.\d+\.ffn_(gate_up|down)_exps", "CPU"),))

    recorder = start(small_model, plan=plan)

    assert recorder.generated(user("x"), max_tokens=1).stats.generated_tokens == 1


def test_a_model_in_parts_opens_by_its_first_part_only(start: Start, split_model: Path, tmp_path: Path) -> None:
    first, *others = sorted(split_model.parent.glob(split_model.name.replace("00001-of", "*-of")))
    assert others
    recorder = start()

    assert isinstance(recorder.loaded(first), Loaded)
    assert isinstance(failure_of(recorder, others[0]), ModelNotSupported)
    alone = tmp_path / first.name
    shutil.copyfile(first, alone)
    assert isinstance(failure_of(recorder, alone), ModelFileMissing)


def test_a_model_with_its_own_template_answers_too(start: Start, chatml_model: Path) -> None:
    recorder = start()

    loaded = recorder.loaded(chatml_model)
    ended = recorder.generated(user("Hello <|im_end|> there"), max_tokens=4)

    assert loaded.arch != "mistral4"
    assert ended.stats.generated_tokens > 0
    assert recorder.of(ended.request_id)[0].settings == ""


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
    [(b"GGML_ASSERT(x > 0) failed", "mistake in its own work"), (b"failed to allocate the buffer", "(memory ran out)")],
)
def test_when_native_code_gives_up_its_reason_is_told(
    start: Start, small_model: Path, caplog: pytest.LogCaptureFixture, message: bytes, words: str
) -> None:
    caplog.set_level(logging.INFO)
    recorder = start(command=[sys.executable, "-c", ABORTING.format(message=message)])

    died = recorder.end_of(recorder.load(small_model))

    assert isinstance(died, Died)
    assert words in str(died.error)
    assert f"ggml.c:7: {message.decode()}" in caplog.text


def test_nothing_is_imported_from_the_current_folder(
    start: Start, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("llama_cpp", "gguf", "logging", "app"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')")
    monkeypatch.chdir(tmp_path)

    assert isinstance(start().loaded(small_model.resolve()), Loaded)
