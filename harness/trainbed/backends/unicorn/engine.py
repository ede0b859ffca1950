# SPDX-License-Identifier: Apache-2.0
"""The Unicorn binding under one untyped name: it ships half its types."""

from __future__ import annotations

from typing import Any

import unicorn as _binding

unicorn: Any = _binding
