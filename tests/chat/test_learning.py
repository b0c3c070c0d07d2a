"""What a load shows is measured by the driver, kept for the next plan, and given back when the model makes way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.chat.learning import Learning
from app.core.events import ModelPlanned
from app.core.facts import BufferUse, GpuProcess, Hardware
from app.hardware.notebook import Notebook
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from tests.hardware.model_tables import mistral_119b
from tests.hardware.test_planner import machine

GIB = 1 << 30
BEFORE = machine(24, 24)
MODEL = mistral_119b()
PLAN = plan_placement(MODEL, None, BEFORE, Wishes(context_tokens=32768))
PLANNED = ModelPlanned(Path("/m.gguf"), None, "M", PLAN, MODEL, None, BEFORE)
BUFFERS = (
    *(BufferUse(device.bus_id, device.weights_bytes, device.kv_bytes, GIB // 8) for device in PLAN.devices),
    BufferUse("CPU", PLAN.host.weights_bytes, 0, GIB // 8),
)


def after(taken: Sequence[int], ram: int = 0) -> Hardware:
    gpus = tuple(replace(gpu, free_bytes=gpu.free_bytes - size) for gpu, size in zip(BEFORE.gpus, taken, strict=True))
    return replace(BEFORE, gpus=gpus, ram_available_bytes=BEFORE.ram_available_bytes - ram)


def learning(folder: Path, now: Hardware) -> Learning:
    return Learning(Notebook(folder / "m.json", lambda _threads: 50e9), lambda: now)


def test_the_driver_s_account_is_the_measure(tmp_path: Path) -> None:
    taken = [device.total_bytes + GIB for device in sorted(PLAN.devices, key=lambda device: device.bus_id)]
    found = learning(tmp_path, now := after(taken))
    found.note_plan(PLANNED)
    *cards, cpu = found.note_load(BUFFERS)
    for device, use in zip(PLAN.devices, cards, strict=True):
        assert (use.device, use.total_bytes) == (device.bus_id, device.total_bytes + GIB)
        assert (use.weights_bytes, use.kv_bytes) == (device.weights_bytes, device.kv_bytes)
    assert cpu == BUFFERS[-1]
    assert set(found.notebook.lesson(MODEL, now).extra_bytes.values()) == {GIB}


def test_without_the_driver_s_account_nothing_is_learned(tmp_path: Path) -> None:
    found = learning(tmp_path, BEFORE)
    found.note_plan(PLANNED)
    found.note_load(BUFFERS)
    assert found.notebook.lessons() == []


def test_a_loaded_model_s_memory_counts_as_free_for_the_next_plan(tmp_path: Path) -> None:
    now = after([20 * GIB, 18 * GIB], ram=25 * GIB)
    found = learning(tmp_path, now)
    assert found.without_model(now) == now
    found.note_plan(PLANNED)
    found.note_load(BUFFERS)
    assert found.without_model(now) == BEFORE
    found.forget_model()
    assert found.without_model(now) == now


def test_short_answers_say_nothing_about_speed(tmp_path: Path) -> None:
    found = learning(tmp_path, BEFORE)
    found.note_turn(1.0, 100)  # nothing is loaded
    found.note_plan(PLANNED)
    found.note_load(BUFFERS)
    found.note_turn(PLAN.expected_tokens_per_second / 2, 5)
    assert found.notebook.lesson(MODEL, BEFORE).speed_factor == 1
    found.note_turn(PLAN.expected_tokens_per_second / 2, 100)
    assert 0.5 < found.notebook.lesson(MODEL, BEFORE).speed_factor < 0.8


def test_a_shortage_is_explained_by_the_plan_that_failed(tmp_path: Path) -> None:
    full = replace(BEFORE.gpus[0], free_bytes=8 * GIB, processes=(GpuProcess(1, "game", 15 * GIB),))
    found = learning(tmp_path, replace(BEFORE, gpus=(full, BEFORE.gpus[1])))
    assert found.explain_shortage() == ""
    found.note_plan(PLANNED)
    smaller = plan_placement(MODEL, None, machine(8, 8), Wishes(context_tokens=4096))
    found.note_plan(replace(PLANNED, plan=smaller))
    assert "and 8.0 GiB are free; game holds 15.0 GiB." in found.explain_shortage()
