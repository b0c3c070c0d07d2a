from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from app.core.errors import ModelFileDamaged, ModelFileMissing
from app.core.facts import TensorRole
from app.models.gguf import read_model, read_projector
from app.models.roles import tensor_role
from tests.models.gguf_builder import (
    Gguf,
    large_gguf,
    small_gguf,
    small_metadata,
    small_projector,
    small_tensors,
)


@pytest.fixture(scope="module")
def large_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_gguf().write(tmp_path_factory.mktemp("large") / "Mistral-Small-4-119B-Q4_K_M.gguf")


def test_the_119b_header_is_read_right(large_model: Path) -> None:
    facts = read_model(large_model)
    assert (facts.arch, facts.n_layers, facts.vocabulary_size) == ("mistral4", 36, 131072)
    assert (facts.expert_count, facts.experts_used, facts.training_context) == (128, 4, 1048576)
    assert facts.kv_bytes_per_token == 23_040
    assert [cache.bytes_per_token for cache in facts.layer_caches] == [640] * 36
    assert facts.quantization == "Q4_K_M"
    assert len(facts.tensors) == 579
    assert sum(tensor.n_bytes for tensor in facts.tensors) / 2**30 == pytest.approx(67.2, abs=0.1)
    by_role = {
        role: sum(tensor.n_bytes for tensor in facts.tensors if tensor.role is role) / 2**30 for role in TensorRole
    }
    assert by_role[TensorRole.DOWN_EXPERTS] == pytest.approx(24.9, abs=0.1)
    assert by_role[TensorRole.GATE_UP_EXPERTS] == pytest.approx(40.5, abs=0.1)
    assert by_role[TensorRole.OTHER] == 0


def test_the_119b_header_is_read_in_well_under_a_second(large_model: Path) -> None:
    started = time.process_time()
    read_model(large_model)
    assert time.process_time() - started < 0.7


