"""Typeset LaTeX formulas to SVG with ziamath, with the measures a line of text needs."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from app.ui.markdown.math_rules import FORMULA_LIMIT

INK = "#010203"  # stands for the text's colour in `Formula.svg`
_EM = 20.0
_DEEPEST = 24  # braces within braces
_VIEW_BOX = re.compile(r'viewBox="([-\d.e]+) ([-\d.e]+) ([-\d.e]+) ([-\d.e]+)"')
_LARGEST_EM = 200.0
# WORKAROUND latex2mathml 3.81: it takes no exponent right after an environment, only after a group.
_RAISED = re.compile(r"\\begin\{(\w+)\}(?:(?!\\begin|\\end).)*\\end\{\1\}(?=\s*[\^_])", re.DOTALL)


class FormulaBroken(ValueError):
    """Say that a text is not LaTeX that can be typeset."""


@dataclass(frozen=True, slots=True)
class Formula:
    """Hold a drawn formula; measures in em, `ascent` and `descent` from the baseline."""

    svg: str
    width: float
    ascent: float
    descent: float


def typeset(latex: str, *, display: bool) -> Formula:
    """Return `latex` drawn. Raises FormulaBroken."""
    outcome = _typeset(latex, display)
    if isinstance(outcome, str):
        raise FormulaBroken(outcome)
    return outcome


def can_typeset(latex: str, *, display: bool) -> bool:
    """Tell whether `typeset` would succeed; the work is kept for it."""
    return isinstance(_typeset(latex, display), Formula)


def prepare_formulas() -> None:
    """Get ready, so that the first formula takes no longer than any other."""
    _typeset("x", False)


@lru_cache(maxsize=512)
def _typeset(latex: str, display: bool) -> Formula | str:
    source = latex.strip()
    if not source or len(source) > FORMULA_LIMIT or _depth(source) > _DEEPEST:
        return "The formula is empty, too long or nested too deeply."
    source = _RAISED.sub(r"{\g<0>}", source)
    source = source.replace("<", r"\lt ").replace(">", r"\gt ")  # else they end up as tags of MathML
    try:
        svg = _ziamath().Latex(source, size=_EM, inline=not display, color=INK).svg()
    except Exception as cause:  # noqa: BLE001 - the library raises whatever breaks first on bad LaTeX
        return f"{type(cause).__name__}: {cause}"
    return _measure(svg)


def _measure(svg: str) -> Formula | str:
    box = _VIEW_BOX.search(svg)
    if box is None or "<image" in svg:
        return "The drawing has no measures or refers to other files."
    _left, top, width, height = (float(value) / _EM for value in box.groups())
    if not (0 < width < _LARGEST_EM and 0 < height < _LARGEST_EM):
        return "The formula has no area or is too large."
    return Formula(svg, width, max(0.0, -top), max(0.0, height + top))


def _depth(source: str) -> int:
    deepest = depth = 0
    for character in source:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return deepest


@cache
def _ziamath() -> Any:
    """Import the library when the first formula comes: it takes a tenth of a second."""
    with warnings.catch_warnings():
        # WORKAROUND ziamath 0.13: it reads its font by a way that Python 3.11 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import ziamath  # noqa: PLC0415 - see above
    ziamath.config.svg2 = False  # glyphs drawn with SVG 2 come out cropped in Qt
    return ziamath
