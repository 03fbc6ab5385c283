"""Adversarial training for ladle, on embeddings and on texts, and how well a model withstands attacks."""

from __future__ import annotations

from ladle import hookimpl

__version__ = "0.1.0"


@hookimpl
def ladle_kinds() -> dict[str, str]:
    return {"attack": "ladle_adversarial.hookspecs:ladle_attacks"}


@hookimpl
def ladle_techniques() -> dict[str, str]:
    return {
        "adversarial": "ladle_adversarial.adversarial:Adversarial",
        "perturb": "ladle_adversarial.perturb:Perturb",
        "robustness": "ladle_adversarial.robustness:Robustness",
    }


@hookimpl
def ladle_attacks() -> dict[str, str]:
    return {
        "typos": "ladle_adversarial.typos:Typos",
        "character-swaps": "ladle_adversarial.typos:CharacterSwaps",
        "word-swaps": "ladle_adversarial.word_attacks:WordSwaps",
        "word-deletion": "ladle_adversarial.word_attacks:WordDeletion",
        "synonyms": "ladle_adversarial.synonyms:Synonyms",
    }
