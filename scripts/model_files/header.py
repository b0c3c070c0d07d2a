"""The header of Mistral Small 4 at full size over a hole: for placement and vocabulary, not for answers."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np

from .text_model import ARCH, BIG, add_metadata, add_vocabulary
from .vocabulary import FULL_RANKS, load_tekken

TABLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "small4-q4_k_m.json"


def write_header(path: Path) -> None:
    """Write a sparse file with all 579 tensors of the Q4_K_M; it looks 67.2 GiB big and takes about 8 MB."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    vocabulary = load_tekken(FULL_RANKS)
    writer = gguf.GGUFWriter(None, ARCH)
    add_metadata(writer, BIG, vocabulary.size, name=table["model"], temperature_keys=False)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_vocabulary(writer, vocabulary)
    data_bytes = 0
    for name, shape, type_name in table["tensors"]:
        n_bytes = _add_tensor(writer, name, shape, gguf.GGMLQuantizationType[type_name])
        data_bytes += writer.ggml_pad(n_bytes, writer.data_alignment)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as stream:
        end = stream.seek(0, 2)
        stream.truncate(writer.ggml_pad(end, writer.data_alignment) + data_bytes)


def _add_tensor(writer: gguf.GGUFWriter, name: str, shape: list[int], kind: gguf.GGMLQuantizationType) -> int:
    block_elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    rows = shape[:0:-1]
    if kind == gguf.GGMLQuantizationType.F32:
        n_bytes = int(np.prod(shape)) * 4
        writer.add_tensor_info(name, shape[::-1], np.dtype(np.float32), n_bytes)
        return n_bytes
    row_bytes = shape[0] // block_elements * block_bytes
    n_bytes = int(np.prod(rows)) * row_bytes
    writer.add_tensor_info(name, [*rows, row_bytes], np.dtype(np.uint8), n_bytes, raw_dtype=kind)
    return n_bytes
