"""What the files of a load say before anything heavy is read, with the overrides that will be in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import ModelNotSupported
from app.engine.child.header import read_header
from app.engine.child.logbook import Logbook
from app.engine.child.projector import check_projector
from app.engine.corrections import Correction, Scalar, corrections_for
from app.engine.protocol import LoadRequest


@dataclass(frozen=True, slots=True)
class Headers:
    """Hold the metadata of a model (overrides applied) and of its projector, and what was corrected."""

    model: Mapping[str, Scalar]
    overrides: Mapping[str, Scalar]
    corrections: tuple[Correction, ...]
    projector: Mapping[str, Scalar] | None

    @property
    def arch(self) -> str:
        """Return the model's family as llama.cpp calls it."""
        return str(self.model.get("general.architecture", ""))


def read_headers(request: LoadRequest, logbook: Logbook) -> Headers:
    """Read and check the headers of the files in `request`. Raises ModelError."""
    found = read_header(request.model, logbook)
    corrections = corrections_for(found)
    overrides = {correction.key: correction.value for correction in corrections} | dict(request.metadata)
    model = {**found, **overrides}
    check_purpose(model, request.model.name)
    projector = None
    if request.projector is not None:
        projector = read_header(request.projector, logbook)
        check_projector(request.projector, projector, model)
    return Headers(model, overrides, corrections, projector)


def check_purpose(model: Mapping[str, Scalar], name: str) -> None:
    """Refuse a file that is not a model that can answer. Raises ModelNotSupported."""
    arch = model.get("general.architecture")
    if arch == "clip":
        raise ModelNotSupported(
            f"{name} is a projector, the part that lets a model see. Open the model itself; a projector "
            "beside it is found by itself."
        )
    if model.get(f"{arch}.pooling_type") or model.get(f"{arch}.attention.causal") is False:
        raise ModelNotSupported(f"{name} is an embedding model: it compares texts and can't chat. Choose a chat model.")
