"""What happens before a model is loaded: read its header, find its projector, plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from app.core.built_in import BUILT_IN_NAME, is_built_in
from app.core.facts import Hardware, ModelFacts, Plan, ProjectorFacts
from app.core.messages import ReasoningEffort
from app.core.sampling import SAMPLING, Sampling
from app.core.settings import Settings
from app.engine.corrections import Scalar, chosen_overrides
from app.hardware.notebook import Notebook
from app.hardware.planner import plan_placement
from app.hardware.wishes import Alternative, Lesson, Wishes, wishes_from
from app.models.catalogue import load_catalogue
from app.models.files import find_projector
from app.models.gguf import read_model, read_projector

_BUILT_IN_CONTEXT = 8192  # in tokens; several times what it has learned to look back over
_BUILT_IN_REASON = "It is so small that the processor alone answers at once; graphics cards are left to other models."
_GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True, slots=True)
class Opening:
    """Hold all that is known of a model before it is loaded."""

    model: ModelFacts
    projector: ProjectorFacts | None
    hardware: Hardware
    plan: Plan
    metadata: tuple[tuple[str, Scalar], ...] = ()  # overrides what the model's file says

    def sampling(self, effort: ReasoningEffort) -> Sampling:
        """Return how tokens are drawn; the built-in model is too small for anything but its first choice."""
        return _GREEDY if is_built_in(self.model.path) else SAMPLING[effort]


def prepare_opening(
    path: Path, projector: Path | None, settings: Settings, hardware: Hardware, notebook: Notebook | None = None
) -> Opening:
    """Read `path`, find its projector and plan where it goes on `hardware`. Raises ModelError.

    `notebook` knows what earlier loads showed.
    """
    model = read_model(path)
    chosen = projector if projector is not None else find_projector(model.path)
    projector_facts = read_projector(chosen) if chosen is not None else None
    if is_built_in(path):
        return _prepare_built_in(model, projector_facts, settings, hardware)
    lesson = Lesson()
    if notebook is not None:
        hardware = notebook.complete(hardware)
        lesson = notebook.lesson(model, hardware)
    plan = plan_placement(model, projector_facts, hardware, wishes_from(settings), lesson, alternatives(model))
    overrides = chosen_overrides(model.arch, unscaled_attention=settings.unscaled_attention)
    return Opening(model, projector_facts, hardware, plan, overrides)


def alternatives(model: ModelFacts) -> tuple[Alternative, ...]:
    """Return the catalogue's other files of the same model, which are smaller than this one."""
    return tuple(
        Alternative(f"{entry.title} in {entry.quantization}", entry.total_bytes)
        for entry in load_catalogue()
        if (entry.arch, entry.n_layers) == (model.arch, model.n_layers) and entry.weight_bytes < model.file_bytes
    )


def _prepare_built_in(
    model: ModelFacts, projector: ProjectorFacts | None, settings: Settings, hardware: Hardware
) -> Opening:
    wishes = Wishes(context_tokens=min(settings.context_tokens or _BUILT_IN_CONTEXT, _BUILT_IN_CONTEXT))
    plan = plan_placement(model, projector, replace(hardware, gpus=()), wishes)
    reasons = (_BUILT_IN_REASON,) if plan.fits else plan.reasons
    return Opening(replace(model, name=BUILT_IN_NAME), projector, hardware, replace(plan, reasons=reasons))
