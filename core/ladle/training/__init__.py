"""Training a model: seven questions, their answers, and the loop that runs on them."""

from .arguments import choose_device
from .forward import forward
from .measured import Measured
from .packing import Layout, layout_for
from .padding import left_padded
from .parameters import decay_groups
from .plan import Plan
from .pretrained import check_tokenizer, config_from, loading, token_limit, tokenizer_from
from .randomness import drawn_from
from .samplers import LengthBuckets, Mixed, Shuffled, TokenBudget, shuffled
from .setting import Setting
from .terms import Term, Terms
from .weights import causal_model_from, model_from

__all__ = [
    "Layout",
    "LengthBuckets",
    "Measured",
    "Mixed",
    "Plan",
    "Setting",
    "Shuffled",
    "Term",
    "Terms",
    "TokenBudget",
    "causal_model_from",
    "check_tokenizer",
    "choose_device",
    "config_from",
    "decay_groups",
    "drawn_from",
    "forward",
    "layout_for",
    "left_padded",
    "loading",
    "model_from",
    "shuffled",
    "token_limit",
    "tokenizer_from",
]
