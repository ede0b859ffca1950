# SPDX-License-Identifier: Apache-2.0
"""The .NET side under one roof: loaded once per process, its values as Python's, callbacks without Python in them.

A callback in Python costs the guest a change of languages each time, and an exception in it ends the process. So what
Renode calls back is a delegate of .NET: a method of a list or a queue, or an expression compiled to one.
"""

from __future__ import annotations

import base64
import functools
import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any


def namespace(name: str) -> Any:
    """A namespace of .NET, whose classes are its attributes; load() must have been called."""
    return import_module(name)


@functools.lru_cache(maxsize=1)
def load() -> Any:
    """Starts .NET with Renode in it; returns pyrenode3. Raises ImportError.

    Renode's settings and temporary files go to the worker's own folder for such files: no run sees another's, or the
    user's.
    """
    os.environ["XDG_CONFIG_HOME"] = str(Path(tempfile.gettempdir()) / "config")
    logging.getLogger().addHandler(logging.NullHandler())  # pyrenode3 logs to the root, which would print it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # clr_loader finds Mono 6.8 old
        pyrenode3 = import_module("pyrenode3")
        import_module("pyrenode3.wrappers")
    return pyrenode3


def array(data: bytes) -> Any:
    """A byte[]; by way of base64, which .NET decodes at once instead of taking byte by byte."""
    system = import_module("System")
    return system.Convert.FromBase64String(base64.b64encode(data).decode())


def clr_type(of: Any) -> Any:
    """The System.Type of an imported class."""
    return import_module("clr").GetClrType(of)


def method(target: Any, name: str, kind: Any) -> Any:
    """A delegate of type ``kind`` that calls a method of an object."""
    return import_module("System").Delegate.CreateDelegate(clr_type(kind), target, name)


def typed(of: Any, items: Sequence[Any]) -> Any:
    """An array of ``items`` with elements of class ``of``."""
    made = import_module("System").Array.CreateInstance(clr_type(of), len(items))
    for i, item in enumerate(items):
        made.SetValue(item, i)
    return made
