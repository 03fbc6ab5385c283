"""The `ladle` command."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """The console script."""
    gc.disable()  # while modules are loaded, which all stay; verbs that work for long turn it on
    from .verbs import call

    try:
        call()
    except SystemExit as end:
        if gc.isenabled():
            raise
        _end_at_once(end.code)


def _end_at_once(code: object) -> None:
    """End the process without taking it apart first, which is a twentieth of the time that `ladle check` takes."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # nobody reads any more
        os._exit(1)
    os._exit(code if isinstance(code, int) else 0)
