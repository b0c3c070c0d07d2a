"""Pictures on their way into a real model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from app.core.errors import (
    GenerationFailed,
    PictureUnreadable,
)
from app.engine.child.preparing import prepare_picture
from app.engine.pictures import image_tokens
from app.engine.protocol import (
    PictureFile,
    RequestFailed,
)
from tests.engine.conftest import Start
from tests.engine.recorder import cpu_plan, user
from tests.engine.samples import answer_of, picture

pytestmark = pytest.mark.model


@pytest.mark.parametrize("size", [(28, 28), (280, 140), (140, 420), (500, 333)])
def test_a_picture_takes_the_tokens_that_were_announced(
    start: Start, small_model: Path, projector: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    recorder = start(small_model, projector)
    shown = picture(tmp_path / "shown.png", size)

    ended = recorder.generated(user("What is this?", shown), max_tokens=2)

    announced = prepare_picture(shown.path.read_bytes()).tokens
    assert ended.stats.image_tokens == announced
    assert recorder.measured(user("What is this?", shown)).image_tokens == announced
    assert ended.stats.prompt_tokens > announced


SIDES = (1, 2, 27, 29, 300, 1024, 1539, 1540, 1541, 3000)


def test_llama_cpp_takes_every_picture_in_the_size_it_is_sent(
    start: Start, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    """Had it resized one, that would take another number of tokens."""
    recorder = start(small_model, projector, plan=cpu_plan(8192))

    for width, height in product(SIDES, SIDES):
        shown = picture(tmp_path / f"{width}-{height}.bmp", (width, height))
        assert recorder.measured(user("", shown)).image_tokens == image_tokens(width, height), (width, height)


def test_a_picture_is_read_once_and_its_answer_depends_on_it(
    start: Start, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    red = picture(tmp_path / "red.png", (560, 560), "red")
    blue = picture(tmp_path / "blue.png", (560, 560), "blue")

    first = recorder.generated(user("What is this?", red), max_tokens=8)
    second = recorder.generated(user("What is this?", red), answer_of(recorder, first), user("And?"), max_tokens=8)
    other = recorder.generated(user("What is this?", blue), max_tokens=8)

    assert second.stats.cached_tokens >= first.stats.prompt_tokens
    assert other.stats.cached_tokens < 40  # only what stands before the picture
    assert recorder.answer(first.request_id) != recorder.answer(other.request_id)


def test_two_pictures_of_one_message_keep_their_order(
    start: Start, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    red = picture(tmp_path / "red.png", (56, 56), "red")
    blue = picture(tmp_path / "blue.png", (56, 56), "blue")

    before = recorder.generated(user("Which?", red, blue), max_tokens=1)
    same = recorder.generated(user("Which?", red, blue), max_tokens=1)
    swapped = recorder.generated(user("Which?", blue, red), max_tokens=1)

    assert same.stats.cached_tokens == before.stats.prompt_tokens - 1
    assert swapped.stats.cached_tokens < before.stats.prompt_tokens - before.stats.image_tokens


def test_pictures_that_can_not_be_used_fail_the_turn_only(
    start: Start, small_model: Path, projector: Path, tmp_path: Path
) -> None:
    recorder = start(small_model, projector)
    shown = picture(tmp_path / "shown.png", (56, 56))
    gone = PictureFile(tmp_path / "gone.png", shown.sha256)
    changed = PictureFile(shown.path, "0" * 64)

    for file in (gone, changed):
        failed = recorder.end_of(recorder.generate(user("x", file)))
        assert isinstance(failed, RequestFailed)
        assert isinstance(failed.error, PictureUnreadable)
    assert recorder.generated(user("x", shown), max_tokens=1).stats.image_tokens > 0


def test_a_picture_for_a_model_without_projector_is_refused(start: Start, small_model: Path, tmp_path: Path) -> None:
    recorder = start(small_model)

    failed = recorder.end_of(recorder.generate(user("x", picture(tmp_path / "shown.png", (56, 56)))))

    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, GenerationFailed)
    assert "projector" in str(failed.error)


UNREPAIRED_CHILD = Path(__file__).with_name("unrepaired_child.py")
POISON = """
#include <stddef.h>
#include <string.h>
extern void *__libc_malloc(size_t);
extern void *__libc_memalign(size_t, size_t);
static void *poison(void *p, size_t n) { if (p) memset(p, 0xFF, n); return p; }
void *malloc(size_t n) { return poison(__libc_malloc(n), n); }
void *aligned_alloc(size_t a, size_t n) { return poison(__libc_memalign(a, n), n); }
int posix_memalign(void **out, size_t a, size_t n) {
    *out = poison(__libc_memalign(a, n), n);
    return *out ? 0 : 12;
}
"""


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler and the GNU C library"
)
def test_memory_that_was_never_written_does_not_reach_a_picture(
    start: Start, small_model: Path, projector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, library = tmp_path / "poison.c", tmp_path / "poison.so"
    source.write_text(POISON)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    shown = picture(tmp_path / "shown.png", (140, 140))
    clean = start(small_model, projector)
    expected = clean.answer(clean.generated(user("What?", shown), max_tokens=8).request_id)

    monkeypatch.setenv("LD_PRELOAD", str(library))
    poisoned = start(small_model, projector)
    ended = poisoned.generated(user("What?", shown), max_tokens=8)
    unrepaired = start(small_model, projector, command=[sys.executable, str(UNREPAIRED_CHILD)])
    failed = unrepaired.end_of(unrepaired.generate(user("What?", shown), max_tokens=8))

    assert poisoned.answer(ended.request_id) == expected
    assert isinstance(failed, RequestFailed), failed
    assert "numbers overflowed on this picture" in str(failed.error)
    flat = picture(tmp_path / "flat.png", (140, 28))  # one row has no end that needs repair
    assert unrepaired.generated(user("What?", flat), max_tokens=8)
