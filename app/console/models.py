"""`solo models`: which models are on this computer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.console.words import in_bytes, in_days
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_NAME, BUILT_IN_PROJECTOR
from app.core.library import StoredModel, StoredState
from app.models.elsewhere import this_computer
from app.models.ledger import Ledger
from app.models.library import list_library

_NONE_ELSE = "There is no other model on this computer yet. “solo setup” brings one."


def print_models(folder: Path, ledger: Path, *, as_json: bool) -> None:
    """Print every model in Solo's `folder` and in the folders of other programs."""
    found = list_library(folder, Ledger(ledger), this_computer())
    models = (*_built_in(), *found)
    if as_json:
        print(json.dumps([_as_json(model) for model in models], indent=2))
        return
    _print_table(models)
    if not found:
        print(_NONE_ELSE)


def _built_in() -> Iterator[StoredModel]:
    files = (BUILT_IN_MODEL, BUILT_IN_PROJECTOR)
    if all(path.is_file() for path in files):
        n_bytes = sum(path.stat().st_size for path in files)
        complete = StoredState.COMPLETE
        yield StoredModel(BUILT_IN_MODEL, BUILT_IN_NAME, complete, n_bytes, n_bytes, False, files[:1], files[1])


def _as_json(model: StoredModel) -> dict[str, object]:
    return {
        "name": model.name,
        "path": str(model.path),
        "files": [str(path) for path in model.files],
        "projector": str(model.projector) if model.projector is not None else None,
        "state": model.state.value,
        "done_bytes": model.done_bytes,
        "total_bytes": model.total_bytes,
        "verified": model.verified,
        "program": model.program or "Solo",
        "last_used": model.last_used.isoformat() if model.last_used is not None else None,
    }


def _print_table(models: Sequence[StoredModel]) -> None:
    rows = [("NAME", "SIZE", "STATE", "FROM", "LAST USED")]
    rows += [
        (model.name, in_bytes(model.total_bytes), _state(model), model.program or "Solo", in_days(model.last_used))
        for model in models
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _state(model: StoredModel) -> str:
    if model.state is StoredState.PARTIAL:
        return f"partial, {100 * model.done_bytes // max(1, model.total_bytes)} %"
    if model.state is StoredState.DAMAGED:
        return "damaged"
    return "verified" if model.verified else "on disk"
