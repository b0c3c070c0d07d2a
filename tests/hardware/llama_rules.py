"""Where llama.cpp puts every tensor and every layer's cache, told from a plan as the engine passes it on.

Written from `llama-model.cpp` (`load_tensors`) and `llama-model-loader.cpp` (tensor overrides), with their
float32 arithmetic, and on purpose without anything of the planner.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter

import numpy as np

from app.core.facts import ModelFacts, Plan

CPU = "CPU"


def device_of_slots(plan: Plan, n_layers: int) -> list[str]:
    """Return the device of every layer and, last, of the output."""
    if not plan.devices:
        return [CPU] * (n_layers + 1)
    splits = np.cumsum(np.array(plan.tensor_split, dtype=np.float32), dtype=np.float32)
    splits /= splits[-1]
    first = max(n_layers + 1 - plan.n_gpu_layers, 0)
    on_gpus = min(plan.n_gpu_layers, n_layers + 1)
    places: list[str] = []
    for layer in range(n_layers + 1):
        if layer < first or layer - first >= on_gpus:
            places.append(CPU)
            continue
        at = np.float32(layer - first) / np.float32(on_gpus)
        places.append(plan.devices[bisect.bisect_right(list(splits), at)].bus_id)
    return places


def weights_by_device(plan: Plan, model: ModelFacts) -> Counter[str]:
    """Return the bytes of weights per bus id and for the CPU."""
    slots = device_of_slots(plan, model.n_layers)
    sizes: Counter[str] = Counter()
    for tensor in model.tensors:
        block = re.match(r"blk\.(\d+)\.", tensor.name)
        if tensor.name.startswith("token_embd."):
            place = CPU
        elif block:
            place = slots[int(block[1])]
        else:
            place = slots[-1] if tensor.name.startswith("output") else slots[0]
        overridden = [rule.buffer for rule in plan.overrides if re.search(rule.pattern, tensor.name)]
        sizes[overridden[0] if overridden else place] += tensor.n_bytes
    if not any(tensor.name == "output.weight" for tensor in model.tensors) and slots[-1] != CPU:
        sizes[slots[-1]] += next(tensor.n_bytes for tensor in model.tensors if tensor.name == "token_embd.weight")
    return sizes


def caches_by_device(plan: Plan, model: ModelFacts) -> Counter[str]:
    """Return the bytes of cache per bus id and for the CPU."""
    cells = (plan.context_tokens + 255) // 256 * 256
    sizes: Counter[str] = Counter()
    for place, cache in zip(device_of_slots(plan, model.n_layers), model.layer_caches, strict=False):
        sizes[place] += cache.bytes_per_token * cells + cache.state_bytes
    return sizes
