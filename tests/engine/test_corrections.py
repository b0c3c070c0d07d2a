"""Each correction against a model of the architecture in NumPy: wrong without it, right with it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from llama_cpp import llama_cpp as llama

from app.engine.child.logbook import Logbook
from app.engine.child.placement import model_parameters
from app.engine.child.preflight import read_headers
from app.engine.corrections import chosen_overrides
from app.engine.protocol import LoadRequest
from tests.engine.conftest import Start
from tests.engine.numpy_model import NumpyModel
from tests.engine.recorder import cpu_plan
from tests.engine.samples import rewritten

MODEL = Path(__file__).parents[1] / "data" / "parity" / "text.gguf"  # with temperature keys, attention not scaled
SCALE = (1 + 0.1 * np.log(128)) ** 2  # 2.2058
RIGHT, WRONG = 1e-3, 2e-2
LENGTH = 40
BEYOND = 8192 - LENGTH // 2

TEMPERATURE_KEYS = tuple(
    (f"temperature_{name}".encode(), f"temperature-{name}".encode()) for name in ("scale", "length")
)
MULTIPLIER, FACTOR = b"mistral4.rope.scaling.yarn_log_multiplier", b"mistral4.rope.scaling.attn_factor"
FLOAT = 6
SCALED = (
    (MULTIPLIER + struct.pack("<If", FLOAT, 0.0), MULTIPLIER + struct.pack("<If", FLOAT, 0.1)),
    (FACTOR, FACTOR.replace(b"attn", b"atxn")),
)

Read = Callable[..., npt.NDArray[np.float64]]


@pytest.fixture
def read() -> Iterator[Read]:
    """Return what llama.cpp computes: with what the program overrides, or with `bare` the file as it is."""
    logbook = Logbook()
    logbook.open()
    handles: list[tuple[Any, Any]] = []

    def read_ids(path: Path, ids: npt.NDArray[np.int64], first: int, *, bare: bool = False, **request: Any) -> Any:
        asked = LoadRequest("1", path, None, cpu_plan(), **request)
        overrides = {} if bare else read_headers(asked, logbook).overrides
        parameters = model_parameters(asked.plan, overrides, lambda _fraction: True)
        parameters.struct.use_extra_bufts = False
        model = llama.llama_model_load_from_file(str(path).encode(), parameters.struct)
        assert model
        context_parameters = llama.llama_context_default_params()
        context_parameters.n_ctx = context_parameters.n_batch = context_parameters.n_ubatch = 64
        context_parameters.n_threads = context_parameters.n_threads_batch = 1
        context_parameters.flash_attn_type = context_parameters.type_k = context_parameters.type_v = 0
        context = llama.llama_init_from_model(model, context_parameters)
        assert context
        handles.append((model, context))
        return _decode(model, context, ids, first)

    yield read_ids
    for model, context in handles:
        llama.llama_free(context)
        llama.llama_model_free(model)


def _decode(model: Any, context: Any, ids: npt.NDArray[np.int64], first: int) -> Any:
    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for place, token in enumerate(ids):
        batch.token[place], batch.pos[place], batch.logits[place] = int(token), first + place, True
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
    assert llama.llama_decode(context, batch) == 0
    size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    rows = [np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (size,)).copy() for i in range(len(ids))]
    llama.llama_batch_free(batch)
    return np.array(rows, np.float64)


@pytest.fixture(scope="module")
def numpy_model() -> NumpyModel:
    return NumpyModel(MODEL)


@pytest.fixture(scope="module")
def ids() -> npt.NDArray[np.int64]:
    return np.random.default_rng(7).integers(1000, 1280, LENGTH)


def distances(found: Any, wanted: Any) -> Any:
    """Return the largest difference at every place."""
    assert np.std(wanted) > 0.1, "the expected numbers say nothing"
    return np.abs(found - wanted).max(axis=1)


def test_numpy_and_llama_cpp_agree_on_a_file_that_says_all(
    read: Read, numpy_model: NumpyModel, ids: npt.NDArray[np.int64]
) -> None:
    for first in (0, BEYOND):
        wanted = numpy_model.logits(ids, first, temperature=True, attention_scale=1.0)
        assert distances(read(MODEL, ids, first), wanted).max() < RIGHT


def test_a_file_without_the_attention_temperature_is_right_only_with_the_correction(
    read: Read, numpy_model: NumpyModel, ids: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    silent = rewritten(MODEL, tmp_path / "silent.gguf", *TEMPERATURE_KEYS)
    wanted = numpy_model.logits(ids, BEYOND, temperature=True, attention_scale=1.0)
    before = 8192 - BEYOND

    assert distances(read(silent, ids, BEYOND), wanted).max() < RIGHT
    found = distances(read(silent, ids, BEYOND, bare=True), wanted)
    assert found[:before].max() < RIGHT
    assert found[before:].min() > RIGHT
    assert found[before:].max() > WRONG
    cold = numpy_model.logits(ids, BEYOND, temperature=False, attention_scale=1.0)
    assert distances(read(silent, ids, BEYOND, bare=True), cold).max() < RIGHT


def test_each_missing_temperature_key_is_filled_by_itself(
    read: Read, numpy_model: NumpyModel, ids: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    wanted = numpy_model.logits(ids, BEYOND, temperature=True, attention_scale=1.0)
    for number, pair in enumerate(TEMPERATURE_KEYS):
        silent = rewritten(MODEL, tmp_path / f"{number}.gguf", pair)
        assert distances(read(silent, ids, BEYOND), wanted).max() < RIGHT


def test_the_switch_takes_the_scale_off_a_file_of_the_usual_converter(
    read: Read, numpy_model: NumpyModel, ids: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    scaled = rewritten(MODEL, tmp_path / "scaled.gguf", *SCALED)
    wish = chosen_overrides("mistral4", unscaled_attention=True)
    for first in (0, BEYOND):
        plain = numpy_model.logits(ids, first, temperature=True, attention_scale=1.0)
        sharp = numpy_model.logits(ids, first, temperature=True, attention_scale=SCALE)

        assert distances(read(scaled, ids, first), sharp).max() < RIGHT
        assert distances(read(scaled, ids, first), plain).max() > WRONG
        assert distances(read(scaled, ids, first, metadata=wish), plain).max() < RIGHT


def test_each_half_of_the_switch_alone_is_wrong(
    read: Read, numpy_model: NumpyModel, ids: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    scaled = rewritten(MODEL, tmp_path / "scaled.gguf", *SCALED)
    plain = numpy_model.logits(ids, 0, temperature=True, attention_scale=1.0)

    for half in chosen_overrides("mistral4", unscaled_attention=True):
        assert distances(read(scaled, ids, 0, metadata=(half,)), plain).max() > WRONG


@pytest.mark.model
def test_what_is_corrected_and_switched_stands_in_the_details(start: Start, tmp_path: Path) -> None:
    silent = rewritten(MODEL, tmp_path / "silent.gguf", *TEMPERATURE_KEYS, *SCALED)

    usual = start().loaded(silent).details
    switched = start().loaded(silent, metadata=chosen_overrides("mistral4", unscaled_attention=True)).details

    corrections = [text for label, text in switched if label == "Correction"]
    assert len(corrections) == 2
    assert "sharpens beyond 8192" in corrections[0]
    assert "not scaled up, as the setting asks" in corrections[1]
    assert dict(switched)["Attention scale"] == "not scaled (native configuration)"
    assert dict(usual)["Attention scale"] == "as the file says"
    assert [label for label, _ in usual].count("Correction") == 1
