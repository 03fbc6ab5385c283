"""Models from scratch: a tokeniser of the recipe's own texts, and weights that the seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from ladle import DataSource, Trainer
from ladle.errors import RecipeError, StageError
from ladle.recipe import load
from ladle.registry import About, Offer, Plugin, Registry
from ladle.runner import run
from ladle.runs import Runs
from ladle.training import Measured

TEXTS = ["the cat sat on the mat", "a dog ran after the cat", "naïve Straße 東京 🙂", "cats and dogs, dogs and cats"]


class Given(DataSource):
    """The texts above, in one of the forms that texts come in; the last is for testing."""

    form: str = "text"

    def read(self) -> Any:
        for number, text in enumerate([*TEXTS, "zzzz qqqq zzzz qqqq"]):
            value = {"text": text, "words": text.split(), "messages": [{"role": "user", "content": text}]}[self.form]
            yield {"text": value, "part": "train" if number < len(TEXTS) else "test"}

    def peek(self) -> dict[str, Any]:
        return {"text": "text" if self.form == "text" else "list", "part": "text"}


class AsItIs(Trainer):
    """Loads what it starts from, and keeps it."""

    column: str = "text"
    epochs: float = 0

    def model(self) -> torch.nn.Module:
        return transformers.AutoModel.from_pretrained(self.setting.start)

    def batch(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"rows": torch.ones(len(rows))}

    def outputs(self, model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        return batch

    def measure(self, outputs: dict[str, Any], dataset: Any) -> Measured:
        return Measured({"loss": 0.0, "rows": len(dataset)})

    def save(self, model: torch.nn.Module, folder: Path) -> None:
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(self.setting.start).save_pretrained(folder)


@pytest.fixture
def registry() -> Registry:
    plugin = Plugin(About("ladle", "0"))
    return Registry([plugin], [Offer("given", "source", plugin, Given), Offer("as-it-is", "trainer", plugin, AsItIs)])


@pytest.fixture
def start(tmp_path, registry):
    """Run a recipe with a model from scratch; the folder of its model."""

    def start(model: str, form: str = "text", seed: int = 0) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(
            f"""
            seed = {seed}
            [data.t]
            source = {{ use = "given", form = "{form}" }}
            split = {{ column = "part" }}
            [[train]]
            use = "as-it-is"
            name = "model"
            data = "t"
            device = "cpu"
            model = {{ {model} }}
            """
        )
        return run(load(path, registry)[0], Runs(tmp_path / "runs")).model("model")

    return start


def _loaded(folder: Path) -> tuple[Any, Any]:
    return transformers.AutoModel.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("architecture", "ends"),
    [
        ("bert", ("[CLS]", "[SEP]")),
        ("distilbert", ("[CLS]", "[SEP]")),
        ("roberta", ("<s>", "</s>")),
        ("modernbert", ("<s>", "</s>")),
        ("gpt2", ("<s>", None)),
        ("llama", ("<s>", None)),
        ("qwen3", ("<s>", None)),
        ("t5", (None, "</s>")),
        ("bart", (None, "</s>")),
        ("marian", (None, "</s>")),
    ],
)
def test_architectures(start, architecture, ends):
    model, tokenizer = _loaded(start(f'scratch = "{architecture}", size = "tiny", vocabulary = 400, length = 32'))
    config = model.config
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == (architecture, 64, 2)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer) == config.vocab_size <= 400
    assert tokenizer.model_max_length == 32
    ids = tokenizer("the cat")["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    first, last = ends
    assert first is None or tokens[0] == first
    assert last is None or tokens[-1] == last
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "the cat"
    special = {tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id or tokenizer.sep_token_id}
    assert len(special - {None}) == 3  # no two of them are one token
    assert config.pad_token_id == tokenizer.pad_token_id
    long = torch.full((1, 32), tokenizer.convert_tokens_to_ids(tokens[1]))
    inputs = {"decoder_input_ids": long} if config.is_encoder_decoder else {}
    with torch.no_grad():
        assert model.eval()(input_ids=long, **inputs).last_hidden_state.isfinite().all()


def test_the_decoder_of_a_pair_begins_and_ends_as_the_tokeniser_says(start):
    model, tokenizer = _loaded(start('scratch = "bart", size = "tiny", vocabulary = 400, length = 32'))
    assert model.config.decoder_start_token_id == tokenizer.pad_token_id
    assert len(model.decoder.layers) == 2


@pytest.mark.parametrize("architecture", ["marian", "bart", "bert"])
def test_tokens_are_heard_beside_their_positions(start, architecture):
    model, _ = _loaded(start(f'scratch = "{architecture}", size = "tiny", vocabulary = 400, length = 32'))
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        one, other = (encoder.eval()(torch.full((1, 8), token)).last_hidden_state for token in (20, 30))
    assert (one - other).norm() > 0.5 * one.norm()


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "bytes"])
def test_kinds_of_tokenisers(start, kind):
    _, tokenizer = _loaded(start(f'scratch = "bert", size = "tiny", tokenizer = "{kind}", vocabulary = 400'))
    ids = tokenizer(TEXTS[2])["input_ids"]
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    assert decoded.replace(" ", "") == TEXTS[2].replace(" ", "")  # all of its letters were seen
    assert len(tokenizer) <= 400
    if kind == "bytes":
        assert len(ids) == len(TEXTS[2].encode()) + 2


def test_the_seed_decides_the_weights_and_nothing_else(start):
    choice = 'scratch = "llama", size = "tiny", vocabulary = 400'
    one, again, other = (_loaded(start(choice, seed=seed)) for seed in (1, 1, 2))
    weights = [model.state_dict()["layers.0.mlp.up_proj.weight"] for model, _ in (one, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one[1].get_vocab() == other[1].get_vocab()


@pytest.mark.parametrize("form", ["text", "words", "messages"])
def test_the_tokeniser_learns_from_the_train_split_alone_however_texts_are_kept(start, form):
    _, tokenizer = _loaded(start('scratch = "gpt2", size = "tiny", vocabulary = 300', form))
    tokens = set(tokenizer.get_vocab())
    assert "Ġthe" in tokens
    assert not any("zz" in token or "qq" in token for token in tokens)


def test_settings_of_the_architecture(start):
    model, _ = _loaded(start('scratch = "bert", size = "tiny", vocabulary = 400, config = { num_hidden_layers = 3 }'))
    assert len(model.encoder.layer) == 3


@pytest.mark.parametrize(
    ("model", "message", "help", "at"),
    [
        ('scratch = "lama"', "transformers has no architecture `lama`", "did you mean `llama`?", '"lama"'),
        (
            'scratch = "bert", config = { hidden_sise = 3 }',
            "`bert` has no setting `hidden_sise`",
            "did you mean `hidden_size`?",
            "3",
        ),
        ('pretrained = "x/y", size = "tiny"', "`size` belongs to a model from scratch", "", '"tiny"'),
        (
            'scratch = "bert", stage = "a"',
            "a model starts from exactly one of `pretrained`, `stage` and `scratch`",
            'write model = { pretrained = "…" }, { stage = "…" } or { scratch = "…" }',
            '{ scratch = "bert", stage = "a" }',
        ),
    ],
)
def test_what_cannot_be_is_told_at_its_place(start, model, message, help, at):
    with pytest.raises(RecipeError) as caught:
        start(model)
    [problem] = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert (problem.message, problem.help) == (message, help)
    assert problem.span.text[problem.span.column - 1 :][: problem.span.length] == at


def test_an_architecture_that_refuses_its_settings(start):
    with pytest.raises(StageError, match="`llama` cannot be made: ") as caught:
        start('scratch = "llama", config = { hidden_size = 65 }')
    assert caught.value.problems[0].span.text.strip().startswith("model = ")
