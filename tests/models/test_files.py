from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import ModelFileDamaged, ModelFileMissing
from app.models.files import find_projector, split_parts
from app.models.gguf import read_model
from tests.models.gguf_builder import Gguf, small_gguf, small_projector, small_tensors


def write_split(folder: Path, stem: str = "Tiny-Q8_0", count: int = 3) -> list[Path]:
    """Write a model in `count` parts, the first without tensors, as llama.cpp's splitter may do."""
    tensors = small_tensors()
    shares = [tensors[0:0], *(tensors[index :: count - 1] for index in range(count - 1))]
    paths: list[Path] = []
    for number, share in enumerate(shares):
        split = {"split.no": number, "split.count": count, "split.tensors.count": len(tensors)}
        metadata = (small_gguf().metadata if number == 0 else {}) | split
        paths.append(Gguf(metadata, share).write(folder / f"{stem}-{number + 1:05d}-of-{count:05d}.gguf"))
    return paths


def test_any_part_opens_the_whole(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    for path in paths:
        facts = read_model(path)
        assert facts.path == paths[0]
        assert facts.files == tuple(paths) == split_parts(path)
        assert {tensor.name for tensor in facts.tensors} == {name for name, _, _ in small_tensors()}
        assert facts.file_bytes == sum(part.stat().st_size for part in paths)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    paths[1].unlink()
    with pytest.raises(ModelFileMissing, match=r"Tiny-Q8_0-00002-of-00003\.gguf is missing"):
        read_model(paths[2])


def test_an_incomplete_part_is_named(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    with paths[2].open("rb+") as stream:
        stream.truncate(paths[2].stat().st_size - 7)
    with pytest.raises(ModelFileDamaged, match=r"00003-of-00003\.gguf is incomplete: 7 bytes"):
        read_model(paths[0])


def test_parts_of_different_models_are_refused(tmp_path: Path) -> None:
    paths = write_split(tmp_path)
    paths[1].write_bytes(paths[2].read_bytes())
    with pytest.raises(ModelFileDamaged, match="do not belong together"):
        read_model(paths[0])


def test_a_renamed_part_says_so(tmp_path: Path) -> None:
    renamed = write_split(tmp_path)[0].rename(tmp_path / "model.gguf")
    with pytest.raises(ModelFileDamaged, match="one of 3 parts"):
        read_model(renamed)


def test_impossible_part_numbers(tmp_path: Path) -> None:
    with pytest.raises(ModelFileDamaged, match="part 4 of 3"):
        split_parts(tmp_path / "m-00004-of-00003.gguf")


def test_one_file_is_its_own_only_part(tmp_path: Path) -> None:
    assert split_parts(tmp_path / "m.gguf") == (tmp_path / "m.gguf",)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_gguf().write(tmp_path / "Tiny-Q8_0.gguf")


def test_no_projector(model: Path) -> None:
    small_gguf().write(model.with_name("another-model.gguf"))
    assert find_projector(model) is None


def test_f16_comes_before_bf16_before_others(model: Path) -> None:
    for name in ("mmproj-Q8_0.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"):
        small_projector().write(model.with_name(name))
    assert find_projector(model) == model.with_name("mmproj-F16.gguf")
    model.with_name("mmproj-F16.gguf").unlink()
    assert find_projector(model) == model.with_name("mmproj-BF16.gguf")
    model.with_name("mmproj-BF16.gguf").unlink()
    assert find_projector(model) == model.with_name("mmproj-Q8_0.gguf")


@pytest.mark.parametrize("name", ["mmproj-Tiny-BF16.gguf", "tiny-mmproj-bf16.gguf", "mmproj-model-Tiny.gguf"])
def test_the_model_s_own_name_comes_first(model: Path, name: str) -> None:
    small_projector().write(model.with_name("mmproj-F16.gguf"))
    small_projector().write(model.with_name("mmproj-Other-F16.gguf"))
    small_projector().write(model.with_name(name))
    assert find_projector(model) == model.with_name(name)


def test_what_does_not_fit_is_passed_over(model: Path) -> None:
    small_projector(embedding_length=128).write(model.with_name("mmproj-F16.gguf"))
    model.with_name("mmproj-Tiny-F16.gguf").write_bytes(b"GGUF but damaged")
    small_gguf().write(model.with_name("mmproj-lies.gguf"))
    assert find_projector(model) is None
    fitting = small_projector().write(model.with_name("x-mmproj-q4_0.gguf"))
    assert find_projector(model) == fitting


def test_a_split_model_finds_its_projector_from_any_part(tmp_path: Path) -> None:
    parts = write_split(tmp_path)
    projector = small_projector().write(tmp_path / "mmproj-F16.gguf")
    assert [find_projector(part) for part in parts] == [projector] * 3


def test_a_projector_named_after_another_model_beside_is_not_taken(model: Path) -> None:
    small_gguf().write(model.with_name("Other-VL-Q4_K_M.gguf"))
    theirs = small_projector().write(model.with_name("mmproj-Other-VL-Q8_0.gguf"))
    assert find_projector(model) is None
    assert find_projector(model.with_name("Other-VL-Q4_K_M.gguf")) == theirs
    generic = small_projector().write(model.with_name("mmproj-model-f16.gguf"))
    assert find_projector(model) == generic
