"""Texts that were read in a wrong encoding."""

from __future__ import annotations

import re

GARBLED = re.compile("[ÂÃ][\u0080-\u00bf]|â\u0080[\u0090-\u00bf]|â€[\u00a0-\u00ff\u0152-\u2122]")
"""What UTF-8 most often looks like when it is read as Latin-1 or Windows-1252: é as Ã©, a closing quote as â€™."""


def repaired(text: str) -> str:
    """A text as it was meant, line by line (Speer 2019, "ftfy"); what makes sense as it is stays."""
    import ftfy

    return "\n".join(map(ftfy.fix_encoding, text.split("\n")))
