"""Have llama.cpp lay out a plan without memory, in a process of its own, and say what it would take."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence

from app.core.errors import EngineUnavailable
from app.core.facts import BufferUse
from app.engine.process import child_environment, engine_command
from app.engine.protocol import LoadRequest
from app.engine.wire import pack

log = logging.getLogger(__name__)

_TIMEOUT_S = 120.0


def try_plan(request: LoadRequest, command: Sequence[str] | None = None) -> tuple[BufferUse, ...]:
    """Return what each device's buffers would hold; takes a second or two, and no memory.

    The tuple is empty where this build of llama.cpp can't say. Raises EngineUnavailable when the trial itself
    fails, which says nothing against the plan.
    """
    call = [*(command or engine_command()), "--trial"]
    try:
        done = subprocess.run(
            call, env=child_environment(), input=pack(request), capture_output=True, timeout=_TIMEOUT_S, check=True
        )
        answer = json.loads(done.stdout)
        buffers = tuple(_parse(one) for one in answer["buffers"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        log.info("no trial of a plan: %s", error)
        raise EngineUnavailable(
            "The engine could not try the plan without loading it. The model can be loaded all the same."
        ) from error
    return buffers


def _parse(raw: dict[str, object]) -> BufferUse:
    sizes = [raw[name] for name in ("weights_bytes", "kv_bytes", "compute_bytes")]
    if not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise ValueError(f"{sizes} are no sizes")
    weights, cache, compute = (int(str(size)) for size in sizes)
    return BufferUse(str(raw["device"]), weights, cache, compute)
