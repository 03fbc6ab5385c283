"""A recipe, from TOML text to checked components."""

from .load import load
from .model import DataSet, Recipe, Split, TrainStage, Used

__all__ = ["DataSet", "Recipe", "Split", "TrainStage", "Used", "load"]
