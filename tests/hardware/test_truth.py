"""Plans against llama.cpp's own account of them, for real models at their real size, without loading any.

The engine lays every plan out without memory (`--trial`). What this build of it can place is compared: all on
the CPU always, and over its GPUs where it has any. `SOLO_RPC_SERVERS` makes devices of servers on this machine,
with a build that has RPC.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.core.errors import EngineUnavailable
from app.core.facts import BufferUse, Gpu, Hardware, ModelFacts, Plan
from app.engine.process import child_environment, engine_command
from app.engine.protocol import LoadRequest
from app.engine.report import read_report
from app.engine.trial import try_plan
from app.engine.wire import pack
from app.hardware.needs import RUNTIME_BYTES, add_up
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from app.models.gguf import read_model
from tests.hardware.model_tables import says
from tests.hardware.real_headers import HEADERS

pytestmark = pytest.mark.model

GIB, MIB = 1 << 30, 1 << 20
CONTEXTS = (4096, 32768, 131072, 262144)
# Of RPC devices two are enough for every pair; budgets are described, the servers need not have them.
CARDS_GIB = ((8,), (24,), (96,), (24, 24), (24, 8), (12, 48), (96, 96), (16, 16, 16), (24, 24, 12, 8))


@dataclass(frozen=True)
class Case:
    name: str
    model: ModelFacts
    plan: Plan

    def request(self) -> LoadRequest:
        return LoadRequest("r", self.model.path, None, self.plan)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFacts]:
    folder = tmp_path_factory.mktemp("headers")
    return {name: read_model(make().write(folder / f"{name}.gguf")) for name, make in HEADERS.items()}


def machine(gpus: tuple[Gpu, ...] = ()) -> Hardware:
    return Hardware(gpus, 1 << 42, 1 << 42, "CPU", 8)


def tried(cases: list[Case]) -> list[tuple[BufferUse, ...]]:
    """Return the account of every case; one process lays them all out, one after the other."""
    done = subprocess.run(
        [*engine_command(), "--trial"],
        env=child_environment(),
        input=b"".join(pack(case.request()) for case in cases),
        capture_output=True,
        timeout=1800,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert "buffers" in answer, answer
    uses: Iterator[BufferUse] = (BufferUse(**one) for one in answer["buffers"])
    found: list[tuple[BufferUse, ...]] = []
    group: list[BufferUse] = []
    for use in uses:  # the CPU ends each account
        group.append(use)
        if use.device == "CPU":
            found.append(tuple(group))
            group = []
    assert len(found) == len(cases)
    return found


def agrees(planned: int, found: int) -> bool:
    return abs(planned - found) <= max(0.02 * found, 64 * MIB)


def test_everything_on_the_cpu(models: dict[str, ModelFacts]) -> None:
    cases = [
        Case(name, model, plan_placement(model, None, machine(), Wishes(context_tokens=context, kv_type=kind)))
        for name, model in models.items()
        for context, kind in [*((context, "f16") for context in CONTEXTS[:3]), (32768, "q8_0")]
    ]
    wrong = []
    for case, (use,) in zip(cases, tried(cases), strict=True):
        plan, needs = case.plan, add_up(case.model, None, case.plan.kv_type)
        cache = sum(slot.cache_bytes(plan.context_tokens) for slot in needs.slots)
        pairs = {
            "weights": (plan.host.weights_bytes, use.weights_bytes),
            "cache": (cache, use.kv_bytes),
            "compute": (needs.compute_bytes(plan.context_tokens, copies=1), use.compute_bytes),
        }
        wrong += [(case.name, plan, what, pair) for what, pair in pairs.items() if not agrees(*pair)]
    assert not wrong


def test_over_the_engine_s_gpus(models: dict[str, ModelFacts]) -> None:
    gpus = [device for device in read_report().devices if device.is_gpu]
    if not gpus:
        pytest.skip("this build of the engine has no GPU to lay anything out on (needs CUDA, Vulkan or RPC)")
    cases = [
        Case(name, model, plan_placement(model, None, machine(described), Wishes(context_tokens=context)))
        for name, model in models.items()
        for sizes in CARDS_GIB
        if len(sizes) <= len(gpus)
        for described in [
            tuple(
                Gpu(gpu.name, gpu.key, gpu.key, size * GIB, size * GIB, False, takes_f32_experts=gpu.takes_f32_experts)
                for gpu, size in zip(gpus, sizes, strict=False)
            )
        ]
        for context in CONTEXTS
    ]
    wrong = []
    for case, uses in zip(cases, tried(cases), strict=True):
        found = {use.device: use for use in uses}
        for device in case.plan.devices:
            use = found[device.bus_id]
            pairs = {
                "weights": (device.weights_bytes, use.weights_bytes),
                "cache": (device.kv_bytes, use.kv_bytes),
                "compute": (device.compute_bytes - RUNTIME_BYTES, use.compute_bytes),
            }
            wrong += [(case.name, case.plan, what, pair) for what, pair in pairs.items() if not agrees(*pair)]
            assert use.total_bytes <= device.budget_bytes
    assert not wrong


def test_a_trial_is_answered_for_one_plan(models: dict[str, ModelFacts]) -> None:
    model = models["lfm2 2.6B"]
    plan = plan_placement(model, None, machine(), Wishes(context_tokens=4096))
    (use,) = try_plan(LoadRequest("r", model.path, None, plan))
    assert (use.device, use.weights_bytes) == ("CPU", plan.host.weights_bytes)


@pytest.mark.parametrize(
    "answer", ["no json", "{}", '{"sentence": "No."}', '{"buffers": [{"device": "CPU", "weights_bytes": -1}]}', "[]"]
)
def test_a_trial_that_fails_says_nothing_against_the_plan(models: dict[str, ModelFacts], answer: str) -> None:
    model = models["lfm2 2.6B"]
    plan = plan_placement(model, None, machine(), Wishes(context_tokens=4096))
    with pytest.raises(EngineUnavailable, match="can be loaded all the same"):
        try_plan(LoadRequest("r", model.path, None, plan), says(answer))
