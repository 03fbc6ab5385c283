"""Libraries that only some cleaners need, and that are large."""

from __future__ import annotations

from importlib.util import find_spec

from ladle import OptionError


def need(module: str, package: str, extra: str, option: str) -> None:
    """Raises OptionError about an `option` if what it needs is not installed. Imports nothing."""
    if find_spec(module) is None:
        raise OptionError(
            f"this needs {package}, which is not installed",
            option=option,
            help=f'pip install "ladle-cleaning[{extra}]"',
            code="missing-package",
        )
