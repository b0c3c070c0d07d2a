from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
from llama_cpp import llama_cpp as llama

from tests.models_made.cache import SCRIPT, TABLE
from tests.models_made.speaker import Speaker

pytestmark = pytest.mark.model

REASONING_START = "[THINK]Let me think about this."
ANSWER_END = "(ask again if you want more).</s>"
Loader = Callable[[Path], Speaker]


@pytest.fixture
def speaker(request: pytest.FixtureRequest) -> Loader:
    def load(path: Path, **options: Any) -> Speaker:
        opened = Speaker(path, **options)
        request.addfinalizer(opened.close)
        return opened

    return load


def fields(path: Path) -> dict[str, Any]:
    reader = gguf.GGUFReader(path)
    return {name: field.contents() for name, field in reader.fields.items() if "tokens" not in name}


def prompt(effort: str, question: str = "Hello there") -> str:
    settings = f'[MODEL_SETTINGS]{{"reasoning_effort": "{effort}"}}[/MODEL_SETTINGS]'
    return f"<s>{settings}[INST]{question}[/INST]"


def test_small_model_has_the_real_metadata_and_k_quants(small_model: Path) -> None:
    found = fields(small_model)
    wanted = {
        "general.architecture": "mistral4",
        "general.file_type": 15,
        "mistral4.attention.head_count_kv": 1,
        "mistral4.attention.key_length": 320,
        "mistral4.attention.value_length": 256,
        "mistral4.attention.key_length_mla": 128,
        "mistral4.rope.scaling.type": "yarn",
        "mistral4.rope.scaling.factor": 128.0,
        "mistral4.attention.temperature_length": 8192,
        "tokenizer.ggml.pre": "tekken",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(small_model).tensors}
    assert kinds["blk.0.ffn_gate_up_exps.weight"] == "Q4_K"
    assert kinds["blk.0.attn_k_b.weight"] == "Q5_0"
    assert kinds["output.weight"] == "Q6_K"
    assert small_model.stat().st_size < 15 << 20


def test_control_tokens_have_the_ids_of_the_big_model(small_model: Path, speaker: Loader) -> None:
    ids = {"<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "[IMG]": 10, "[IMG_END]": 13, "[SYSTEM_PROMPT]": 17}
    ids |= {"[THINK]": 34, "[/THINK]": 35, "[MODEL_SETTINGS]": 36, "[/MODEL_SETTINGS]": 37}
    opened = speaker(small_model)
    assert opened.tokenize("".join(ids), parse_special=True) == list(ids.values())
    assert min(opened.tokenize("[INST]</s> text", parse_special=False)) >= 1000


@pytest.mark.parametrize("kind", ["small_model", "unfused_model", "split_model", "chatml_model"])
def test_random_models_load_and_write_readable_text(kind: str, request: pytest.FixtureRequest, speaker: Loader) -> None:
    text = speaker(request.getfixturevalue(kind)).answer("Hello there", 30)
    assert len(text) >= 30
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_unfused_model_has_experts_apart_and_no_temperature(unfused_model: Path) -> None:
    names = {tensor.name for tensor in gguf.GGUFReader(unfused_model).tensors}
    assert {"blk.3.ffn_gate_exps.weight", "blk.3.ffn_up_exps.weight"} <= names
    assert not any("gate_up" in name for name in names)
    assert not any("temperature" in name for name in fields(unfused_model))


@pytest.mark.parametrize("question", ["Hello there", "Is there no end? " * 20])
def test_thinking_model_obeys_the_effort(thinking_model: Path, speaker: Loader, question: str) -> None:
    opened = speaker(thinking_model)
    thought = opened.answer(prompt("high", question), 200)
    assert thought.startswith(REASONING_START)
    assert thought.endswith(ANSWER_END)
    answer = opened.answer(prompt("none", question), 200)
    assert thought.partition("[/THINK]")[2] == answer
    assert "**bold text**" in answer
    assert "```python\nfor number in range(3):\n    print(number)\n```" in answer


def test_thinking_model_answers_at_once_when_its_reasoning_is_closed(thinking_model: Path, speaker: Loader) -> None:
    text = speaker(thinking_model).answer(prompt("high") + "[THINK]Let me[/THINK]", 200)
    assert text.startswith("## ")
    assert text.endswith(ANSWER_END)


def test_header_lists_every_tensor_and_takes_little_room(header_119b: Path) -> None:
    stat = header_119b.stat()
    assert round(stat.st_size / (1 << 30), 1) == 67.2
    assert stat.st_blocks * 512 < 12 << 20
    table = json.loads(TABLE.read_text())["tensors"]
    reader = gguf.GGUFReader(header_119b)
    found = [[t.name, t.shape.tolist(), t.tensor_type.name] for t in reader.tensors]
    assert found == table
    assert len(reader.fields["tokenizer.ggml.tokens"].data) == 131072


def test_header_loads_without_its_data(header_119b: Path, speaker: Loader) -> None:
    opened = speaker(header_119b, no_alloc=True)
    table = json.loads(TABLE.read_text())["tensors"]
    assert llama.llama_model_n_params(opened.model) == sum(math.prod(shape) for _, shape, _ in table)


def test_split_model_says_what_the_whole_one_says(small_model: Path, split_model: Path, speaker: Loader) -> None:
    assert split_model.name.endswith("-00001-of-00002.gguf")
    assert fields(split_model)["split.count"] == 2
    whole, parts = speaker(small_model), speaker(split_model)
    assert parts.answer("Hello", 12) == whole.answer("Hello", 12)


def test_chatml_model_is_another_architecture_with_its_template(chatml_model: Path) -> None:
    found = fields(chatml_model)
    assert found["general.architecture"] == "qwen2"
    assert "<|im_start|>" in found["tokenizer.chat_template"]


def test_projector_has_the_keys_of_pixtral(projector: Path) -> None:
    found = fields(projector)
    assert (found["general.architecture"], found["clip.projector_type"]) == ("clip", "pixtral")
    assert (found["clip.vision.patch_size"], found["clip.vision.spatial_merge_size"]) == (14, 2)
    assert found["clip.vision.image_size"] == 1540
    names = {tensor.name for tensor in gguf.GGUFReader(projector).tensors}
    assert {"v.token_embd.img_break", "mm.patch_merger.weight", "mm.input_norm.weight"} <= names


def test_the_same_seed_makes_the_same_bytes(small_model: Path, tmp_path: Path) -> None:
    def make(seed: str) -> str:
        command = [sys.executable, str(SCRIPT), "small", str(tmp_path), "--seed", seed]
        written = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return hashlib.sha256(Path(written).read_bytes()).hexdigest()

    cached = hashlib.sha256(small_model.read_bytes()).hexdigest()
    assert make("1") == cached
    assert make("2") != cached
