"""Model files whose weights are no numbers: the turn ends with a sentence, the engine goes on."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from app.core.errors import GenerationFailed
from app.engine.protocol import RequestFailed, Sampling
from tests.engine.conftest import Start
from tests.engine.recorder import GREEDY, Recorder, user

pytestmark = pytest.mark.model

PLAIN = Path(__file__).parents[1] / "data" / "parity" / "text.gguf"  # 32-bit weights: what is broken spreads
WARM = Sampling(temperature=0.7, top_p=0.95, seed=1)


def broken(model: Path, target: Path, tensor: str, value: float, place: int) -> Path:
    """Copy `model` with one 32-bit weight, or the scale of one block of a quantized tensor, set to `value`."""
    target.write_bytes(model.read_bytes())
    found = next(one for one in gguf.GGUFReader(target, "r+").tensors if one.name == tensor)
    if found.tensor_type is gguf.GGMLQuantizationType.F32:
        found.data.reshape(-1)[place] = value
    else:  # Q6_K: 208 bytes of small numbers, then the scale as a 16-bit float
        assert found.tensor_type is gguf.GGMLQuantizationType.Q6_K
        found.data.reshape(-1, 210)[place, 208:] = np.array([value], np.float16).view(np.uint8)
    return target


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
@pytest.mark.parametrize(
    ("tensor", "value", "place"),
    [
        ("blk.1.ffn_norm.weight", np.nan, 0),  # breaks every logit
        ("output_norm.weight", np.inf, 5),
        ("output.weight", np.nan, 1200 * 64),  # breaks a single one
        ("output.weight", np.inf, 1200 * 64),
    ],
)
def test_a_file_with_broken_weights_ends_the_turn_with_the_likely_cause(
    start: Start, small_model: Path, tmp_path: Path, tensor: str, value: float, place: int, sampling: Sampling
) -> None:
    recorder = start(broken(PLAIN, tmp_path / "broken.gguf", tensor, value, place))

    check_failed(recorder, recorder.generate(user("Hello"), sampling=sampling, max_tokens=8))
    recorder.loaded(small_model)
    assert recorder.answer(recorder.generated(user("Hello"), max_tokens=8).request_id)


def test_a_quantized_file_with_a_broken_block_ends_the_turn_too(
    start: Start, small_model: Path, tmp_path: Path
) -> None:
    recorder = start(broken(small_model, tmp_path / "broken.gguf", "output.weight", np.nan, 2000))

    check_failed(recorder, recorder.generate(user("Hello"), max_tokens=8))


def check_failed(recorder: Recorder, request_id: str) -> None:
    ended = recorder.end_of(request_id)
    assert isinstance(ended, RequestFailed), ended
    assert isinstance(ended.error, GenerationFailed)
    assert "the file may be damaged or its quantization too coarse" in str(ended.error)
    assert recorder.answer(request_id) == ""
