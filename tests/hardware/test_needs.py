"""The estimate of scratch memory, against what llama.cpp itself reserves for the 119B model without loading it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.hardware.needs import add_up
from app.models.gguf import read_model
from tests.models.gguf_builder import large_gguf

MIB = 1 << 20
CONTEXTS = (4096, 32768, 131072)
DRY_RUN = """
import json, re, sys
import llama_cpp.llama_cpp as llama

lines = []

@llama.llama_log_callback
def keep(level, text, data):
    lines.append(text.decode(errors="replace"))

llama.llama_log_set(keep, None)
llama.llama_backend_init()
options = llama.llama_model_default_params()
options.no_alloc, options.load_mode = True, 0
model = llama.llama_model_load_from_file(sys.argv[1].encode(), options)
assert model, lines[-3:]
for tokens in json.loads(sys.argv[2]):
    settings = llama.llama_context_default_params()
    settings.n_ctx, settings.n_ubatch, settings.n_batch = tokens, 512, 512
    settings.n_outputs_max, settings.flash_attn_type = 1, -1
    context = llama.llama_init_from_model(model, settings)
    assert context, lines[-3:]
    llama.llama_free(context)
print(json.dumps(re.findall(r"CPU compute buffer size = +([0-9.]+) MiB", "".join(lines))))
"""


@pytest.mark.model
def test_the_scratch_estimate_is_enough_and_not_wasteful(tmp_path: Path) -> None:
    path = large_gguf().write(tmp_path / "large.gguf")
    command = [sys.executable, "-c", DRY_RUN, str(path), json.dumps(CONTEXTS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    reserved = [float(size) for size in json.loads(done.stdout.splitlines()[-1])]
    needs = add_up(read_model(path), None)
    estimated = [needs.compute_bytes(context, copies=1) / MIB for context in CONTEXTS]
    assert len(reserved) == len(CONTEXTS)
    for found, expected in zip(reserved, estimated, strict=True):
        assert found <= expected <= found + 64