def test_a_file_of_the_reference_writer_is_read(tmp_path: Path) -> None:
    path = tmp_path / "written.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("Written")
    writer.add_block_count(1)
    writer.add_context_length(4096)
    writer.add_embedding_length(64)
    writer.add_head_count(2)
    writer.add_file_type(1)
    writer.add_chat_template("{{ messages }}")
    writer.add_token_list(["a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((2, 64), dtype=np.float16))
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((64, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    facts = read_model(path)
    assert (facts.name, facts.quantization, facts.chat_template) == ("Written", "F16", "{{ messages }}")
    assert [(tensor.name, tensor.shape, tensor.n_bytes) for tensor in facts.tensors] == [
        ("token_embd.weight", (64, 2), 256),
        ("blk.0.attn_q.weight", (64, 64), 16384),
    ]
    assert facts.file_bytes == path.stat().st_size


def test_the_projector_is_described(tmp_path: Path) -> None:
    facts = read_projector(small_projector(4096).write(tmp_path / "mmproj.gguf"))
    assert (facts.projector_type, facts.patch_size, facts.image_size) == ("pixtral", 14, 1540)
    assert (facts.spatial_merge, facts.embedding_length) == (2, 4096)


@pytest.mark.parametrize(
    ("name", "role", "layer"),
    [
        ("token_embd.weight", TensorRole.EMBEDDING, None),
        ("per_layer_token_embd.weight", TensorRole.EMBEDDING, None),
        ("token_embd_norm.weight", TensorRole.NORM, None),
        ("output.weight", TensorRole.OUTPUT, None),
        ("output_norm.weight", TensorRole.NORM, None),
        ("rope_freqs.weight", TensorRole.OTHER, None),
        ("blk.3.attn_q_a.weight", TensorRole.ATTENTION, 3),
        ("blk.3.attn_q_a_norm.weight", TensorRole.NORM, 3),
        ("blk.12.ffn_gate_inp.weight", TensorRole.ROUTER, 12),
        ("blk.12.exp_probs_b.bias", TensorRole.ROUTER, 12),
        ("blk.12.ffn_gate_inp_shexp.weight", TensorRole.SHARED_EXPERT, 12),
        ("blk.12.ffn_down_shexp.weight", TensorRole.SHARED_EXPERT, 12),
        ("blk.0.ffn_gate_up_exps.weight", TensorRole.GATE_UP_EXPERTS, 0),
        ("blk.0.ffn_gate_exps.weight", TensorRole.GATE_UP_EXPERTS, 0),
        ("blk.0.ffn_up_exps.bias", TensorRole.GATE_UP_EXPERTS, 0),
        ("blk.0.ffn_down_exps.weight", TensorRole.DOWN_EXPERTS, 0),
        ("blk.0.ffn_norm_exps.weight", TensorRole.NORM, 0),
        ("blk.0.ffn_down.weight", TensorRole.FEED_FORWARD, 0),
        ("blk.0.post_ffw_norm.weight", TensorRole.NORM, 0),
        ("blk.0.ssm_in.weight", TensorRole.OTHER, 0),
        ("blk.x.attn_q.weight", TensorRole.OTHER, None),
    ],
)
def test_a_name_tells_the_role(name: str, role: TensorRole, layer: int | None) -> None:
    assert tensor_role(name) == (role, layer)


def test_missing_bytes_are_counted(tmp_path: Path) -> None:
    path = small_gguf().write(tmp_path / "cut.gguf", missing_bytes=100)
    with pytest.raises(ModelFileDamaged, match=r"cut\.gguf is incomplete: 100 bytes are missing"):
        read_model(path)
    assert read_model(small_gguf().write(tmp_path / "whole.gguf")).n_layers == 2


def test_the_dominant_type_names_the_quantization(tmp_path: Path) -> None:
    assert read_model(small_gguf().write(tmp_path / "m.gguf")).quantization == "Q8_0"


def test_a_name_is_made_fit_to_be_shown(tmp_path: Path) -> None:
    wild = small_gguf()
    wild.metadata["general.name"] = "Evil\x1b[31m\n\n  name\u202e " + "x" * 500
    facts = read_model(wild.write(tmp_path / "m.gguf"))
    assert facts.name.startswith("Evil [31m name x")
    assert len(facts.name) <= 120
    wild.metadata["general.name"] = " \n "
    assert read_model(wild.write(tmp_path / "fallback.gguf")).name == "fallback"


def test_the_attention_temperature_is_noticed(tmp_path: Path) -> None:
    without = read_model(small_gguf("mistral4").write(tmp_path / "a.gguf"))
    scaled = small_gguf("mistral4", attention__temperature_scale=0.1, attention__temperature_length=8192)
    assert not without.has_attention_temperature
    assert read_model(scaled.write(tmp_path / "b.gguf")).has_attention_temperature


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match=r"gone\.gguf"):
        read_model(tmp_path / "gone.gguf")
    with pytest.raises(ModelFileMissing):
        read_model(tmp_path)
    with pytest.raises(ModelFileMissing):
        read_model(Path("bad\0name.gguf"))


def test_layers_beyond_the_announced_count_are_damage(tmp_path: Path) -> None:
    path = Gguf(small_metadata(block_count=2), small_tensors(3)).write(tmp_path / "m.gguf")
    with pytest.raises(ModelFileDamaged, match="more layers"):
        read_model(path)


@pytest.mark.parametrize("key", ["block_count", "embedding_length", "context_length"])
@pytest.mark.parametrize("value", [None, 0, "many", 2**32 - 1, 1.5])
def test_impossible_entries_are_named(tmp_path: Path, key: str, value: object) -> None:
    if key == "context_length" and value == 2**32 - 1:
        value = [1, 2]
    path = small_gguf(**{key: value}).write(tmp_path / "m.gguf")
    with pytest.raises(ModelFileDamaged, match=f"llama.{key}"):
        read_model(path)
