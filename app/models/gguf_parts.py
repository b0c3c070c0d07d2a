"""Find the files a split model consists of."""

from __future__ import annotations

import re
from pathlib import Path

from app.core.errors import ModelFileDamaged, ModelFileMissing

_MOST_PARTS = 1000
_PART_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def split_parts(path: Path) -> tuple[Path, ...]:
    """Return every file of the model that `path` belongs to, the first part first.

    Raises ModelFileMissing when a part is not there.
    """
    name = _PART_NAME.fullmatch(path.name)
    if not name:
        return (path,)
    number, count = int(name["number"]), int(name["count"])
    if not 1 <= number <= count:
        raise ModelFileDamaged(
            f"The name {path.name} can't be right: there is no part {number} of {count}. Restore its first name."
        )
    parts = tuple(path.with_name(part_name(name["stem"], index, count)) for index in range(1, count + 1))
    for part in parts:
        if not part.exists():
            raise ModelFileMissing(
                f"The model consists of {count} files, and {part.name} is missing. "
                f"Put it into {path.parent} or download it again."
            )
    return parts


def split_group(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the first file and all files of the model that `path` belongs to by its name, whether there or not."""
    name = _PART_NAME.fullmatch(path.name)
    count = int(name["count"]) if name else 0
    if name is None or not 1 <= count <= _MOST_PARTS:
        return path, (path,)
    files = tuple(path.with_name(part_name(name["stem"], number, count)) for number in range(1, count + 1))
    return files[0], files


def part_name(stem: str, number: int, count: int) -> str:
    """Return the file name llama.cpp expects for part `number` of `count`, counted from 1."""
    return f"{stem}-{number:05d}-of-{count:05d}.gguf"


def model_stem(path: Path) -> str:
    """Return the model's name as its file name gives it, without part numbers and ending."""
    name = _PART_NAME.fullmatch(path.name)
    return name["stem"] if name else path.stem
