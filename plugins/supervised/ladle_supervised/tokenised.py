"""What trainers share whose rows become tokens: the model's own tokeniser, batches, and a head on a body."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import ModelChoice, OptionError, Usual

from .supervised import Supervised

if TYPE_CHECKING:
    import torch
    from torch.utils.data import Sampler
    from transformers import PreTrainedTokenizerBase


class Tokenised(Supervised):
    """A trainer whose rows have `input_ids` and their `length`, and whose model is a Hugging Face one with a head."""

    start: ModelChoice = Field(alias="model", description="The encoder to start from, or a decoder.")
    head_learning_rate: Annotated[
        float | None, Usual(2e-6, 0.03, "a new head hardly learns at such a rate", "training is likely to diverge")
    ] = Field(
        default=None, gt=0, description="Learning rate of the head, which starts from nothing; as the rest if left out."
    )
    max_length: Annotated[int | None, Usual(8, 131_072)] = Field(
        default=None, gt=2, description="Tokens after which a text is cut; as long as the model allows if left out."
    )

    @property
    def start_folder(self) -> Path | None:
        """The folder of the model to start from, where it is on this machine before anything is run."""
        return self.start.location.folder if self.start.location else None

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's own."""
        from ladle.training import tokenizer_from

        return tokenizer_from(self.setting.start)

    @functools.cached_property
    def limit(self) -> int:
        """How many tokens of a text the model reads at most."""
        from ladle.training import token_limit

        return token_limit(self.setting.model, self.tokenizer, self.max_length)

    def sampler(self, dataset: Any) -> Sampler[list[int]]:
        from ladle.training import shuffled

        return shuffled(dataset, self.batch_size, self.setting.seed)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` [rows, longest], a mask if anything is padded, and what `label_batch` makes of the rows."""
        import torch

        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        batch = {"input_ids": padded(rows, "input_ids", self.tokenizer.pad_token_id)} | self.label_batch(rows)
        longest = batch["input_ids"].shape[1]
        if int(lengths.min()) < longest:
            batch["attention_mask"] = (torch.arange(longest) < lengths.unsqueeze(1)).long()
        batch["counts"]["tokens"] = lengths.sum()
        return batch

    def parameters(self, model: torch.nn.Module) -> list[dict[str, Any]]:
        from ladle.training import decay_groups

        rates = {}
        if self.head_learning_rate:
            head = [name for name, _ in model.named_children() if name != model.base_model_prefix]
            rates = {f"{name}.": self.head_learning_rate for name in head}
        return decay_groups(model, self.weight_decay, rates)

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def padded(rows: list[dict[str, Any]], column: str, filler: int) -> torch.Tensor:
    """A column of lists of whole numbers as a tensor [rows, longest], filled up at the end."""
    import torch

    longest = max(len(row[column]) for row in rows)
    return torch.tensor([row[column] + [filler] * (longest - len(row[column])) for row in rows], dtype=torch.long)


def check_lengths(rows: list[dict[str, Any]]) -> None:
    """Raises OptionError if a row has lost tokens, or got some, where each token has a meaning by its place."""
    for row in rows:
        if len(row["input_ids"]) != row["length"]:
            raise OptionError(
                f"a technique made {len(row['input_ids'])} tokens of {row['length']}: labels belong to places",
                help="leave out the technique that makes texts longer or shorter",
            )
