"""Small pure parts of the engine: corrections, endings, failures, devices, cancels."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import (
    AppError,
    Cancelled,
    EngineCrashed,
    EngineOutOfGpuMemory,
    EngineUnavailable,
    ModelFileDamaged,
    ModelFileMissing,
    ModelNotSupported,
    NotEnoughGpuMemory,
    NotEnoughMemory,
    ProjectorMismatch,
)
from app.engine import endings
from app.engine.child.cancellation import Cancellation
from app.engine.child.devices import Device, find_devices, normal_bus_id
from app.engine.child.failures import explain_load_failure, explain_projector_failure
from app.engine.corrections import (
    chosen_overrides,
    corrections_for,
    describe_attention_scale,
    explain_override,
)
from app.engine.endings import Ending, explain
from app.engine.wire import EXIT_WITHOUT_LIBRARY

MISTRAL = {"general.architecture": "mistral4"}


# --- corrections --------------------------------------------------------------------------------


def test_missing_temperature_keys_are_corrected_each_by_itself() -> None:
    both = corrections_for(MISTRAL)
    one = corrections_for({**MISTRAL, "mistral4.attention.temperature_scale": 0.2})

    assert [(c.key, c.value) for c in both] == [
        ("mistral4.attention.temperature_scale", 0.1),
        ("mistral4.attention.temperature_length", 8192),
    ]
    assert [c.key for c in one] == ["mistral4.attention.temperature_length"]


def test_other_families_are_left_alone() -> None:
    assert corrections_for({"general.architecture": "llama"}) == ()
    assert corrections_for({}) == ()
    assert describe_attention_scale({"general.architecture": "llama"}) == ""


def test_the_attention_scale_in_force_is_told() -> None:
    converter = {**MISTRAL, "mistral4.rope.scaling.yarn_log_multiplier": 0.1}
    switched = converter | dict(chosen_overrides("mistral4", unscaled_attention=True))

    assert describe_attention_scale(converter) == "as the file says"
    assert "not scaled" in describe_attention_scale(switched)


def test_the_switch_overrides_only_what_it_is_for() -> None:
    assert chosen_overrides("mistral4", unscaled_attention=False) == ()
    assert chosen_overrides("llama", unscaled_attention=True) == ()
    assert dict(chosen_overrides("mistral4", unscaled_attention=True)) == {
        "mistral4.rope.scaling.yarn_log_multiplier": 0.0,
        "mistral4.rope.scaling.attn_factor": 0.6733086,
    }


def test_an_override_is_explained_or_at_least_named() -> None:
    assert explain_override("mistral4.rope.scaling.yarn_log_multiplier", 0.0).endswith("as the setting asks.")
    assert explain_override("mistral4.rope.freq_base", 5.0) == "mistral4.rope.freq_base = 5.0"


# --- endings ------------------------------------------------------------------------------------


def ending(exit_code: int, **changes: object) -> Ending:
    values: dict[str, object] = {"last_words": "", "tail": "", "babbled": False, "greeted": True, **changes}
    return Ending(exit_code=exit_code, **values)  # type: ignore[arg-type]  # the names are Ending's


@pytest.mark.parametrize(
    ("exit_code", "words"), [(-9, "memory ran out"), (-11, "memory error"), (-4, "processor"), (1, "an error")]
)
def test_posix_endings_have_their_sentences(monkeypatch: pytest.MonkeyPatch, exit_code: int, words: str) -> None:
    monkeypatch.setattr(endings.sys, "platform", "linux")

    assert words in str(explain(ending(exit_code)))


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (0xC0000005, "memory error"),
        (0xC0000005 - (1 << 32), "memory error"),
        (0xC000001D, "processor"),
        (0xC0000017, "(memory ran out)"),
        (1, "it was killed"),
        (7, "an error"),
    ],
)
def test_windows_endings_have_their_sentences(monkeypatch: pytest.MonkeyPatch, exit_code: int, words: str) -> None:
    monkeypatch.setattr(endings.sys, "platform", "win32")

    assert words in str(explain(ending(exit_code)))


def test_a_check_that_failed_for_memory_is_memory() -> None:
    assert "(memory ran out)" in str(explain(ending(1, tail="terminate called after std::bad_alloc")))
    on_a_card = explain(ending(1, last_words="CUDA error: out of memory"))
    assert isinstance(on_a_card, EngineOutOfGpuMemory)
    assert "(a graphics card’s memory ran out: “CUDA error: out of memory”)" in str(on_a_card)


def test_an_engine_that_never_was_one_is_unavailable() -> None:
    assert isinstance(explain(ending(0, greeted=False)), EngineUnavailable)
    assert isinstance(explain(ending(EXIT_WITHOUT_LIBRARY)), EngineUnavailable)
    assert isinstance(explain(ending(0, babbled=True)), EngineCrashed)


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("error loading model: unable to allocate CUDA0 buffer", NotEnoughGpuMemory),
        ("ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory", NotEnoughGpuMemory),
        ("error loading model: failed to load GGUF split from x-00002-of-00002.gguf", ModelFileMissing),
        ("illegal split file idx: 1 (file: x), model must be loaded with the first split", ModelNotSupported),
        ("error loading model architecture: unknown model architecture: 'wizard'", ModelNotSupported),
        ("tensor 'x' data is not within the file bounds, model is corrupted or incomplete", ModelFileDamaged),
        ("gguf_init_from_file_ptr: invalid magic characters: 'PK', expected 'GGUF'", ModelFileDamaged),
        ("error loading model: missing tensor 'blk.0.attn_q.weight'", ModelNotSupported),
        ("", ModelNotSupported),
    ],
)
def test_what_llama_cpp_reports_becomes_an_error_with_a_sentence(log: str, kind: type[AppError]) -> None:
    error = explain_load_failure(log, Path("/models/{odd} name.gguf"))

    assert type(error) is kind
    assert "{odd} name.gguf" in str(error)


def test_an_unknown_family_is_named() -> None:
    assert "wizard" in str(explain_load_failure("unknown model architecture: 'wizard'", Path("a.gguf")))


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("mismatch between text model (n_embd = 256) and mmproj (n_embd = 512)", ProjectorMismatch),
        ("unknown projector type: eagle", ProjectorMismatch),
        ("failed to allocate buffer", NotEnoughMemory),
        ("tensor is not within the file bounds", ModelFileDamaged),
    ],
)
def test_a_projector_that_is_refused_is_explained(log: str, kind: type[AppError]) -> None:
    assert type(explain_projector_failure(log, Path("mmproj.gguf"))) is kind


# --- devices ------------------------------------------------------------------------------------


def gpu(name: str, bus_id: str = "", *, is_gpu: bool = True) -> Device:
    return Device(1, name, f"a card called {name}", bus_id, is_gpu)


@pytest.mark.parametrize("written", ["0000:01:00.0", "00000000:01:00.0", " 00000000:01:00.0 ", "0000:01:00.0".upper()])
def test_a_bus_id_has_one_form(written: str) -> None:
    assert normal_bus_id(written) == "00000000:01:00.0"


def test_cards_are_found_by_bus_id_in_the_order_of_the_plan() -> None:
    first, second = gpu("CUDA0", "00000000:41:00.0"), gpu("CUDA1", "00000000:01:00.0")
    available = (gpu("CPU", is_gpu=False), first, second)

    assert find_devices(("0000:01:00.0", "00000000:41:00.0"), available) == (second, first)


def test_a_card_without_bus_id_is_found_by_name_and_none_is_taken_twice() -> None:
    one, other = gpu("RPC0"), gpu("CUDA0", "00000000:01:00.0")
    twin = gpu("CUDA1", "00000000:01:00.0")

    assert find_devices(("rpc0",), (other, one)) == (one,)
    assert find_devices(("0000:01:00.0", "0000:01:00.0"), (other, twin)) == (other, twin)


def test_a_card_that_is_gone_is_named() -> None:
    with pytest.raises(NotEnoughMemory, match=r"0000:02:00\.0"):
        find_devices(("0000:02:00.0",), (gpu("CUDA0", "00000000:01:00.0"), gpu("CPU", is_gpu=False)))


# --- cancels ------------------------------------------------------------------------------------


def test_a_cancel_hits_only_its_own_request() -> None:
    cancellation = Cancellation()
    cancellation.cancel("2")
    cancellation.begin("1")
    assert not cancellation.requested
    cancellation.end()
    cancellation.begin("2")
    assert cancellation.requested
    with pytest.raises(Cancelled):
        cancellation.check()
    cancellation.end()
    cancellation.cancel("2")
    cancellation.begin("3")
    assert not cancellation.requested
