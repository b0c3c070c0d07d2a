"""Plans for machines and models one knows, and the sentences that explain them."""

from __future__ import annotations

import dataclasses
import time

import pytest

from app.core.facts import Gpu, Hardware, LayerCache, ModelFacts, Plan
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from tests.hardware.llama_rules import device_of_slots
from tests.hardware.model_tables import PROJECTOR, dense, dense_8b, dense_70b, mistral_119b, moe_30b

GIB, MIB = 1 << 30, 1 << 20


def machine(*cards: float, ram: float = 64, display: int | None = None, used_gib: float = 0.3) -> Hardware:
    gpus = tuple(
        Gpu(
            "NVIDIA GeForce RTX 4090",
            f"00000000:0{index + 1}:00.0",
            f"GPU-{index}",
            int(size * GIB),
            int((size - used_gib) * GIB),
            index == display,
        )
        for index, size in enumerate(cards)
    )
    return Hardware(gpus, int(ram * GIB), int((ram - 4) * GIB), "CPU", 16)


def plan_for(model: ModelFacts, hardware: Hardware, *, sees: bool = False, **wishes: int | bool) -> Plan:
    return plan_placement(model, PROJECTOR if sees else None, hardware, Wishes(**wishes))  # type: ignore[arg-type]  # fields by name


def text_of(plan: Plan) -> str:
    return " ".join(plan.reasons)


def test_the_119b_on_two_cards_of_24_gb() -> None:
    plan = plan_for(mistral_119b(), machine(24, 24, display=0), sees=True, context_tokens=32768)
    assert plan.fits
    assert plan.n_gpu_layers == 37
    assert sum(plan.tensor_split) == 37
    assert all(abs(count - 18.5) <= 1.5 for count in plan.tensor_split)
    assert sorted(device.name for device in plan.devices) == [
        "NVIDIA GeForce RTX 4090 (GPU 1)",
        "NVIDIA GeForce RTX 4090 (GPU 2)",
    ]
    assert all(device.total_bytes > 0.95 * device.budget_bytes for device in plan.devices)
    assert 27 * GIB < plan.host.total_bytes < 34 * GIB
    assert plan.overrides[0].pattern == r"blk\.\d+\.ffn_(down)_exps"
    assert len(plan.overrides) == 2
    assert plan.projector_device in {device.bus_id for device in plan.devices}
    assert "GiB of experts go to NVIDIA GeForce RTX 4090 (GPU 2)" in text_of(plan)
    assert "24.9 GiB of experts (the down part) stay in RAM" in text_of(plan)


def test_a_plan_takes_less_than_half_a_second() -> None:
    model = mistral_119b()
    for hardware in (machine(24, 24), machine(8, 12, 16, 24), machine()):
        started = time.process_time()
        plan_for(model, hardware, sees=True)
        assert time.process_time() - started < 0.5


def test_one_card_that_holds_all_is_used_alone() -> None:
    plan = plan_for(dense_8b(), machine(16, 24))
    assert [device.bus_id for device in plan.devices] == ["00000000:02:00.0"]
    assert (plan.tensor_split, plan.overrides) == ((33,), ())
    assert text_of(plan).startswith("The whole model goes to NVIDIA GeForce RTX 4090 (GPU 2).")


def test_of_equal_cards_the_one_without_display_is_used() -> None:
    assert plan_for(dense_8b(), machine(24, 24, display=0)).devices[0].bus_id == "00000000:02:00.0"
    assert plan_for(dense_8b(), machine(24, 24, display=1)).devices[0].bus_id == "00000000:01:00.0"
    assert plan_for(dense_8b(), machine(24, 24)).devices[0].bus_id == "00000000:01:00.0"


def test_a_large_card_takes_all_but_the_down_experts() -> None:
    plan = plan_for(mistral_119b(), machine(96), sees=True)
    assert [rule.pattern for rule in plan.overrides] == [r"blk\.\d+\.ffn_(down)_exps"]
    assert plan.devices[0].name == "NVIDIA GeForce RTX 4090"
    both = plan_for(mistral_119b(), machine(96), down_experts_in_vram=True)
    assert both.overrides == ()
    assert both.host.weights_bytes < GIB
    assert plan_for(mistral_119b("deepseek2"), machine(96)).overrides == ()


def test_a_dense_model_is_cut_by_layers() -> None:
    plan = plan_for(dense_70b(), machine(24), context_tokens=4096)
    assert 30 < plan.n_gpu_layers < 60
    assert plan.overrides == ()
    places = device_of_slots(plan, 80)
    assert places == ["CPU"] * (81 - plan.n_gpu_layers) + ["00000000:01:00.0"] * plan.n_gpu_layers
    assert f"{81 - plan.n_gpu_layers} of 80 layers stay on the CPU" in text_of(plan)


def test_a_dense_model_is_spread_over_two_cards() -> None:
    plan = plan_for(dense_70b(), machine(24, 24, display=1), context_tokens=4096)
    assert plan.n_gpu_layers == 81
    assert len(plan.devices) == 2
    assert "stay on the CPU" not in text_of(plan)


def test_a_display_card_keeps_more_free() -> None:
    devices = plan_for(mistral_119b(), machine(24, 24, display=0)).devices
    with_display, without = sorted(devices, key=lambda device: device.bus_id)
    assert without.budget_bytes - with_display.budget_bytes == 512 * MIB
    (device,) = plan_for(dense_8b(), machine(24), reserve_bytes=3 * GIB).devices
    assert device.budget_bytes == int(23.7 * GIB) - 3 * GIB


