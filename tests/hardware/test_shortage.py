"""Why memory ran out is a sentence with the numbers and the names."""

from __future__ import annotations

from dataclasses import replace

from app.core.facts import GpuProcess
from app.hardware.planner import plan_placement
from app.hardware.shortage import explain_shortage
from app.hardware.wishes import Wishes
from tests.hardware.model_tables import mistral_119b
from tests.hardware.test_planner import machine

GIB = 1 << 30
PLAN = plan_placement(mistral_119b(), None, machine(24, 24), Wishes(context_tokens=32768))


def test_enough_memory_needs_no_sentence() -> None:
    assert explain_shortage(PLAN, machine(24, 24)) == ""


def test_who_took_the_memory_is_named_with_the_numbers() -> None:
    now = machine(24, 24)
    holders = (GpuProcess(7, "game", 9 * GIB), GpuProcess(8, "solo", 5 * GIB), GpuProcess(9, "browser", 0))
    full = replace(now.gpus[1], free_bytes=14 * GIB, processes=holders)
    told = explain_shortage(PLAN, replace(now, gpus=(now.gpus[0], full)), frozenset({8}))
    (device,) = [device for device in PLAN.devices if device.bus_id == full.bus_id]
    assert f"{device.total_bytes / GIB:.1f} GiB were planned on NVIDIA GeForce RTX 4090 (GPU 2)" in told
    assert told.endswith("and 14.0 GiB are free; game holds 9.0 GiB and browser uses it too.")


def test_a_card_that_is_gone_and_ram_that_is_short_are_said() -> None:
    now = replace(machine(24, 24), gpus=machine(24).gpus, ram_available_bytes=20 * GIB)
    told = explain_shortage(PLAN, now)
    assert "NVIDIA GeForce RTX 4090 (GPU 2) does not answer any more." in told
    assert "of RAM, and 20.0 GiB are available." in told
