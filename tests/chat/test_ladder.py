"""What a plan gives up when memory ran out, and in which order."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from app.chat.descent import Descent, StepMemory, Steps
from app.chat.ladder import Rung, Step, next_step, take_step
from app.chat.opening import Opening
from app.core.errors import (
    EngineCrashed,
    EngineOutOfGpuMemory,
    EngineOutOfMemory,
    ModelNotSupported,
    NotEnoughGpuMemory,
    NotEnoughMemory,
)
from app.core.facts import (
    DevicePlan,
    Gpu,
    Hardware,
    HostPlan,
    ModelFacts,
    Plan,
    ProjectorFacts,
    TensorFact,
    TensorOverride,
    TensorRole,
)

GIB = 1 << 30
N_LAYERS = 8
PIXTRAL = ProjectorFacts(Path("mmproj.gguf"), "pixtral", 14, 1540, 2, 4096, GIB)
FULL_OF_VRAM = NotEnoughGpuMemory("full")


def tensor(layer: int, kind: str) -> TensorFact:
    role = TensorRole.DOWN_EXPERTS if kind == "down" else TensorRole.GATE_UP_EXPERTS
    return TensorFact(f"blk.{layer}.ffn_{kind}_exps.weight", (1,), "Q4_K", GIB, role, layer)


def model(*, experts: bool = True) -> ModelFacts:
    tensors = [tensor(layer, kind) for layer in range(N_LAYERS) for kind in ("gate_up", "down")] if experts else []
    return ModelFacts(
        path=Path("m.gguf"),
        files=(Path("m.gguf"),),
        arch="mistral4",
        name="M",
        quantization="Q4_K_M",
        n_layers=N_LAYERS,
        embedding_length=64,
        vocabulary_size=100,
        training_context=1 << 20,
        kv_bytes_per_token=1,
        expert_count=8 if experts else 0,
        experts_used=2,
        file_bytes=1,
        tensors=tuple(tensors),
        chat_template=None,
        has_attention_temperature=True,
    )


def plan() -> Plan:
    """Two cards: layers 0 to 3, and 4 to 7 with the output; down experts in RAM."""
    return Plan(
        fits=True,
        context_tokens=16384,
        n_gpu_layers=9,
        tensor_split=(4, 5),
        overrides=(TensorOverride(r"blk\.\d+\.ffn_(down)_exps", "CPU"),),
        devices=tuple(DevicePlan(f"GPU {n}", f"0{n}", 9 * GIB, 4 * GIB, GIB, GIB, n * GIB) for n in range(2)),
        host=HostPlan(8 * GIB, 9 * GIB),
        reasons=("a reason",),
        projector_device="01",
    )


def steps(start: Plan, *, on_gpu: bool, experts: bool = True) -> list[Step]:
    found: list[Step] = []
    while step := next_step(start, model(experts=experts), PIXTRAL, [s.rung for s in found], on_gpu=on_gpu):
        found.append(step)
        start = step.plan
    return found


def test_a_full_card_goes_down_every_step_in_order() -> None:
    found = steps(plan(), on_gpu=True)

    assert [step.rung for step in found] == [
        Rung.BATCH,
        Rung.PROJECTOR,
        *[Rung.EXPERTS] * 4,
        Rung.CACHE,
        *[Rung.CONTEXT] * 3,
    ]
    last = found[-1].plan
    assert (last.batch_tokens, last.projector_device, last.kv_type, last.context_tokens) == (128, None, "q8_0", 2048)
    assert all(step.phrase for step in found)


def test_full_ram_moves_nothing_to_ram() -> None:
    assert {step.rung for step in steps(plan(), on_gpu=False)} == {Rung.BATCH, Rung.CACHE, Rung.CONTEXT}


def test_every_step_makes_the_cards_emptier_and_loses_no_bytes() -> None:
    before = plan()
    for step in steps(before, on_gpu=True):
        for old, new in zip(before.devices, step.plan.devices, strict=True):
            assert new.total_bytes <= old.total_bytes
        if step.rung is Rung.EXPERTS:
            moved = sum(d.weights_bytes for d in before.devices) - sum(d.weights_bytes for d in step.plan.devices)
            assert moved > 0
            assert step.plan.host.total_bytes - before.host.total_bytes == moved
        before = step.plan


def test_experts_leave_the_ends_of_both_cards_by_name() -> None:
    step = take_step(Rung.EXPERTS, plan(), model(), PIXTRAL)

    assert step is not None
    first = re.compile(step.plan.overrides[0].pattern)
    moved = [fact.name for fact in model().tensors if first.search(fact.name)]
    assert moved == [tensor(layer, kind).name for layer in (3, 7) for kind in ("gate_up", "down")]
    assert [device.weights_bytes for device in step.plan.devices] == [3 * GIB, 3 * GIB], "down lay in RAM before"
    assert step.plan.overrides[1:] == plan().overrides
    assert "2.0 GiB more of experts" in step.phrase


def test_all_experts_leave_in_the_end_and_none_twice() -> None:
    present, seen = plan(), 0
    while step := take_step(Rung.EXPERTS, present, model(), PIXTRAL):
        if not step.phrase.endswith("answers slower") or "experts" not in step.phrase:
            break
        present, seen = step.plan, seen + 1
    assert [device.weights_bytes for device in present.devices] == [0, 0]
    assert seen == 4


def test_models_without_experts_give_layers_back() -> None:
    step = take_step(Rung.EXPERTS, replace(plan(), overrides=()), model(experts=False), PIXTRAL)

    assert step is not None
    assert (step.plan.tensor_split, step.plan.n_gpu_layers) == ((3, 3), 6)
    assert "3 more layers on the CPU" in step.phrase
    single = replace(plan(), overrides=(), tensor_split=(1, 5), n_gpu_layers=6)
    emptied = take_step(Rung.EXPERTS, single, model(experts=False), PIXTRAL)
    assert emptied is not None
    assert emptied.plan.tensor_split == (3,)
    assert [device.bus_id for device in emptied.plan.devices] == ["01"], "an empty card is left out"


def test_pictures_that_are_read_as_one_keep_the_batch() -> None:
    other = replace(PIXTRAL, projector_type="gemma3")

    assert take_step(Rung.BATCH, plan(), model(), other) is None
    assert take_step(Rung.BATCH, plan(), model(), None) is not None


# --- one model's way down -------------------------------------------------------------------------


def opening(**changes: object) -> Opening:
    gpu = Gpu("RTX", "01", "uuid-1", 24 * GIB, 20 * GIB, False)
    machine = Hardware((gpu,), 64 * GIB, 60 * GIB, "CPU", 8)
    return Opening(model(), PIXTRAL, machine, replace(plan(), **changes))  # type: ignore[arg-type]  # Plan's names


def test_each_error_takes_its_step_and_adds_its_reason() -> None:
    descent = Descent(opening(), Steps())

    assert "128 tokens" in descent.go_on(FULL_OF_VRAM)
    assert "projector" in descent.go_on(EngineOutOfGpuMemory("died"))
    assert "8 bits" in descent.go_on(EngineOutOfMemory("died, of RAM"))
    assert "8,192 tokens" in descent.go_on(NotEnoughMemory("RAM"))
    assert descent.steps == Steps((Rung.BATCH, Rung.PROJECTOR, Rung.CACHE, Rung.CONTEXT), 8192)
    assert descent.opening.plan.reasons[0] == "a reason"
    assert descent.opening.plan.reasons[-1].startswith("Memory ran out; now with a context of 8,192")


@pytest.mark.parametrize("error", [ModelNotSupported("x"), EngineCrashed("x")])
def test_other_errors_take_no_step(error: Exception) -> None:
    descent = Descent(opening(), Steps())

    assert descent.go_on(error) == ""  # type: ignore[arg-type]  # both are AppErrors
    assert descent.steps == Steps()


def test_the_bottom_is_the_end() -> None:
    descent = Descent(opening(), Steps())
    for _ in range(100):
        if not descent.go_on(FULL_OF_VRAM):
            break
    else:
        pytest.fail("it never ends")
    assert descent.opening.plan.context_tokens == 2048


def test_a_model_that_does_not_bear_a_small_cache_goes_on_without() -> None:
    descent = Descent(opening(projector_device=None), Steps())
    descent.go_on(NotEnoughMemory("RAM"))
    assert "8 bits" in descent.go_on(NotEnoughMemory("RAM"))

    phrase = descent.go_on(ModelNotSupported("it does not bear that"))

    assert "8,192 tokens" in phrase
    assert descent.opening.plan.kv_type == "f16"
    assert descent.steps == Steps((Rung.BATCH, Rung.CONTEXT), 8192)


# --- what is remembered ---------------------------------------------------------------------------


def test_remembered_steps_are_taken_again(tmp_path: Path) -> None:
    memory = StepMemory(tmp_path / "steps.json")
    descent = Descent(opening(), Steps())
    for _ in range(8):
        descent.go_on(FULL_OF_VRAM)
    memory.keep(opening(), descent.steps)

    again = Descent(opening(), StepMemory(tmp_path / "steps.json").recall(opening()))

    assert replace(again.opening.plan, reasons=()) == replace(descent.opening.plan, reasons=())
    assert again.steps == descent.steps
    assert all("because memory ran out before" in reason for reason in again.opening.plan.reasons[1:])
    shorter = Descent(opening(context_tokens=4096), memory.recall(opening()))
    assert shorter.opening.plan.context_tokens == 4096, "the remembered context is a limit, no wish"


def test_another_machine_or_model_remembers_nothing(tmp_path: Path) -> None:
    memory = StepMemory(tmp_path / "steps.json")
    memory.keep(opening(), Steps((Rung.BATCH,)))
    here = opening()

    assert memory.recall(here) == Steps((Rung.BATCH,))
    assert memory.recall(replace(here, model=replace(here.model, file_bytes=2))) == Steps()
    assert memory.recall(replace(here, hardware=replace(here.hardware, gpus=()))) == Steps()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"%s": {"rungs": ["x"]}}', b'{"%s": 5}', b"\xff"])
def test_a_damaged_file_remembers_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "steps.json"
    StepMemory(path).keep(opening(), Steps((Rung.BATCH,)))
    key = path.read_text().split('"')[1].encode()
    path.write_bytes(content.replace(b"%s", key))

    assert StepMemory(path).recall(opening()) == Steps()
    StepMemory(path).keep(opening(), Steps((Rung.CACHE,)))
    assert StepMemory(path).recall(opening()) == Steps((Rung.CACHE,))
