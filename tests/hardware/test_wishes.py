"""What the person wishes shapes the plan, and llama.cpp's own rules put every byte where the plan says."""

from __future__ import annotations

import dataclasses

import pytest

from app.core.facts import Hardware, ModelFacts, Plan
from app.core.settings import Settings
from app.hardware.planner import plan_placement
from app.hardware.wishes import Alternative, Preference, Wishes, read_reserves, wishes_from, write_reserves
from tests.hardware.llama_rules import CPU, caches_by_device, weights_by_device
from tests.hardware.model_tables import dense_8b, dense_70b, mistral_119b, moe_30b
from tests.hardware.test_planner import machine, text_of

GIB, MIB = 1 << 30, 1 << 20
FIRST, SECOND = "00000000:01:00.0", "00000000:02:00.0"


def checked(model: ModelFacts, hardware: Hardware, wishes: Wishes) -> Plan:
    """Return the plan after comparing its bytes with where llama.cpp puts them."""
    plan = plan_placement(model, None, hardware, wishes)
    weights = weights_by_device(plan, model)
    for device in plan.devices:
        assert device.weights_bytes == weights[device.bus_id]
    assert plan.host.weights_bytes == weights[CPU]
    return plan


def with_bandwidths(hardware: Hardware, *bandwidths: float) -> Hardware:
    gpus = tuple(
        dataclasses.replace(gpu, bandwidth=speed) for gpu, speed in zip(hardware.gpus, bandwidths, strict=True)
    )
    return dataclasses.replace(hardware, gpus=gpus)


def test_only_the_cards_wished_for_are_used() -> None:
    plan = checked(mistral_119b(), machine(24, 24), Wishes(devices=(SECOND,)))
    assert [device.bus_id for device in plan.devices] == [SECOND]
    assert checked(dense_8b(), machine(24), Wishes(devices=())).devices == ()
    gone = checked(dense_8b(), machine(24), Wishes(devices=("00000000:99:00.0",)))
    assert "00000000:99:00.0 was asked for, but it is not here" in text_of(gone)


def test_a_split_by_hand_keeps_its_counts_and_the_reserve() -> None:
    wishes = Wishes(context_tokens=32768, split={SECOND: 30, FIRST: 6}, reserves={SECOND: 4 * GIB})
    plan = checked(mistral_119b(), machine(24, 24), wishes)
    assert [device.bus_id for device in plan.devices] == [SECOND, FIRST]
    assert plan.tensor_split == (30, 7)  # the output goes with the last card
    assert plan.devices[0].budget_bytes == int(23.7 * GIB) - 4 * GIB
    assert all(device.total_bytes <= device.budget_bytes for device in plan.devices)
    assert plan.fits
    assert "divided as you set it" in text_of(plan)


def test_a_split_by_hand_that_overfills_a_card_names_it() -> None:
    plan = checked(dense_70b(), machine(24, 24), Wishes(context_tokens=4096, split={FIRST: 70, SECOND: 10}))
    assert not plan.fits
    assert "(GPU 1) is too full by" in text_of(plan)
    assert "(GPU 2) is too full" not in text_of(plan)


def test_a_split_by_hand_may_leave_layers_on_the_cpu_and_never_has_too_many() -> None:
    assert checked(dense_8b(), machine(24), Wishes(split={FIRST: 10})).n_gpu_layers == 10
    assert checked(dense_8b(), machine(24), Wishes(split={FIRST: 99})).tensor_split == (33,)


@pytest.mark.parametrize("model", [mistral_119b(), moe_30b(), dense_8b()], ids=lambda model: str(model.arch))
def test_pinned_layers_go_where_they_were_pinned(model: ModelFacts) -> None:
    pins = {2: "CPU", 5: "CPU", 3: SECOND, model.n_layers - 1: FIRST}
    plan = checked(model, machine(24, 24), Wishes(context_tokens=4096, split={FIRST: 10, SECOND: 14}, pins=pins))
    buffers = {rule.buffer: rule.pattern for rule in plan.overrides[:3]}
    assert buffers["CPU"].startswith(r"blk\.(2|5)\.ffn_")
    assert buffers[SECOND].startswith(r"blk\.(3)\.ffn_")
    assert buffers[FIRST].startswith(rf"blk\.({model.n_layers - 1})\.ffn_")


def test_a_pin_to_a_card_without_layers_is_said_and_kept_in_ram() -> None:
    plan = checked(dense_8b(), machine(24, 24), Wishes(context_tokens=4096, split={FIRST: 32}, pins={4: SECOND}))
    assert "Layer 5 can't be pinned" in text_of(plan)
    assert [rule.buffer for rule in plan.overrides] == ["CPU"]


@pytest.mark.parametrize(("kind", "share"), [("q8_0", 34 / 64), ("q4_0", 18 / 64)])
def test_a_smaller_cache_takes_less(kind: str, share: float) -> None:
    wide = checked(dense_8b(), machine(24), Wishes(context_tokens=32768))
    narrow = checked(dense_8b(), machine(24), Wishes(context_tokens=32768, kv_type=kind))
    assert narrow.devices[0].kv_bytes == pytest.approx(share * wide.devices[0].kv_bytes)
    assert (wide.kv_type, narrow.kv_type) == ("f16", kind)
    assert wide.devices[0].kv_bytes == caches_by_device(wide, dense_8b())[FIRST]
    assert f"kept in {kind}" in text_of(narrow)


