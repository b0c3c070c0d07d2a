"""Read Ollama's store: manifests/HOST/OWNER/NAME/TAG name blobs/sha256-HASH, which are plain GGUF files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LARGEST_MANIFEST_BYTES = 1 << 20
_MOST_MANIFESTS = 2000
_OFFICIAL = "library"  # the owner that is left out of a model's name


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """Name the blobs of one model; `sha256` is known of each."""

    name: str
    model: Path
    projector: Path | None
    sha256: Mapping[Path, str]


def ollama_models(folder: Path) -> Iterator[OllamaModel]:
    """Yield the models in the store `folder` whose blobs are there."""
    try:
        manifests = sorted((folder / "manifests").glob("*/*/*/*"))[:_MOST_MANIFESTS]
    except OSError:
        log.info("%s can't be looked through", folder, exc_info=True)
        return
    for manifest in manifests:
        layers = _layers(manifest)
        model = _blob(folder, layers.get("model"))
        if model is None:
            continue
        projector = _blob(folder, layers.get("projector"))
        blobs = [blob for blob in (model, projector) if blob is not None]
        yield OllamaModel(
            _name(manifest), model, projector, {blob: blob.name.removeprefix("sha256-") for blob in blobs}
        )


def _name(manifest: Path) -> str:
    *_, owner, model, tag = manifest.parts
    return f"{model}:{tag}" if owner == _OFFICIAL else f"{owner}/{model}:{tag}"


def _layers(manifest: Path) -> dict[str, str]:
    """Return the SHA-256 of each kind of layer; the first of a kind counts."""
    found: dict[str, str] = {}
    try:
        if not manifest.is_file() or manifest.stat().st_size > _LARGEST_MANIFEST_BYTES:
            return {}
        for layer in json.loads(manifest.read_bytes())["layers"]:
            kind = str(layer["mediaType"]).rpartition(".")[2]
            digest = _DIGEST.fullmatch(str(layer["digest"]))
            if digest:
                found.setdefault(kind, digest[1])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        log.info("%s is no manifest that can be read", manifest, exc_info=True)
        return {}
    return found


def _blob(folder: Path, digest: str | None) -> Path | None:
    if digest is None:
        return None
    path = folder / "blobs" / f"sha256-{digest}"
    return path if path.is_file() else None
