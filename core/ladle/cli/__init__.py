"""The `ladle` command."""

from __future__ import annotations

import gc


def main() -> None:
    """The console script."""
    gc.disable()  # while modules are loaded, which all stay; verbs that work for long turn it on
    from .verbs import call

    try:
        call()
    finally:
        gc.freeze()  # what is left goes with the process: to look through it first is a tenth of `ladle check`
