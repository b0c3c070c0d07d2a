from __future__ import annotations

import ctypes
from typing import Any

import pytest
from llama_cpp import llama_cpp as llama

from app.core.facts import DevicePlan, HostPlan, Plan, TensorOverride
from app.engine.child import ggml, placement
from app.engine.child.devices import Device
from app.engine.child.placement import model_parameters
from tests.engine.recorder import cpu_plan

FIRST, SECOND = "00000000:01:00.0", "00000000:41:00.0"


def planned(bus_id: str) -> DevicePlan:
    return DevicePlan("a card", bus_id, 1, 1, 1, 1, 1)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> dict[str, Device]:
    """Two cards in another order than the plan's; as handles serve devices that llama.cpp has anywhere."""
    cpu = ggml.device_by_type(ggml.DEVICE_TYPE_CPU)
    found = {
        SECOND: Device(cpu, "CUDA0", "the faster card", SECOND, is_gpu=True),
        FIRST: Device(cpu, "CUDA1", "the slower card", FIRST, is_gpu=True),
    }
    monkeypatch.setattr(placement, "list_devices", lambda: tuple(found.values()))
    return found


def go_on(_fraction: float) -> bool:
    return True


def pointers(address: Any, count: int) -> list[int | None]:
    return list((ctypes.c_void_p * count).from_address(address))


def test_a_plan_for_two_cards_becomes_llama_cpps_parameters(cards: dict[str, Device]) -> None:
    plan = Plan(
        fits=True,
        context_tokens=32768,
        n_gpu_layers=37,
        tensor_split=(18, 19),
        overrides=(TensorOverride(r"blk\.\d+\.ffn_down_exps", "CPU"), TensorOverride("gate_up", SECOND)),
        devices=(planned(FIRST), planned(SECOND)),
        host=HostPlan(1, 1),
        reasons=(),
        projector_device=SECOND,
    )

    parameters = model_parameters(plan, {}, go_on)

    struct = parameters.struct
    assert [device.name for device in parameters.devices] == ["CUDA1", "CUDA0"]
    assert parameters.projector_device is cards[SECOND]
    assert pointers(struct.devices, 3) == [cards[FIRST].handle, cards[SECOND].handle, None]
    assert struct.n_gpu_layers == 37
    assert struct.split_mode == llama.LLAMA_SPLIT_MODE_LAYER
    assert struct.tensor_split[:2] == [18.0, 19.0]
    overrides = (ggml.BufferOverride * 3).from_address(struct.tensor_buft_overrides)
    assert [override.pattern for override in overrides] == [rb"blk\.\d+\.ffn_down_exps", b"gate_up", None]
    assert overrides[0].buffer_type == ggml.device_buffer_type(ggml.device_by_type(ggml.DEVICE_TYPE_CPU))


def test_a_plan_without_cards_names_none_instead_of_all() -> None:
    struct = model_parameters(cpu_plan(), {}, go_on).struct

    assert struct.devices is not None  # NULL would mean every card there is
    assert pointers(struct.devices, 1) == [None]
    assert struct.n_gpu_layers == 0


def test_metadata_keeps_its_kinds() -> None:
    values = {"a.int": 8192, "a.float": 0.1, "a.bool": True, "a.text": "yarn"}

    struct = model_parameters(cpu_plan(), values, go_on).struct

    slots = struct.kv_overrides[:5]
    assert [slot.key for slot in slots] == [b"a.int", b"a.float", b"a.bool", b"a.text", b""]
    assert slots[0].value.val_i64 == 8192
    assert slots[1].value.val_f64 == pytest.approx(0.1)
    assert slots[2].value.val_bool
    assert slots[3].value.val_str == b"yarn"
    assert [slot.tag for slot in slots[:4]] == [
        llama.LLAMA_KV_OVERRIDE_TYPE_INT,
        llama.LLAMA_KV_OVERRIDE_TYPE_FLOAT,
        llama.LLAMA_KV_OVERRIDE_TYPE_BOOL,
        llama.LLAMA_KV_OVERRIDE_TYPE_STR,
    ]


def test_progress_reaches_the_callback_and_its_answer_llama_cpp() -> None:
    seen: list[float] = []

    def stop_at_half(fraction: float) -> bool:
        seen.append(fraction)
        return fraction < 0.5

    callback = model_parameters(cpu_plan(), {}, stop_at_half).struct.progress_callback

    assert callback(0.25, None) is True
    assert callback(0.75, None) is False
    assert seen == [0.25, 0.75]
