"""What happens before a model is loaded: read its header, find its projector, plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.core.facts import Hardware, ModelFacts, Plan, ProjectorFacts
from app.core.settings import Settings
from app.hardware.planner import Wishes, plan_placement
from app.models.files import find_projector
from app.models.gguf import read_model, read_projector

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """Hold all that is known of a model before it is loaded."""

    model: ModelFacts
    projector: ProjectorFacts | None
    hardware: Hardware
    plan: Plan


def prepare_opening(path: Path, projector: Path | None, settings: Settings, hardware: Hardware) -> Opening:
    """Read `path`, find its projector and plan where it goes on `hardware`. Raises ModelError."""
    model = read_model(path)
    chosen = projector if projector is not None else find_projector(model.path)
    projector_facts = read_projector(chosen) if chosen is not None else None
    wishes = Wishes(context_tokens=settings.context_tokens, reserve_bytes=settings.reserve_mib * _MIB)
    return Opening(model, projector_facts, hardware, plan_placement(model, projector_facts, hardware, wishes))
