"""Training a model: seven questions, their answers, and the loop that runs on them."""

from .arguments import choose_device
from .forward import forward
from .measured import Measured
from .parameters import decay_groups
from .pretrained import loading, token_limit, tokenizer_from
from .samplers import LengthBuckets, Shuffled, shuffled
from .setting import Setting
from .terms import Term, Terms

__all__ = [
    "LengthBuckets",
    "Measured",
    "Setting",
    "Shuffled",
    "Term",
    "Terms",
    "choose_device",
    "decay_groups",
    "forward",
    "loading",
    "shuffled",
    "token_limit",
    "tokenizer_from",
]
