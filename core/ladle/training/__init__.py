"""Training a model: seven questions, their answers, and the loop that runs on them."""

from .forward import forward
from .measured import Measured
from .parameters import decay_groups
from .samplers import LengthBuckets, Shuffled, shuffled
from .setting import Setting
from .terms import Term, Terms

__all__ = ["LengthBuckets", "Measured", "Setting", "Shuffled", "Term", "Terms", "decay_groups", "forward", "shuffled"]
