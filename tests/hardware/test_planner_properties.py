"""What must hold for every plan, whatever the machine and the model."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.facts import Gpu, Hardware, ModelFacts, Plan, TensorRole
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from tests.hardware.llama_rules import CPU, caches_by_device, weights_by_device
from tests.hardware.model_tables import PROJECTOR, dense, dense_8b, dense_70b, mistral_119b, moe_30b

GIB, MIB = 1 << 30, 1 << 20
MODELS = {
    "119B": mistral_119b(),
    "119B of another architecture": mistral_119b("deepseek2"),
    "8B": dense_8b(),
    "70B": dense_70b(),
    "tied 3B": dense(28, 3072, 8192, tied=True),
    "30B MoE": moe_30b(),
}
EXPERTS = {TensorRole.GATE_UP_EXPERTS, TensorRole.DOWN_EXPERTS}


@st.composite
def machines(draw: st.DrawFn) -> Hardware:
    """Draw 0 to 4 cards of 4 to 96 GB, equal or not, some of them occupied, one perhaps with the display."""
    count = draw(st.integers(0, 4))
    same = draw(st.booleans())
    first = draw(st.integers(4, 96))
    display = draw(st.integers(0, 4))
    gpus = []
    for index in range(count):
        total = (first if same else draw(st.integers(4, 96))) * GIB
        occupied = draw(st.sampled_from((0, 0, 300 * MIB, total // 3, total - GIB)))
        bus_id = f"00000000:{index + 1:02x}:00.0"
        gpus.append(Gpu("Card", bus_id, f"GPU-{index}", total, total - occupied, index == display))
    ram = draw(st.sampled_from((16, 32, 64, 96, 192, 512))) * GIB
    return Hardware(tuple(gpus), ram, ram - 3 * GIB, "CPU", 16)


def eligible(model: ModelFacts, wishes: Wishes) -> list[tuple[str, int]]:
    """Return the experts that may lie in VRAM."""
    refused = model.arch == "mistral4" and not wishes.down_experts_in_vram
    return [
        (tensor.name, tensor.n_bytes)
        for tensor in model.tensors
        if tensor.role in EXPERTS and not (refused and tensor.role is TensorRole.DOWN_EXPERTS)
    ]


def kept_in_ram(plan: Plan, model: ModelFacts, wishes: Wishes) -> list[int]:
    first = model.n_layers + 1 - plan.n_gpu_layers
    return [
        size
        for name, size in eligible(model, wishes)
        if int(name.split(".")[1]) < first or any(re.search(rule.pattern, name) for rule in plan.overrides)
    ]


def largest_layer(model: ModelFacts, context: int) -> int:
    """Return what the largest layer takes without routed experts."""
    sizes = [cache.bytes_per_token * context for cache in model.layer_caches]
    for tensor in model.tensors:
        if tensor.layer is not None and tensor.role not in EXPERTS:
            sizes[tensor.layer] += tensor.n_bytes
    return max(sizes)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hardware=machines(),
    context=st.sampled_from((0, 4096, 10_000, 32768, 131072, 262144)),
    sees=st.booleans(),
    down=st.booleans(),
)
def test_every_plan_is_sound(name: str, hardware: Hardware, context: int, sees: bool, down: bool) -> None:
    model, wishes = MODELS[name], Wishes(context_tokens=context, down_experts_in_vram=down)
    plan = plan_placement(model, PROJECTOR if sees else None, hardware, wishes)
    weights, caches = weights_by_device(plan, model), caches_by_device(plan, model)

    for device in plan.devices:
        assert device.total_bytes <= device.budget_bytes
        assert device.weights_bytes == weights[device.bus_id]
        assert device.kv_bytes == caches[device.bus_id]
        assert device.compute_bytes > 0
    assert plan.host.weights_bytes == weights[CPU]
    assert weights.total() >= sum(tensor.n_bytes for tensor in model.tensors)
    assert plan.host.total_bytes >= weights[CPU] + caches[CPU]

    assert plan.n_gpu_layers == sum(plan.tensor_split)
    assert all(count > 0 for count in plan.tensor_split)
    assert len(plan.tensor_split) == len(plan.devices)
    assert len(plan.overrides) <= 4
    assert plan.context_tokens == min(context, model.training_context) or not context
    assert plan.fits == (plan.host.total_bytes <= hardware.ram_available_bytes - 2 * GIB)
    assert plan.fits or any("missing" in reason for reason in plan.reasons)

    carriers = {device.bus_id for device in plan.devices if device.projector_bytes}
    assert carriers == ({plan.projector_device} if plan.projector_device else set())
    assert sees or not carriers
    assert all(reason.endswith(".") for reason in plan.reasons)


@pytest.mark.parametrize("name", ["119B", "119B of another architecture", "30B MoE"])
@settings(max_examples=80, deadline=None)
@given(hardware=machines(), context=st.sampled_from((0, 4096, 32768, 131072)))
def test_experts_fill_the_cards(name: str, hardware: Hardware, context: int) -> None:
    model, wishes = MODELS[name], Wishes(context_tokens=context)
    plan = plan_placement(model, None, hardware, wishes)
    rest = kept_in_ram(plan, model, wishes)
    if not rest or not plan.devices:
        return
    for device in plan.devices:
        left = device.budget_bytes - device.total_bytes
        # One more layer's experts may need that layer's attention and cache beside them.
        assert left <= device.budget_bytes // 20 or left < max(rest) + largest_layer(model, plan.context_tokens)


@pytest.mark.parametrize("name", ["8B", "70B", "30B MoE"])
@settings(max_examples=40, deadline=None)
@given(hardware=machines())
def test_a_dense_layer_stays_on_the_cpu_only_when_no_card_has_room(name: str, hardware: Hardware) -> None:
    model = MODELS[name]
    plan = plan_placement(model, None, hardware, Wishes(context_tokens=4096))
    if plan.n_gpu_layers == model.n_layers + 1 or not plan.devices:
        return
    for device in plan.devices:
        assert device.budget_bytes - device.total_bytes < 2 * largest_layer(model, plan.context_tokens)
