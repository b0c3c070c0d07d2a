"""What a saved state must have in common with the model that is open, or it means something else."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import llama_cpp
from llama_cpp import llama_cpp as llama

from app import __version__
from app.engine.child.preflight import Headers
from app.engine.protocol import LoadRequest

_END_BYTES = 1 << 20
_SAMPLES = 64
_SAMPLE_BYTES = 64 << 10


def identity_of(request: LoadRequest, headers: Headers, context: int) -> dict[str, str]:
    """Return names and values that are equal for two loads exactly if one can use the other's states. Raises OSError.

    The position of a token and what is kept of it may hang on the length of the context.
    """
    return {
        "program": f"{__version__}, llama-cpp-python {llama_cpp.__version__}",
        "machine": f"{platform.machine()} {sys.byteorder}",
        "model": fingerprint(_parts(request.model, headers.model)),
        "projector": fingerprint([request.projector]) if request.projector is not None else "",
        "overrides": json.dumps(dict(headers.overrides), sort_keys=True),
        "context": str(llama.llama_n_ctx(context)),
        "cache": request.plan.kv_type,
    }


def digest_of(identity: Mapping[str, str]) -> str:
    """Return a short name for an identity."""
    return hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()


def fingerprint(files: list[Path]) -> str:
    """Return a hash that differs when the files do: of their sizes, times and 64 places in each. Raises OSError.

    Reading the whole of a model of 70 GB would take minutes at every start.
    """
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        with path.open("rb") as stream:
            digest.update(stream.read(_END_BYTES))
            for number in range(_SAMPLES):
                stream.seek(status.st_size * number // _SAMPLES)
                digest.update(stream.read(_SAMPLE_BYTES))
            stream.seek(max(0, status.st_size - _END_BYTES))
            digest.update(stream.read(_END_BYTES))
    return digest.hexdigest()


def _parts(model: Path, metadata: Mapping[str, object]) -> list[Path]:
    """Return the files of a model that may lie in several, named `...-00001-of-00003.gguf`."""
    count = metadata.get("split.count")
    if not isinstance(count, int) or not model.name.endswith(first := f"-00001-of-{count:05d}.gguf"):
        return [model]
    stem = model.name.removesuffix(first)
    return [model.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]