def test_preferences_trade_context_for_speed() -> None:
    plans = {kind: checked(dense_70b(), machine(24, 24), Wishes(preference=kind)) for kind in Preference}
    contexts = [plans[kind].context_tokens for kind in (Preference.SPEED, Preference.BALANCED, Preference.CONTEXT)]
    assert contexts == sorted(contexts)
    assert contexts[0] < contexts[2] == 131072
    speeds = {kind: plan.expected_tokens_per_second for kind, plan in plans.items()}
    assert speeds[Preference.SPEED] > speeds[Preference.CONTEXT]


def test_the_faster_card_is_chosen_and_filled_first() -> None:
    hardware = with_bandwidths(machine(24, 16), 450e9, 1000e9)
    (device,) = checked(dense_8b(), hardware, Wishes(context_tokens=8192)).devices
    assert device.bus_id == SECOND
    hardware = with_bandwidths(machine(48, 48), 450e9, 1000e9)
    both = checked(dense_70b(), with_bandwidths(machine(36, 36), 450e9, 1000e9), Wishes(context_tokens=4096))
    shares = {device.bus_id: device.weights_bytes for device in both.devices}
    assert shares[SECOND] > 2 * shares[FIRST]
    assert len(checked(dense_70b(), hardware, Wishes(context_tokens=4096)).devices) == 1


def test_the_expected_speed_follows_the_bandwidths() -> None:
    slow, fast = (
        checked(dense_8b(), with_bandwidths(machine(24), speed), Wishes(context_tokens=4096)).expected_tokens_per_second
        for speed in (300e9, 1000e9)
    )
    assert 2 < fast / slow < 3.4  # starting kernels costs both the same
    on_cpu = [
        checked(dense_8b(), dataclasses.replace(machine(), ram_bandwidth=speed), Wishes()).expected_tokens_per_second
        for speed in (40e9, 80e9)
    ]
    assert 1.9 < on_cpu[1] / on_cpu[0] < 2.1
    assert on_cpu[1] < slow


def test_published_speeds_come_out_roughly() -> None:
    large = with_bandwidths(machine(96), 1792e9)
    everything = checked(mistral_119b(), large, Wishes(context_tokens=32768, down_experts_in_vram=True))
    assert 130 < everything.expected_tokens_per_second < 260  # 186 were reported
    one = with_bandwidths(machine(24, ram=96), 1008e9)
    ddr4 = dataclasses.replace(one, ram_bandwidth=45e9)
    spilled = checked(mistral_119b(), ddr4, Wishes(context_tokens=32768))
    assert 10 < spilled.expected_tokens_per_second < 24  # 16 were reported


@pytest.mark.parametrize(("takes", "goes"), [(True, True), (False, False), (None, False)])
def test_down_experts_go_by_what_the_backend_answered(takes: bool | None, goes: bool) -> None:
    gpu = dataclasses.replace(machine(96).gpus[0], takes_f32_experts=takes)
    plan = checked(mistral_119b(), dataclasses.replace(machine(96), gpus=(gpu,)), Wishes(context_tokens=4096))
    assert (plan.overrides == ()) is goes


def test_another_file_of_the_model_is_named_where_it_would_fit() -> None:
    files = (Alternative("Q3_K_M", 56 * GIB), Alternative("Q2_K", 44 * GIB), Alternative("Q8_0", 126 * GIB))
    plan = plan_placement(mistral_119b(), None, machine(24, 24, ram=28), Wishes(), alternatives=files)
    assert not plan.fits
    assert "Q3_K_M (56.0 GiB) would fit; it is under Models." in text_of(plan)
    assert "GiB of RAM are needed and 22.0 GiB can be used" in text_of(plan)


@pytest.mark.parametrize("count", range(1, 9))
def test_one_to_eight_cards(count: int) -> None:
    for model in (dense_70b(), mistral_119b(), moe_30b()):
        plan = checked(model, machine(*[10] * count, ram=192), Wishes(context_tokens=8192))
        assert 1 <= len(plan.devices) <= count
        assert all(device.total_bytes <= device.budget_bytes for device in plan.devices)
        used = sum(device.total_bytes for device in plan.devices)
        # Of what is left on a card one more tensor of experts (1.1 GiB of the 119B) finds no room.
        spills = plan.host.weights_bytes > sum(tensor.n_bytes for tensor in model.tensors) // 2
        assert not spills or used > 0.8 * sum(device.budget_bytes for device in plan.devices)


def test_wishes_are_read_from_settings() -> None:
    settings = Settings(
        context_tokens=8192, reserve_mib=512, card_reserves=f"{FIRST}=2048 x {SECOND}=y", preference="speed"
    )
    wishes = wishes_from(settings)
    assert (wishes.context_tokens, wishes.reserve_bytes, wishes.preference) == (8192, 512 * MIB, Preference.SPEED)
    assert wishes.reserves == {FIRST: 2 * GIB}
    assert read_reserves(write_reserves({FIRST: GIB, SECOND: 0})) == {FIRST: GIB, SECOND: 0}
    assert wishes_from(Settings(preference="nonsense")).preference is Preference.BALANCED
