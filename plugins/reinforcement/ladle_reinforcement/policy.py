"""What the trainers of language models share: a model that answers prompts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ladle import OptionError, Reads, Usual

from .conversing import MESSAGES, Conversing

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from .reward import Prompt


class Policy(Conversing):
    """A trainer of a causal language model that is to answer prompts."""

    prompt: Annotated[str, Reads(*MESSAGES)] = Field(
        default="prompt",
        description="The column with the prompts: texts, lists of { role, content }, or such lists as JSON text.",
    )
    max_new_tokens: Annotated[int, Usual(4, 16_384)] = Field(
        default=256, gt=0, description="Tokens of an answer, at most."
    )

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's own; it pads at the left, as texts that go on do."""
        tokenizer = super().tokenizer
        tokenizer.padding_side = "left"
        return tokenizer

    def loaded(self) -> tuple[PreTrainedModel, list[str]]:
        from ladle.training import causal_model_from

        return causal_model_from(self.setting.start, self.setting.seed)

    def model(self) -> torch.nn.Module:
        model = super().model()
        self.check_size(model)
        return model

    def check_size(self, model: Any) -> None:
        """Raises OptionError if the model cannot do what is asked of it."""
        from ladle.training import check_tokenizer

        if not self._ends(model):
            raise OptionError(
                "the model has no token that ends an answer",
                option="model",
                help="name a model whose tokeniser has an end token",
            )
        check_tokenizer(model, self.tokenizer)

    @functools.cached_property
    def positions(self) -> int:
        """How many tokens the model reads at most, those that it writes among them."""
        from ladle.training import token_limit

        return token_limit(self.setting.model, self.tokenizer, None)

    @property
    def new_tokens(self) -> int:
        """Tokens of an answer, at most: half of what the model reads, if it does not read as many as are wanted."""
        return self.max_new_tokens if self.max_new_tokens < self.positions else self.positions // 2

    def asked(self, value: Any) -> tuple[Prompt, list[int]]:
        """A prompt as the model gets it, from a cell, and its tokens. Raises UnusableError if it has none."""
        from .conversations import UnusableError, read_cell, to_be_answered

        prompt = self.renderer.prompt(to_be_answered(read_cell(value, self.prompt)))
        tokens = self.renderer.tokens_of_prompt(prompt)
        if not tokens:
            raise UnusableError("whose prompts have no token")
        return prompt, tokens

    def to_answer(self, value: Any) -> dict[str, Any]:
        """A row to be answered at prediction: of its prompt the last tokens, if there are too many."""
        tokens = self.asked(value)[1][-(self.positions - self.new_tokens) :]
        return {"input_ids": tokens, "length": len(tokens)}

    def prompt_batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Prompts [rows, longest] padded at the left, so that all end together, and their mask."""
        from ladle.training import left_padded

        return left_padded([row["input_ids"] for row in rows], self.tokenizer.pad_token_id)

    def generated(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """The likeliest answers to prompts: tokens [rows, …], and -100 from the end token on."""
        import torch

        prompts = batch["input_ids"]
        written = model.generate(
            prompts, attention_mask=batch["attention_mask"], generation_config=self.decoding(model)
        )[:, prompts.shape[1] :]
        ends = torch.tensor(self._ends(model), device=written.device)
        return written.masked_fill(torch.isin(written, ends).cumsum(1) > 0, -100)

    def decoding(self, model: Any) -> GenerationConfig:
        """How the model answers when it is used."""
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=self.new_tokens,
            do_sample=False,
            eos_token_id=self._ends(model),
            pad_token_id=self.tokenizer.pad_token_id,
            bos_token_id=self.tokenizer.bos_token_id,
        )

    def _ends(self, model: Any) -> list[int]:
        """The tokens that end an answer: the tokeniser's, and those that the model's files name."""
        stated = model.generation_config.eos_token_id
        stated = [stated] if isinstance(stated, int) else stated or []
        return sorted({self.tokenizer.eos_token_id, *stated} - {None})

    def texts(self, answers: Any) -> list[str]:
        """Answers [rows, …] as texts."""
        rows = [[int(token) for token in row if token >= 0] for row in answers]
        return self.tokenizer.batch_decode(rows, skip_special_tokens=True)

    def present(self, outputs: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"answer": text} for text in self.texts(outputs["answer"])]

    def save(self, model: torch.nn.Module, folder: Any) -> None:
        model.generation_config = self.decoding(model)
        super().save(model, folder)


def predict_schema() -> pa.Schema:
    """The rows of prompts that are to be answered."""
    import pyarrow as pa

    return pa.schema([("_id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("length", pa.int32())])