def test_an_occupied_card_gets_less() -> None:
    hardware = machine(24, 24)
    occupied = dataclasses.replace(hardware.gpus[0], free_bytes=8 * GIB)
    plan = plan_for(mistral_119b(), dataclasses.replace(hardware, gpus=(occupied, hardware.gpus[1])))
    assert [device.bus_id for device in plan.devices] == ["00000000:02:00.0", "00000000:01:00.0"]
    assert plan.devices[1].total_bytes <= 7 * GIB


def test_without_gpus_everything_runs_on_the_cpu() -> None:
    plan = plan_for(mistral_119b(), machine(ram=96), sees=True)
    assert (plan.fits, plan.devices, plan.n_gpu_layers, plan.tensor_split) == (True, (), 0, ())
    assert plan.overrides == ()
    assert plan.projector_device is None
    assert "no usable GPU" in text_of(plan)
    assert "Pictures are read on the CPU, because no GPU is used" in text_of(plan)


def test_a_card_too_small_for_a_layer_is_not_used() -> None:
    plan = plan_for(dense_70b(), machine(2))
    assert plan.devices == ()
    assert "too little free memory for even one layer" in text_of(plan)


def test_too_little_ram_is_said_in_gib() -> None:
    plan = plan_for(mistral_119b(), machine(24, 24, ram=28))
    assert not plan.fits
    assert "GiB of free RAM are missing." in text_of(plan)
    assert "choose a smaller quantization: about" in text_of(plan)
    assert "far too large" in text_of(plan_for(dense_70b(), machine(ram=8)))


def test_a_shorter_context_is_named_when_it_would_fit() -> None:
    plan = plan_for(dense_8b(), machine(ram=16), context_tokens=131072)
    assert not plan.fits
    assert "With a context of 32,768 tokens it would fit." in text_of(plan)
    assert plan_for(dense_8b(), machine(ram=16), context_tokens=32768).fits


def test_the_context_chosen_costs_nothing_important() -> None:
    assert plan_for(mistral_119b(), machine(24, 24)).context_tokens == 32768
    assert plan_for(dense_8b(), machine(24)).context_tokens == 32768
    # half of a 70B model's 10 GiB for 32k tokens would come off a 24 GB card
    assert 4096 < plan_for(dense_70b(), machine(24)).context_tokens < 32768
    # a second card only for a longer context is not worth it
    small = plan_for(dense_8b(), machine(10, 10))
    assert (len(small.devices), small.context_tokens < 32768) == (1, True)


def test_without_a_gpu_the_context_shrinks_to_what_ram_holds() -> None:
    plan = plan_for(dense_8b(), machine(ram=13.5))
    assert plan.fits
    assert plan.context_tokens < 32768


def test_the_context_never_exceeds_training() -> None:
    short = dataclasses.replace(dense_8b(), training_context=2048)
    assert plan_for(short, machine(24)).context_tokens == 2048
    plan = plan_for(short, machine(24), context_tokens=8192)
    assert plan.context_tokens == 2048
    assert "because the model was not made for more" in text_of(plan)


def test_a_long_context_pushes_experts_out() -> None:
    short, long = (plan_for(mistral_119b(), machine(24, 24), context_tokens=context) for context in (4096, 262144))
    assert long.n_gpu_layers == short.n_gpu_layers == 37
    assert long.host.weights_bytes > short.host.weights_bytes + 4 * GIB


def test_the_projector_goes_where_it_takes_at_most_half() -> None:
    assert plan_for(dense_70b(), machine(24), sees=True).projector_device == "00000000:01:00.0"
    plan = plan_for(dense_70b(), machine(5), sees=True, context_tokens=4096)
    assert plan.devices
    assert plan.projector_device is None
    assert "no GPU has room" in text_of(plan)


def test_a_tied_output_is_copied_to_the_card() -> None:
    tied = dense(28, 3072, 8192, tied=True)
    plan = plan_for(tied, machine(24))
    embedding = next(tensor.n_bytes for tensor in tied.tensors if tensor.name == "token_embd.weight")
    assert plan.host.weights_bytes == embedding
    assert plan.devices[0].weights_bytes == sum(tensor.n_bytes for tensor in tied.tensors)


def test_unfused_experts_are_cut_inside_a_layer() -> None:
    plan = plan_for(moe_30b(), machine(12), context_tokens=4096)
    kinds = {rule.pattern.split("ffn_")[1] for rule in plan.overrides}
    assert 1 < len(plan.overrides) <= 3
    assert all(kind.endswith("_exps") for kind in kinds)


@pytest.mark.parametrize("caches", [(), (LayerCache(640),) * 36])
def test_facts_without_caches_per_layer_are_spread_evenly(caches: tuple[LayerCache, ...]) -> None:
    model = dataclasses.replace(mistral_119b(), layer_caches=caches)
    (device,) = plan_for(model, machine(96), context_tokens=32768).devices
    assert device.kv_bytes == 23_040 * 32768


def test_while_a_prompt_is_read_the_first_card_borrows_a_layer() -> None:
    first, second = plan_for(mistral_119b(), machine(16, 16)).devices
    assert first.compute_bytes - second.compute_bytes > GIB
