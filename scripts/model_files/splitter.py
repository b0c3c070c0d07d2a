"""Cutting a GGUF into the parts big models are published in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf


def split_model(source: Path, folder: Path, stem: str) -> list[Path]:
    """Write `source` as `stem`-00001-of-00002.gguf and -00002-of-00002.gguf in `folder` and return both paths."""
    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    per_file = len(reader.tensors) // 2 + 1
    writer = gguf.GGUFWriter(folder / f"{stem}.gguf", arch, split_max_tensors=per_file)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            _copy_field(writer, field)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(folder.glob(f"{stem}-*-of-*.gguf"))


def _copy_field(writer: gguf.GGUFWriter, field: Any) -> None:
    kind = field.types[0]
    item_kind = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
    writer.add_key_value(field.name, field.contents(), kind, sub_type=item_kind)
