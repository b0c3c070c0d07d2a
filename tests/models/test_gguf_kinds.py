"""Files that are something else than a model to chat with get one clear sentence each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.core.errors import AppError, ModelFileDamaged, ModelFileMissing, ModelNotSupported
from app.models.gguf import read_model, read_projector
from tests.models.gguf_builder import Gguf, Raw, small_gguf, small_projector


def refused(path: Path, kind: type[AppError]) -> str:
    with pytest.raises(kind) as caught:
        read_model(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_projector_is_not_the_model(tmp_path: Path) -> None:
    sentence = refused(small_projector().write(tmp_path / "mmproj-F16.gguf"), ModelNotSupported)
    assert "projector (vision part)" in sentence
    assert "Open the model itself" in sentence


def test_a_model_is_not_a_projector(tmp_path: Path) -> None:
    with pytest.raises(ModelNotSupported, match="not a projector"):
        read_projector(small_gguf().write(tmp_path / "m.gguf"))


def test_a_projector_for_sound_is_refused(tmp_path: Path) -> None:
    projector = small_projector()
    projector.metadata["clip.has_vision_encoder"] = False
    with pytest.raises(ModelNotSupported, match="not for pictures"):
        read_projector(projector.write(tmp_path / "mmproj.gguf"))


@pytest.mark.parametrize(("patch", "image"), [(0, 1540), (14, 0), (2**31, 1540)])
def test_a_projector_with_impossible_sizes(tmp_path: Path, patch: int, image: int) -> None:
    projector = small_projector()
    projector.metadata |= {"clip.vision.patch_size": patch, "clip.vision.image_size": image}
    with pytest.raises(ModelFileDamaged):
        read_projector(projector.write(tmp_path / "mmproj.gguf"))


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip file", b"GGU", b"version https://git-lfs.github.com"])
def test_not_gguf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    assert "not a model in GGUF form" in refused(path, ModelFileDamaged)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    assert "is empty" in refused(path, ModelFileDamaged)


@pytest.mark.parametrize(
    ("version", "words"), [(1, "oldest GGUF form"), (0x03000000, "big-endian"), (4, "newer GGUF form")]
)
def test_other_gguf_versions(tmp_path: Path, version: int, words: str) -> None:
    model = small_gguf()
    model.version = version
    assert words in refused(model.write(tmp_path / "m.gguf"), ModelNotSupported)


@pytest.mark.parametrize("arch", ["bert", "nomic-bert", "gemma-embedding"])
def test_embedding_models(tmp_path: Path, arch: str) -> None:
    assert "embedding model" in refused(small_gguf(arch).write(tmp_path / "m.gguf"), ModelNotSupported)


def test_an_embedding_model_of_a_chat_architecture(tmp_path: Path) -> None:
    path = small_gguf("qwen3", pooling_type=3).write(tmp_path / "m.gguf")
    assert "embedding model" in refused(path, ModelNotSupported)


@pytest.mark.parametrize(("kind", "words"), [("adapter", "adapter"), ("vocab", "vocabulary")])
def test_other_types(tmp_path: Path, kind: str, words: str) -> None:
    model = small_gguf()
    model.metadata["general.type"] = kind
    assert words in refused(model.write(tmp_path / "m.gguf"), ModelNotSupported)


def test_no_tokenizer(tmp_path: Path) -> None:
    model = small_gguf("flux")
    del model.metadata["tokenizer.ggml.tokens"]
    assert "no vocabulary" in refused(model.write(tmp_path / "m.gguf"), ModelNotSupported)


def test_no_tensors(tmp_path: Path) -> None:
    model = Gguf(small_gguf().metadata)
    assert "without a model" in refused(model.write(tmp_path / "m.gguf"), ModelNotSupported)


def test_no_architecture(tmp_path: Path) -> None:
    model = small_gguf()
    model.metadata["general.architecture"] = ""
    assert "does not say" in refused(model.write(tmp_path / "m.gguf"), ModelFileDamaged)


def test_a_number_where_a_text_belongs(tmp_path: Path) -> None:
    model = small_gguf()
    model.metadata["general.architecture"] = 7
    assert "general.architecture" in refused(model.write(tmp_path / "m.gguf"), ModelFileDamaged)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "pipe.gguf"
    os.mkfifo(path)
    assert "not a file" in refused(path, ModelFileMissing)


def test_bytes_that_are_not_text_are_replaced(tmp_path: Path) -> None:
    model = small_gguf()
    model.metadata["general.name"] = Raw(b"\x08\0\0\0" + b"\x04\0\0\0\0\0\0\0" + b"ab\xff\xfe")
    assert read_model(model.write(tmp_path / "m.gguf")).name.startswith("ab")
