"""What is measured once is kept, and what a load shows corrects the next plan."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest

from app.core.facts import BufferUse, Plan
from app.hardware.bandwidth import measure_ram_bandwidth
from app.hardware.notebook import Notebook
from app.hardware.planner import plan_placement
from app.hardware.wishes import Lesson, Wishes
from tests.hardware.model_tables import dense_8b, mistral_119b
from tests.hardware.test_planner import machine

GIB, MIB = 1 << 30, 1 << 20
WISHES = Wishes(context_tokens=32768)


def measured(plan: Plan, extra_bytes: int) -> list[BufferUse]:
    cards = [
        BufferUse(device.bus_id, device.weights_bytes, device.kv_bytes, device.compute_bytes + extra_bytes)
        for device in plan.devices
    ]
    return [*cards, BufferUse("CPU", plan.host.weights_bytes, 0, plan.host.total_bytes - plan.host.weights_bytes)]


def test_the_ram_s_bandwidth_is_that_of_ram_and_quickly_measured() -> None:
    started = time.monotonic()
    bandwidth = measure_ram_bandwidth(2, block_bytes=8 << 20)
    assert 1e8 < bandwidth < 2e12
    assert time.monotonic() - started < 30  # a busy machine; alone it takes a tenth of a second


def test_it_is_measured_once_per_machine(tmp_path: Path) -> None:
    asked: list[int] = []

    def measure(threads: int) -> float:
        asked.append(threads)
        return 55e9

    path = tmp_path / "data" / "measured.json"
    assert Notebook(path, measure).complete(machine(24)).ram_bandwidth == 55e9
    assert Notebook(path, measure).complete(machine(24, 24)).ram_bandwidth == 55e9
    assert asked == [16]
    other = dataclasses.replace(machine(24), cpu_name="Another")
    assert Notebook(path, measure).complete(other).ram_bandwidth == 55e9
    assert asked == [16, 16]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"ram_bandwidth": 5}', '{"models": {"a": 1}}', '{"ram_bandwidth":', "\x00"]
)
def test_a_damaged_file_costs_a_measurement_and_nothing_else(tmp_path: Path, content: str) -> None:
    path = tmp_path / "measured.json"
    path.write_text(content)
    notebook = Notebook(path, lambda _threads: 50e9)
    assert notebook.complete(machine(24)).ram_bandwidth == 50e9
    assert notebook.lesson(dense_8b(), machine(24)) == Lesson()
    plan = plan_placement(dense_8b(), None, machine(24), WISHES)
    notebook.learn_memory(dense_8b(), machine(24), plan, measured(plan, GIB))
    assert notebook.lesson(dense_8b(), machine(24)).extra_bytes == {"00000000:01:00.0": GIB}


def test_a_difference_corrects_the_next_plan_of_this_model_here_only(tmp_path: Path) -> None:
    notebook, model, hardware = Notebook(tmp_path / "m.json"), mistral_119b(), machine(16, 16)
    plan = plan_placement(model, None, hardware, WISHES)
    notebook.learn_memory(model, hardware, plan, measured(plan, 900 * MIB))
    lesson = notebook.lesson(model, hardware)
    corrected = plan_placement(model, None, hardware, WISHES, lesson)
    grown = sum(device.compute_bytes for device in corrected.devices)
    assert grown - sum(device.compute_bytes for device in plan.devices) == 2 * 900 * MIB
    assert all(device.total_bytes <= device.budget_bytes for device in corrected.devices)
    assert notebook.lesson(dense_8b(), hardware) == Lesson()
    assert notebook.lesson(model, machine(16)) == Lesson()

    # The corrected plan was right: nothing more is added.
    notebook.learn_memory(model, hardware, corrected, measured(corrected, 0))
    assert notebook.lesson(model, hardware) == lesson
    # It was too careful: the correction shrinks.
    notebook.learn_memory(model, hardware, corrected, measured(corrected, -800 * MIB))
    assert set(notebook.lesson(model, hardware).extra_bytes.values()) == {100 * MIB}


def test_a_small_difference_is_noise(tmp_path: Path) -> None:
    notebook, hardware = Notebook(tmp_path / "m.json"), machine(24, 24)
    plan = plan_placement(mistral_119b(), None, hardware, WISHES)
    notebook.learn_memory(mistral_119b(), hardware, plan, measured(plan, 300 * MIB))
    assert notebook.lesson(mistral_119b(), hardware) == Lesson()
    assert not (tmp_path / "m.json").exists()


def test_the_speed_reached_corrects_the_speed_expected(tmp_path: Path) -> None:
    notebook, model, hardware = Notebook(tmp_path / "m.json"), dense_8b(), machine(24)
    plan = plan_placement(model, None, hardware, WISHES)
    for _ in range(6):
        told = plan_placement(model, None, hardware, WISHES, notebook.lesson(model, hardware))
        notebook.learn_speed(model, hardware, told, plan.expected_tokens_per_second / 2)
    told = plan_placement(model, None, hardware, WISHES, notebook.lesson(model, hardware))
    assert told.expected_tokens_per_second == pytest.approx(plan.expected_tokens_per_second / 2, rel=0.05)
    notebook.learn_speed(model, hardware, plan, 0.0)  # a turn without tokens says nothing
    assert told.tensor_split == plan.tensor_split


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notebook = Notebook(tmp_path / "file" / "m.json", lambda _threads: 50e9)
    assert notebook.complete(machine(24)).ram_bandwidth == 50e9


def test_nothing_of_the_person_s_stands_in_the_file_but_the_model_s_name(tmp_path: Path) -> None:
    notebook, hardware = Notebook(tmp_path / "m.json"), machine(24)
    plan = plan_placement(dense_8b(), None, hardware, WISHES)
    notebook.learn_memory(dense_8b(), hardware, plan, measured(plan, GIB))
    text = (tmp_path / "m.json").read_text()
    assert "GPU-0" not in text
    assert "/models" not in text
    assert len(json.loads(text)["models"]) == 1
