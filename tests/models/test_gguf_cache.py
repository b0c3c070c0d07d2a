"""The cache's size, against numbers worked out by hand from llama.cpp's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.core.errors import ModelFileDamaged
from app.models.gguf import read_model
from tests.models.gguf_builder import small_gguf


def per_token(tmp_path: Path, arch: str, **own: Any) -> list[int]:
    facts = read_model(small_gguf(arch, **own).write(tmp_path / "m.gguf"))
    caches = [cache.bytes_per_token for cache in facts.layer_caches]
    assert facts.kv_bytes_per_token == sum(caches)
    return caches


def test_grouped_query_attention(tmp_path: Path) -> None:
    # 2 KV heads, 64 / 4 = 16 values each for key and value, 2 bytes per value
    assert per_token(tmp_path, "llama") == [2 * (16 + 16) * 2] * 2


def test_without_kv_heads_every_head_has_its_own(tmp_path: Path) -> None:
    assert per_token(tmp_path, "llama", attention__head_count_kv=None) == [4 * (16 + 16) * 2] * 2


def test_own_head_sizes(tmp_path: Path) -> None:
    sizes = per_token(tmp_path, "gemma2", attention__key_length=32, attention__value_length=8)
    assert sizes == [2 * (32 + 8) * 2] * 2


def test_mla_keeps_the_key_only(tmp_path: Path) -> None:
    mla = {"attention__key_length_mla": 128, "attention__value_length_mla": 128}
    wide = {"attention__key_length": 320, "attention__value_length": 256, "attention__head_count_kv": 1}
    assert per_token(tmp_path, "deepseek2", **mla, **wide) == [640] * 2
    assert per_token(tmp_path, "deepseek2", **wide) == [(320 + 256) * 2] * 2


def test_kv_heads_per_layer(tmp_path: Path) -> None:
    assert per_token(tmp_path, "openelm", attention__head_count_kv=[1, 3]) == [64, 192]


def test_too_few_kv_heads_are_damage(tmp_path: Path) -> None:
    with pytest.raises(ModelFileDamaged, match="head_count_kv"):
        per_token(tmp_path, "openelm", attention__head_count_kv=[1])


def test_recurrent_layers_have_a_state_and_no_cache(tmp_path: Path) -> None:
    scan = {"ssm__state_size": 16, "ssm__inner_size": 128, "ssm__conv_kernel": 4, "ssm__group_count": 1}
    path = small_gguf("jamba", attention__head_count_kv=[0, 2], **scan).write(tmp_path / "m.gguf")
    recurrent, attention = read_model(path).layer_caches
    assert (recurrent.bytes_per_token, attention.bytes_per_token) == (0, 128)
    assert (recurrent.state_bytes, attention.state_bytes) == (4 * (16 * 128 + 3 * (128 + 32)), 0)
    assert per_token(tmp_path, "mamba2", **scan) == [0, 0]
    assert per_token(tmp_path, "falcon-h1", **scan) == [128, 128]


def test_a_full_attention_interval(tmp_path: Path) -> None:
    assert per_token(tmp_path, "qwen3next", full_attention_interval=2) == [0, 128]
    assert per_token(tmp_path, "qwen3next") == [0, 0]  # the interval is 4 unless the file says otherwise


def test_layers_that_share_their_cache(tmp_path: Path) -> None:
    assert per_token(tmp_path, "gemma4", attention__shared_kv_layers=1) == [128, 0]


def test_sliding_windows_count_in_full_at_the_larger_head_size(tmp_path: Path) -> None:
    swa = {"attention__sliding_window": 512, "attention__key_length": 8, "attention__key_length_swa": 32}
    assert per_token(tmp_path, "gemma4", **swa) == [2 * (32 + 16) * 2] * 2
