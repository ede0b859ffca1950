# SPDX-License-Identifier: Apache-2.0
"""How error messages name values and suggest words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any


def describe(value: Any) -> str:
    """A value as an error message names it: ``the text 'abc'``, ``3``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value[:40]}{'...' if len(value) > 40 else ''}'"
    if isinstance(value, dict):
        return "a mapping" + (f" ({', '.join(map(str, list(value)[:4]))})" if value else "")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a very large number"
    return text


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    """``; did you mean 'x'?`` or ``; expected one of a, b, c``."""
    near = difflib.get_close_matches(word[:80], allowed, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; expected {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}"
