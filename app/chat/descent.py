"""One model's way down the ladder: which steps were taken, what they say, and what is remembered of them."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.chat.ladder import Rung, Step, next_step, shorten, take_step
from app.chat.opening import Opening
from app.core.errors import (
    AppError,
    EngineOutOfGpuMemory,
    EngineOutOfMemory,
    ModelError,
    NotEnoughGpuMemory,
    NotEnoughMemory,
)
from app.core.facts import Hardware, Plan
from app.core.files import write_atomically

log = logging.getLogger(__name__)

_MAX_MODELS = 64
_OUT_OF_MEMORY = (NotEnoughMemory, EngineOutOfMemory)
_ON_A_GPU = (NotEnoughGpuMemory, EngineOutOfGpuMemory)


@dataclass(frozen=True, slots=True)
class Steps:
    """Hold the steps that led to a plan that worked; `context_tokens` is the longest context it allows, 0 any."""

    rungs: tuple[Rung, ...] = ()
    context_tokens: int = 0


class Descent:
    """Make a plan smaller, step by step; `remembered` are steps that were needed before."""

    def __init__(self, opening: Opening, remembered: Steps) -> None:
        self._first = opening
        self._taken: list[Rung] = []
        self._unbearable: list[Rung] = []
        self.opening = opening
        for rung in remembered.rungs:
            self._take_again(rung, remembered.context_tokens)
        self._n_known = len(self._taken)

    @property
    def steps(self) -> Steps:
        """Return the steps that led to the present plan."""
        limit = self.opening.plan.context_tokens if Rung.CONTEXT in self._taken else 0
        return Steps(tuple(self._taken), limit)

    def go_on(self, error: AppError) -> str:
        """Take the next step down after `error`; return what it gives up, empty when no step is left or helps.

        A model that does not bear an 8-bit cache at all goes on without that step.
        """
        if isinstance(error, ModelError) and self._taken[self._n_known :][-1:] == [Rung.CACHE]:
            self._undo_last()
        elif not isinstance(error, _OUT_OF_MEMORY):
            return ""
        opening = self.opening
        step = next_step(
            opening.plan,
            opening.model,
            opening.projector,
            self._taken,
            on_gpu=isinstance(error, _ON_A_GPU),
            without=self._unbearable,
        )
        if step is None:
            return ""
        self._take(step, f"Memory ran out; now with {step.phrase}.")
        return step.phrase

    def _take(self, step: Step, reason: str) -> None:
        self._taken.append(step.rung)
        self.opening = _with_plan(self.opening, step.plan, reason)

    def _take_again(self, rung: Rung, context_tokens: int) -> None:
        opening = self.opening
        if rung is Rung.CONTEXT:
            step = shorten(opening.plan, context_tokens) if rung not in self._taken else None
        else:
            step = take_step(rung, opening.plan, opening.model, opening.projector)
        if step is not None:
            self._take(step, f"With {step.phrase}, because memory ran out before.")

    def _undo_last(self) -> None:
        self._unbearable.append(self._taken.pop())
        again, self._taken, self.opening = self.steps, [], self._first
        for rung in again.rungs:
            self._take_again(rung, again.context_tokens)


def _with_plan(opening: Opening, plan: Plan, reason: str) -> Opening:
    return replace(opening, plan=replace(plan, reasons=(*plan.reasons, reason)))


class StepMemory:
    """Remember in the JSON file at `path` which steps each model needed on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, opening: Opening) -> Steps:
        """Return the steps for the model of `opening`; none when nothing usable is remembered."""
        entry = self._read().get(_key(opening))
        try:
            return Steps(tuple(map(Rung, entry["rungs"])), int(entry["context_tokens"])) if entry else Steps()
        except (TypeError, KeyError, ValueError):
            log.info("what %s says about a model is no use", self._path)
            return Steps()

    def keep(self, opening: Opening, steps: Steps) -> None:
        """Remember `steps` for the model of `opening`."""
        if self.recall(opening) == steps:
            return
        entries = {key: value for key, value in self._read().items() if key != _key(opening)}
        entries[_key(opening)] = {"rungs": steps.rungs, "context_tokens": steps.context_tokens}
        kept = dict(list(entries.items())[-_MAX_MODELS:])
        try:
            write_atomically(self._path, json.dumps(kept, indent=1).encode("ascii"))
        except OSError:  # the steps will be found again, which takes a little longer
            log.info("%s can't be written", self._path, exc_info=True)

    def _read(self) -> dict[str, Any]:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            log.info("%s can't be read", self._path, exc_info=True)
            return {}
        return raw if isinstance(raw, dict) else {}


def _key(opening: Opening) -> str:
    """Return a name for this model, with its projector, on this machine."""
    model, projector = opening.model, opening.projector
    identity = [model.arch, model.name, model.quantization, model.file_bytes, len(model.tensors)]
    identity += [projector.file_bytes if projector is not None else 0, *_machine(opening.hardware)]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]


def _machine(hardware: Hardware) -> list[object]:
    cards = sorted([gpu.uuid or gpu.bus_id, gpu.total_bytes] for gpu in hardware.gpus)
    return [hardware.cpu_name, hardware.ram_total_bytes >> 30, cards]
