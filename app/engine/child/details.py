"""What a person may want to know about a model that is open."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import llama_cpp
from gguf import LlamaFileType
from llama_cpp import llama_cpp as llama

from app.engine.child.devices import Device, backend_names
from app.engine.child.model import OpenModel
from app.engine.child.preflight import Headers
from app.engine.corrections import describe_attention_scale, explain_override
from app.engine.protocol import LoadRequest

_GUESSED = 1024  # llama.cpp's mark on a file type that it guessed from the tensors


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Hold what a load found and used: `placements` are (device, what, MiB)."""

    threads: int
    devices: tuple[Device, ...]
    placements: tuple[tuple[str, str, float], ...]
    unloaded_backends: tuple[str, ...]


def describe(
    headers: Headers, request: LoadRequest, opened: OpenModel, surroundings: Surroundings
) -> tuple[tuple[str, str], ...]:
    """Return (label, value) pairs; what is not known or not so is left out."""
    training = llama.llama_model_n_ctx_train(opened.handle)
    rows = [
        ("File", request.model.name),
        ("Family", headers.arch),
        ("Quantization", quantization(opened.handle)),
        ("Parameters", f"{llama.llama_model_n_params(opened.handle) / 1e9:.2f} billion"),
        ("Context", f"{opened.session.context_tokens:,} tokens, of {training:,} the model was made for"),
        ("Prompt format", opened.renderer.origin),
        *(("Correction", sentence) for sentence in _corrections(headers)),
        ("Attention scale", describe_attention_scale(headers.model)),
        ("Projector", request.projector.name if request.projector is not None else "none"),
        *((_device_name(name, surroundings), text) for name, text in _placements(surroundings)),
        ("Threads", str(surroundings.threads)),
        ("Backends", ", ".join(backend_names())),
        *(("Backend not loaded", reason) for reason in surroundings.unloaded_backends),
        ("llama.cpp", f"{_version()} (llama-cpp-python {llama_cpp.__version__})"),
    ]
    return tuple((label, value) for label, value in rows if value)


def quantization(model: int) -> str:
    """Return the name of the file's quantization, such as Q4_K_M."""
    number = llama.llama_model_ftype(model) & ~_GUESSED
    try:
        return str(LlamaFileType(number).name).removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        return ""


def _corrections(headers: Headers) -> list[str]:
    corrected = {correction.key: correction.sentence for correction in headers.corrections}
    sentences = (corrected.get(key) or explain_override(key, value) for key, value in headers.overrides.items())
    return list(dict.fromkeys(sentences))


def _placements(surroundings: Surroundings) -> list[tuple[str, str]]:
    sizes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for device, what, mib in surroundings.placements:
        sizes[device][what] += mib
    return [
        (device, ", ".join(f"{what} {mib:,.1f} MiB" for what, mib in parts.items() if mib > 0))
        for device, parts in sizes.items()
    ]


def _device_name(buffer: str, surroundings: Surroundings) -> str:
    device = next((device for device in surroundings.devices if buffer.startswith(device.name)), None)
    return f"Memory on {device.description} ({buffer})" if device is not None else f"Memory on {buffer}"


def _version() -> str:
    return str(llama.llama_version().decode("utf-8", "replace"))
