"""A Jinja that runs the templates of strangers: without reach, and with limits on time and size."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from types import FrameType
from typing import Any

from jinja2 import Template
from jinja2.exceptions import TemplateRuntimeError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MAX_SECONDS = 5.0
_MAX_CHARACTERS = 16 << 20
_MAX_SOURCE_CHARACTERS = 1 << 20
_MAX_NUMBER_BITS = 4096


class TemplateTooCostly(Exception):
    """Report that a template takes more time or room than any honest one."""


def compile_template(source: str) -> Template:
    """Compile `source` as chat templates expect it. Raises jinja2.TemplateError."""
    if len(source) > _MAX_SOURCE_CHARACTERS:
        raise TemplateRuntimeError("it is far too long")
    return _compile(source)


def run_template(template: Template, variables: dict[str, Any]) -> str:
    """Return what the template writes. Raises TemplateTooCostly, and whatever the template raises."""
    pieces: list[str] = []
    length = 0
    with _deadline(_MAX_SECONDS):
        for piece in template.generate(variables):
            length += len(piece)
            if length > _MAX_CHARACTERS:
                raise TemplateTooCostly("it writes without end")
            pieces.append(piece)
    return "".join(pieces)


class _Environment(ImmutableSandboxedEnvironment):
    """Refuse products that would fill the memory before any deadline."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute `left` * `right` or `left` ** `right`, if the result stays small."""
        numbers = [operand for operand in (left, right) if isinstance(operand, int)]
        sizes = [len(operand) for operand in (left, right) if isinstance(operand, str | list | tuple | bytes)]
        if operator == "*" and sizes and numbers and sizes[0] * numbers[0] > _MAX_CHARACTERS:
            raise TemplateTooCostly("it builds a text that is far too long")
        bits = [number.bit_length() for number in numbers]
        if len(bits) == 2:
            result_bits = sum(bits) if operator == "*" else bits[0] * abs(right)
            if result_bits > _MAX_NUMBER_BITS:
                raise TemplateTooCostly("it computes with numbers that are far too large")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """Take `{% generation %}` blocks, which mark an answer for training, as what they hold."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> list[Node]:
        """Return the nodes between the tags."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@lru_cache(maxsize=4)
def _compile(source: str) -> Template:
    environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(source)


def _to_json(value: Any, indent: int | None = None, ensure_ascii: bool = False, **options: Any) -> str:
    """Write JSON without the escapes for web pages that Jinja's own filter adds."""
    known = {name: options[name] for name in ("separators", "sort_keys") if name in options}
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **known)


def _raise_exception(message: str) -> None:
    raise TemplateRuntimeError(message)


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Stop Python code of this thread at its next line once `seconds` have passed.

    A template that loops without writing anything can be stopped in no other way: it runs in this thread.
    """
    end = time.monotonic() + seconds

    def watch(_frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any]:
        if time.monotonic() > end:
            raise TemplateTooCostly("it takes too long")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)
