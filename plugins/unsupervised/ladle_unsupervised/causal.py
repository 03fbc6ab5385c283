"""Learning to predict the next token."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ladle import NotInKey, OptionError, Usual

from .continuation import Continuation, Samples
from .language_model import PREDICT, UNLABELLED, LanguageModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    import transformers
    from datasets import Dataset
    from tokenizers import Encoding

    from ladle.training import Measured

    from .samples import Diary


class CausalLanguageModel(LanguageModel):
    """Learn to predict each token of a text from those before it, with any Hugging Face decoder.

    A document begins as the model's tokeniser has it, and ends with its end token. One that is longer than a sequence
    is cut into pieces, which overlap by one token, so that each of its tokens but the first is predicted once.
    Documents that stand in one sequence do not see each other.
    """

    is_causal = True
    usual_length = 1024
    accuracy = "token_accuracy"

    max_length: Annotated[int | None, Usual(16, 131_072)] = Field(
        default=None,
        gt=1,
        description="Tokens of a sequence; 1024, or as many as the model allows if these are fewer, if left out.",
    )
    stride: int | None = Field(
        default=None,
        gt=0,
        description="When a long document is measured, how many tokens are predicted in each of its pieces, which is a "
        "sequence long: those before them are context. All but one if left out, which is fastest.",
    )
    choose_by: Literal["loss", "token_accuracy"] = Field(
        default="loss", description="Validation metric that chooses the best epoch, whose model is kept."
    )
    samples: Samples | None = Field(
        default=None, description="Texts that the model continues at the end of each epoch, for the report."
    )
    continuation: Annotated[Continuation | None, NotInKey()] = Field(
        default=None, description="How `ladle predict` continues a text."
    )

    def loaded(self) -> tuple[transformers.PreTrainedModel, list[str]]:
        from ladle.training import causal_model_from

        help = 'name a decoder (Llama, GPT-2, Qwen, …), or write use = "masked-language-model"'
        return causal_model_from(self.setting.start, self.setting.seed, help)

    def model(self) -> torch.nn.Module:
        model = super().model()
        most = self._most(model)
        for option, how in (("samples", self.samples), ("continuation", self.continuation)):
            if how and how.max_new_tokens >= most:
                raise OptionError(
                    f"the model reads at most {most} tokens, and shall write {how.max_new_tokens}",
                    option=(option, "max_new_tokens"),
                    help=f"write at most {most - 1}: the text to be continued needs some too",
                )
        return model

    def _most(self, model: torch.nn.Module) -> int:
        """How many tokens the model reads at most, with those that it writes."""
        from ladle.training import token_limit

        return token_limit(model, self.tokenizer, None)

    @functools.cached_property
    def _predicting(self) -> Continuation:
        usual = Continuation()
        few = usual.model_copy(update={"max_new_tokens": self._most(self.setting.model) // 2})
        return self.continuation or min(usual, few, key=lambda how: how.max_new_tokens)

    # Rows

    @functools.cached_property
    def _end(self) -> int | None:
        """The token at the end of a document."""
        end = self.tokenizer.eos_token_id
        if end is None:
            self.setting.notes["documents have no end"] = "the tokeniser has no token for it"
        return end

    def parts(self, split: str) -> dict[str, Any]:
        if split == PREDICT:
            return {"room": self._predicting.max_new_tokens}
        return {} if split == "train" else {"stride": self.stride}

    def rows_of(self, text: str, encoding: Encoding, split: str) -> Iterator[dict[str, Any]]:
        """Pieces of a document, each with how many tokens are `context`, and how many `bytes` the others stand for.

        At prediction the last tokens of the text, as many as leave room for its continuation.
        """
        ids = encoding.ids
        if split == PREDICT:
            yield {"input_ids": self._prompt(ids, self._predicting)}
            return
        if ids[-1:] != [self._end] and self._end is not None:
            ids = [*ids, self._end]
        overlaps = split != "train" and self.stride is not None
        step = min(self.stride, self.limit - 1) if overlaps else self.limit - 1
        told, read = 1, _characters(text, encoding, 1)
        while told < len(ids):
            end = min(len(ids), max(told + step, self.limit))
            start = max(0, end - self.limit) if overlaps else told - 1
            before, read = read, _characters(text, encoding, end)
            yield {"input_ids": ids[start:end], "context": told - start, "bytes": len(text[before:read].encode())}
            told = end

    def _prompt(self, ids: list[int], how: Continuation) -> list[int]:
        """The last of these tokens, as many as leave room for a continuation."""
        if ids[-1:] == [self._end]:
            ids = ids[:-1]
        room = self._most(self.setting.model) - how.max_new_tokens
        begins = (self.tokenizer.bos_token_id, self._end, self.tokenizer.pad_token_id)
        return ids[-room:] or [next(token for token in begins if token is not None)]

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """`input_ids` and `labels` [sequences, length], these -100 where nothing is predicted, as the layout has them.

        Prompts, at prediction, are rows [rows, longest] padded on the left.
        """
        import torch

        if "context" not in rows[0]:
            from ladle.training import left_padded

            return left_padded([row["input_ids"] for row in rows], self.tokenizer.pad_token_id)
        lengths = [len(row["input_ids"]) for row in rows]
        ids = torch.tensor([token for row in rows for token in row["input_ids"]])
        place = torch.cat([torch.arange(length) for length in lengths])
        context = torch.tensor([row["context"] for row in rows]).repeat_interleave(torch.tensor(lengths))
        labels = ids.masked_fill(place < context, UNLABELLED)
        batch = self.layout(lengths, input_ids=(ids, self.tokenizer.pad_token_id), labels=(labels, UNLABELLED))
        batch["counts"]["labels"] = (labels != UNLABELLED).sum()
        return batch

    def places(self, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A token is told from the place before it."""
        import torch.nn.functional as F  # noqa: N812

        wanted = labels != UNLABELLED
        return F.pad(wanted[:, 1:], (0, 1)), wanted

    # Measuring and using the model

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        if "labels" in batch:
            return super().outputs(model, batch)
        return {"tokens": self._continued(batch, self._predicting)}

    def _continued(self, prompts: dict[str, Any], how: Continuation) -> torch.Tensor:
        from .continuing import continued

        return continued(self.setting.model, prompts, how, self._end, self.tokenizer.pad_token_id)

    def continuations(self, texts: list[str], how: Continuation) -> list[str]:
        """What the model, as it is now, would write after each text."""
        from ladle.training import left_padded

        prompts = [self._prompt(encoding.ids, how) for encoding in self.encoded(texts)]
        batch = left_padded(prompts, self.tokenizer.pad_token_id)
        return [self._text(tokens) for tokens in self._continued(batch, how)]

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"continuation": self._text(tokens)} for tokens in outputs["tokens"]]

    def _text(self, tokens: Any) -> str:
        return self.tokenizer.decode([int(token) for token in tokens if token >= 0], skip_special_tokens=True)

    def measure(self, outputs: dict[str, Any], dataset: Dataset) -> Measured:
        measured = super().measure(outputs, dataset)
        if self._diary:
            measured.tables["samples"] = self._diary.table()
        return measured

    def wanted(self, rows: Dataset) -> Iterator[np.ndarray]:
        import numpy as np

        for part in rows.with_format("arrow").iter(10_000):
            tokens = part["input_ids"].combine_chunks()
            lengths = tokens.value_lengths().to_numpy()
            ids = tokens.flatten().to_numpy()
            place = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            yield ids[place >= np.repeat(part["context"].to_numpy(), lengths)]

    def bytes_of(self, rows: Dataset) -> np.ndarray:
        return rows.with_format("numpy")["bytes"][:]

    @functools.cached_property
    def _diary(self) -> Diary | None:
        from .samples import Diary

        return Diary(self, self.samples) if self.samples else None

    def callbacks(self) -> list[transformers.TrainerCallback]:
        return [self._diary] if self._diary else []


def _characters(text: str, encoding: Encoding, tokens: int) -> int:
    """How many characters of a text its first `tokens` stand for; all of them, if there are no more tokens."""
    if tokens >= len(encoding):
        return len(text)
    spans = (encoding.token_to_chars(at) for at in range(tokens - 1, -1, -1))
    return next((span[1] for span in spans if span), 0)
