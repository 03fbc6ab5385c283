"""Tuning on conversations, from the recipe to the answers of the saved model."""

from __future__ import annotations

import json

import pytest

from ladle.errors import RecipeError, StageError


def tune(folder, *options: str, technique: str = "", template: str | None = "chatml", name: str = "tuned") -> str:
    """A train stage on the model in a folder."""
    start = f'model = {{ pretrained = "{folder}" }}' if folder else ""
    lines = [
        "[[train]]",
        'use = "instruction-tuning"',
        f'name = "{name}"',
        'data = "rows"',
        start,
        'device = "cpu"',
        f'template = "{template}"' if template else "",
        *options,
    ]
    return "\n".join(lines) + f"\n{technique}\n"


ONE_STEP = (
    "epochs = 1",
    "generated_rows = 0",
    'schedule = "constant"',
    "warmup = 0.0",
    "weight_decay = 0.0",
    "clip = 0.0",
    "learning_rate = 0.5",
    'arguments = { optim = "sgd" }',
)
BRIEFLY = ("epochs = 2", "learning_rate = 1e-2", "max_new_tokens = 8")
LEARNING = ("epochs = 20", "learning_rate = 1e-2", "batch_size = 16", "max_new_tokens = 8")


def as_messages(row):
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["answer"]}]


def held_out(rows, split="test"):
    return [row for row in rows if row["split"] == split]


def answered(folder, conversations):
    """What plain transformers answers, each conversation alone, with what is in the folder and nothing else."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    texts = []
    for messages in conversations:
        asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
        written = model.generate(**asked)[0, asked["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(written, skip_special_tokens=True))
    return texts


def test_a_model_learns_to_answer_and_shows_answers_to_read(language_model, words, train):
    trained = train(words, tune(language_model(), *LEARNING, "generated_rows = 20"))
    test, baseline = trained.metrics["test"], trained.metrics["baseline"]
    assert test["exact_match"] > 0.9 > 0.4 > baseline["exact_match"]
    assert test["token_accuracy"] > 0.9 > baseline["token_accuracy"]
    assert test["perplexity"] < 1.5 < 4 < baseline["perplexity"]
    shown = trained.details["tables"]["answers"]
    assert len(shown) == test["generated_rows"] == 20
    wanted = {row["prompt"]: row["answer"] for row in words}
    assert all(wanted[row["prompt"]] == row["wanted"] for row in shown)
    assert test["exact_match"] == sum(row["given"] == row["wanted"] for row in shown) / 20
    low, high = trained.metrics["intervals"]["test"]["exact_match"]
    assert 0.7 < low < test["exact_match"] <= high <= 1
    assert "<h3>answers</h3>" in (trained.run.folder / "report.html").read_text()
    said = trained.predict([{"prompt": row["prompt"]} for row in shown])
    assert [each["answer"] for each in said] == [row["given"] for row in shown]


@pytest.mark.parametrize(("kind", "template"), [("llama", "chatml"), ("gpt2", "plain"), ("llama", "instruction")])
def test_plain_transformers_answers_what_is_predicted(kind, template, language_model, words, train):
    """They answer one by one, without padding; rows that are predicted together stand beside longer ones."""
    trained = train(words, tune(language_model(kind), *BRIEFLY[1:], "epochs = 4", template=template))
    prompts = [*(row["prompt"] for row in held_out(words)[:6]), "old new big small", "red"]
    said = [each["answer"] for each in trained.predict([{"prompt": prompt} for prompt in prompts])]
    assert said == answered(trained.model, [[{"role": "user", "content": prompt}] for prompt in prompts])
    assert any(said)


def test_the_saved_model_stops_at_the_end_of_answers_and_knows_its_template(language_model, words, train, tokenizer_of):
    trained = train(words, tune(language_model(), "epochs = 0", "max_new_tokens = 9", "temperature = 0.5"))
    known = json.loads((trained.model / "tokenizer.json").read_text())["added_tokens"]
    numbers = {token["content"]: token["id"] for token in known}
    settings = json.loads((trained.model / "generation_config.json").read_text())
    assert settings["eos_token_id"] == [numbers["<|endoftext|>"], numbers["<|im_end|>"]]
    assert (settings["max_new_tokens"], settings["do_sample"], settings["temperature"]) == (9, True, 0.5)
    assert "<|im_start|>" in (trained.model / "chat_template.jinja").read_text()


def test_new_tokens_begin_as_the_mean_of_all_others_and_are_told(language_model, words, train):
    import torch
    from safetensors.torch import load_file

    before = load_file(language_model() / "model.safetensors")
    trained = train(words, tune(language_model(), "epochs = 0"))
    assert trained.notes == {"tokens that are new to the model": "<|im_start|>, <|im_end|>"}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        old, new = before[name], trained.weights()[name]
        assert len(new) == len(old) + 2
        assert torch.equal(new[: len(old)], old)
        torch.testing.assert_close(new[len(old) :], old.mean(0).expand(2, -1))


def test_metrics_are_those_of_transformers_own_loss(language_model, chatml, words, train):
    import math

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = language_model("llama", "chat", chatml)
    trained = train(words, tune(folder, "epochs = 1", "learning_rate = 1e-3", template=None))
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    model = AutoModelForCausalLM.from_pretrained(trained.model).eval()
    losses, right = [], []
    for row in held_out(words):
        whole = tokenizer.apply_chat_template(as_messages(row)).input_ids
        prompt = tokenizer.apply_chat_template(as_messages(row)[:1], add_generation_prompt=True).input_ids
        with torch.inference_mode():
            logits = model(torch.tensor([whole])).logits[0]
        places = torch.arange(len(prompt), len(whole) - 1)  # the new line at the end is no part of the answer
        wanted = torch.tensor(whole)[places]
        losses += torch.nn.functional.cross_entropy(logits[places - 1], wanted, reduction="none").tolist()
        right += (logits[places - 1].argmax(-1) == wanted).tolist()
    found, loss = trained.metrics["test"], sum(losses) / len(losses)
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert found["token_accuracy"] == pytest.approx(sum(right) / len(right))
    assert found["rows"] == len(held_out(words))


def test_answers_are_generated_after_an_epoch_only_if_it_is_chosen_by_them(language_model, words, train):
    options = ("epochs = 2", "learning_rate = 1e-2", "max_new_tokens = 4")
    by_loss = train(words, tune(language_model(), *options)).file("history.json")
    assert any("eval_perplexity" in entry for entry in by_loss)
    assert not any("eval_exact_match" in entry for entry in by_loss)
    trained = train(words, tune(language_model(), *options, 'choose_by = "exact_match"'))
    found = [entry["eval_exact_match"] for entry in trained.file("history.json") if "eval_exact_match" in entry]
    assert trained.metrics["validation"]["exact_match"] == max(found)


def test_no_answer_need_be_generated_to_measure(language_model, words, train):
    trained = train(words, tune(language_model(), "epochs = 0", "generated_rows = 0"))
    assert set(trained.metrics["test"]) == {"perplexity", "token_accuracy", "loss", "rows"}
    assert trained.details["tables"] == {}
    assert trained.predict([{"prompt": "red"}])[0].keys() == {"answer"}


def test_no_epoch_measures_the_model_as_it_stands_and_a_later_stage_goes_on(language_model, words, train):
    import torch

    first = tune(language_model(), *BRIEFLY)
    again = tune(None, 'model = { stage = "tuned" }', "epochs = 0", "max_new_tokens = 8", template=None, name="again")
    trained = train(words, first + again)
    metrics = trained.run.outcome["metrics"]
    assert metrics["again"]["test"] == metrics["tuned"]["test"]
    assert trained.notes == {}
    from safetensors.torch import load_file

    before = load_file(trained.run.model("tuned") / "model.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in trained.weights().items())


def test_a_model_from_scratch_can_be_tuned(words, train):
    model = 'model = { scratch = "llama", size = "tiny", vocabulary = 300, length = 64 }'
    trained = train(words, tune(None, model, *BRIEFLY, template="plain"))
    assert trained.metrics["test"]["perplexity"] < trained.metrics["baseline"]["perplexity"]


# Rows


def test_messages_texts_of_them_and_columns_are_learnt_from_alike(language_model, words, train):
    import torch

    options = ("epochs = 1", "learning_rate = 1e-3", "generated_rows = 4", "max_new_tokens = 4")
    as_columns = train(words, tune(language_model(), *options))
    chats = [{"chat": as_messages(row), "split": row["split"]} for row in words]
    as_lists = train(chats, tune(language_model(), *options, 'messages = "chat"'))
    texts = [row | {"chat": json.dumps(row["chat"])} for row in chats]
    as_texts = train(texts, tune(language_model(), *options, 'messages = "chat"'))
    for other in (as_lists, as_texts):
        assert other.metrics["test"] == as_columns.metrics["test"]
        assert all(torch.equal(value, other.weights()[name]) for name, value in as_columns.weights().items())


def test_a_system_message_stands_before_the_prompt_where_there_is_one(language_model, words, train):
    for number, row in enumerate(words):
        row["about"] = "be brief" if number % 2 else None
    options = ("epochs = 0", "generated_rows = 4", "max_new_tokens = 4")
    as_columns = train(words, tune(language_model(), *options, 'system = "about"'))
    chats = [
        {
            "chat": ([{"role": "system", "content": row["about"]}] if row["about"] else []) + as_messages(row),
            "split": row["split"],
        }
        for row in words
    ]
    as_lists = train(chats, tune(language_model(), *options, 'messages = "chat"'))
    assert as_lists.metrics["test"] == as_columns.metrics["test"]


def test_texts_messages_and_rows_can_be_answered(language_model, words, train):
    from ladle.prediction import Predictor

    chats = [{"chat": as_messages(row), "split": row["split"]} for row in words]
    trained = train(chats, tune(language_model(), *BRIEFLY, 'messages = "chat"'))
    predictor = Predictor(trained.run)
    asked = [{"role": "user", "content": "old red"}]
    of_text = predictor(predictor.rows_of_texts(["old red", "[1, 2]"]))
    of_json = predictor([{"chat": json.dumps(asked)}])
    of_lists = predictor([{"chat": asked}, {"chat": [*asked, {"role": "assistant", "content": "wrong"}]}])
    assert of_text[0] == of_json[0] == of_lists[0] == of_lists[1]
    assert of_text[1].keys() == {"answer"}
    unreadable = {"chat": [{"from": "human", "value": "red"}]}
    assert predictor([unreadable])[0].keys() == {"error"}


def test_a_row_without_a_prompt_is_answered_as_an_empty_one(language_model, words, train):
    trained = train(words, tune(language_model(), "epochs = 0", "max_new_tokens = 4"))
    missing, empty = trained.predict([{"prompt": None}, {"prompt": ""}])
    assert missing == empty


def test_rows_that_cannot_be_learnt_from_are_counted(language_model, words, train):
    words[0]["answer"] = None
    words[1]["prompt"] = None
    words[2]["prompt"] = "a long question indeed " * 3
    words[3]["answer"] = "word " * 20
    options = ("epochs = 1", "max_length = 30", "generated_rows = 0")
    assert train(words, tune(language_model("llama"), *options, template="plain")).notes == {
        "train conversations cut after 30 tokens": 1,
        "train rows left out, with no token of an answer among their first 30": 1,
        "train rows left out, without `answer`": 1,
        "train rows left out, without `prompt`": 1,
    }


def test_a_split_without_a_row_to_learn_from_is_refused(language_model, words, train):
    with pytest.raises(StageError, match="no row of the train split can be used: 96 with no token of an answer among"):
        train(words, tune(language_model(), "max_length = 3"))
    with pytest.raises(StageError, match=r"used: 96 with `prompt` that are no list of \{role, content\}") as raised:
        train(words, tune(language_model(), 'messages = "prompt"'))
    assert raised.value.problems[0].span.text == 'messages = "prompt"'


def test_a_long_prompt_is_cut_at_its_beginning(language_model, words, train):
    trained = train(words, tune(language_model(), *BRIEFLY))
    long, other = trained.predict([{"prompt": "small " * 80 + "old red"}, {"prompt": "big " * 90 + "old red"}])
    assert long.keys() == other.keys() == {"answer"}
    for row in held_out(words)[:3]:
        row["prompt"] = "small " * 20 + row["prompt"]
    notes = train(words, tune(language_model(), "epochs = 0", "max_new_tokens = 30")).notes
    assert notes["test conversations of whose prompt only the last 34 tokens are read"] == 3


# What a recipe gets wrong


@pytest.mark.parametrize(
    ("template", "message", "help"),
    [
        ("chatlm", "no chat template is called `chatlm`", "did you mean `chatml`?"),
        ("{{ messages[0]['content'] }", "the template is no Jinja: ", ""),
        ("{% if messages %}", "the template is no Jinja: Unexpected end of template", ""),
    ],
)
def test_a_template_that_is_none_is_told_by_the_check(template, message, help, language_model, words, train):
    with pytest.raises(RecipeError) as raised:
        train(words, tune(language_model(), template=template))
    [problem] = raised.value.problems
    assert problem.message.startswith(message)
    assert help in problem.help
    assert problem.span.text == f'template = "{template}"'


def test_a_model_without_a_template_is_doubted_by_the_check_and_refused(language_model, chatml, words, train):
    from ladle import Sample
    from ladle_supervised.chat.instruct import InstructionTuning

    def doubts(folder):
        start = {"pretrained": str(folder)}
        return [
            str(each) for each in InstructionTuning.model_validate({"data": "rows", "model": start}).doubts(Sample())
        ]

    assert doubts(language_model("llama", "chat", chatml)) == []
    assert doubts(language_model()) == [
        "the model has no chat template: nothing says how a conversation becomes one text"
    ]
    with pytest.raises(StageError, match="the model has no chat template") as raised:
        train(words, tune(language_model(), template=None))
    assert raised.value.problems[0].help == 'name one ("chatml", "plain", "instruction"), or write one in Jinja'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (['messages = "prompt"', 'target = "split"'], "`messages` names a column with whole conversations, so that `t"),
        (['choose_by = "exact_match"', "generated_rows = 0"], "the best epoch cannot be chosen by `exact_match` where"),
        (['target = "reply"'], "no column `reply` at this point"),
        (['messages = "chat"'], "no column `chat` at this point"),
    ],
)
def test_options_that_do_not_fit_are_told_by_the_check(options, message, language_model, words, train):
    with pytest.raises(RecipeError) as raised:
        train(words, tune(language_model(), *options))
    assert raised.value.problems[0].message.startswith(message)


def test_more_tokens_than_the_model_has_positions_for_are_refused(language_model, words, train):
    with pytest.raises(StageError, match="reads at most 64 tokens of a text, not 65"):
        train(words, tune(language_model(), "max_length = 65"))


def test_a_model_that_sees_what_comes_is_refused(tokenizer_of, words, train, tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    tokenizer = tokenizer_of("bytes")
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(StageError, match="a `bert` model is no decoder") as raised:
        train(words, tune(tmp_path / "bert"))
    assert raised.value.problems[0].span.text.startswith("model = {")


# Steps


@pytest.fixture
def unequal(words):
    """Eight conversations of very unequal length, one of them with two answers, all to train on."""
    lengths = (1, 9, 2, 6, 1, 4, 3, 7)
    rows = [
        {"chat": as_messages({"prompt": "red " * n, "answer": "old new " * (9 - n)}), "split": "train"} for n in lengths
    ]
    rows[4]["chat"] += as_messages({"prompt": "big", "answer": "small"})
    return rows


CUTS = [(8, 1, ""), (4, 2, ""), (1, 8, ""), (8, 1, "packing = true"), (2, 4, "packing = true")]


@pytest.mark.parametrize(("kind", "cuts"), [("llama", CUTS), ("gpt2", [CUTS[0], CUTS[2], CUTS[4]])])
def test_a_step_is_the_same_however_rows_are_cut_into_batches(kind, cuts, language_model, chatml, unequal, train):
    """Accumulated, padded more or less, or packed into sequences."""
    import torch
    from safetensors.torch import load_file

    folder = language_model(kind, "chat", chatml)
    first, *others = (
        train(
            unequal,
            tune(
                folder,
                *ONE_STEP,
                'messages = "chat"',
                f"batch_size = {size}",
                f"accumulate = {times}",
                more,
                template=None,
            ),
        ).weights()
        for size, times, more in cuts
    )
    start = load_file(folder / "model.safetensors")
    assert set(first) == set(start)
    for name, value in first.items():
        assert (value - start[name]).abs().max() > 1e-4
        for other in others:
            torch.testing.assert_close(other[name], value, atol=2e-6, rtol=1e-4, msg=name)


def test_packed_conversations_take_fewer_sequences(language_model, words, train):
    packed = train(words, tune(language_model(), *BRIEFLY, "packing = true", "batch_size = 4"))
    assert packed.metrics["training"]["steps"] == 2 * 96 / 4 / 2
    assert packed.notes == {"tokens that are new to the model": "<|im_start|>, <|im_end|>"}


def test_logits_are_worked_out_for_what_is_learnt_alone(language_model):
    import torch
    from transformers import AutoModelForCausalLM

    from ladle_supervised.chat.model import answer_losses

    model = AutoModelForCausalLM.from_pretrained(language_model()).eval()
    ids = torch.arange(40).view(2, 20)
    labels = torch.full_like(ids, -100)
    labels[0, 5:8], labels[1, 19] = ids[0, 5:8], ids[1, 19]
    worked = []
    handle = model.lm_head.register_forward_hook(lambda _, inputs, output: worked.append(output.shape[:-1].numel()))
    losses, is_right = answer_losses(model, {"input_ids": ids, "labels": labels})
    handle.remove()
    assert worked == [4]
    assert losses.shape == is_right.shape == (4,)
    logits = model(ids).logits[torch.tensor([0, 0, 0, 1]), torch.tensor([4, 5, 6, 18])]
    wanted = torch.tensor([5, 6, 7, 39])
    torch.testing.assert_close(losses, torch.nn.functional.cross_entropy(logits, wanted, reduction="none"))
    assert torch.equal(is_right, logits.argmax(-1) == wanted)


def test_no_hook_stays_on_a_model_whose_loss_fails(language_model):
    import torch
    from transformers import AutoModelForCausalLM

    from ladle_supervised.chat.model import answer_losses

    model = AutoModelForCausalLM.from_pretrained(language_model())
    ids = torch.tensor([[1, 10**6]])
    with pytest.raises(IndexError):
        answer_losses(model, {"input_ids": ids, "labels": ids})
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(language_model, words, train, tmp_path):
    import torch

    folder, note = language_model("gpt2", "bytes", None, 0.2), tmp_path / "stopped"
    stop = f'[[train.technique]]\nuse = "stopping"\nafter = 7\nnote = "{note}"\n'
    recipe = tune(
        folder,
        "epochs = 2",
        "batch_size = 16",
        "learning_rate = 1e-3",
        "max_new_tokens = 4",
        "temperature = 1.0",
        technique=stop,
    )
    with pytest.raises(KeyboardInterrupt):
        train(words, recipe)
    assert note.exists()
    resumed = train(words, recipe)
    whole = train(words, recipe, runs="others")
    assert all(torch.equal(value, whole.weights()[name]) for name, value in resumed.weights().items())
    assert resumed.metrics["test"] == whole.metrics["test"]


def test_drawn_answers_are_the_same_every_time_and_leave_the_training_alone(language_model, words, train):
    import torch

    folder = language_model("gpt2", "bytes", None, 0.2)
    options = ("epochs = 1", "learning_rate = 1e-3", "max_new_tokens = 6")
    drawn = train(words, tune(folder, *options, "temperature = 2.0", 'choose_by = "exact_match"'))
    plain = train(words, tune(folder, *options, "generated_rows = 0"))
    losses = [[e["loss"] for e in one.file("history.json") if "loss" in e] for one in (drawn, plain)]
    assert losses[0] == losses[1]
    rows = [{"prompt": "red"}, {"prompt": "red"}, {"prompt": "red"}]
    first, again = drawn.predict(rows), drawn.predict(rows)
    assert first == again
    assert len({each["answer"] for each in first}) > 1
    assert not torch.equal(drawn.weights()["transformer.wte.weight"], torch.zeros(1))


# With techniques


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_lower_layers_can_be_kept_and_their_output_reused(kind, language_model, words, train):
    import torch

    folder = language_model(kind)
    options = ("epochs = 1", "learning_rate = 1e-2", "max_new_tokens = 4")
    transfer = '[[train.technique]]\nuse = "transfer"\nfreeze = 1\nreuse = {}\n'
    start = train(words, tune(folder, "epochs = 0")).weights()
    kept, run = (train(words, tune(folder, *options, technique=transfer.format(reuse))) for reuse in ("true", "false"))
    lower = [name for name in start if ".0." in name or "embed" in name or "wte" in name]
    assert lower
    assert all(torch.equal(start[name], kept.weights()[name]) for name in lower)
    for name, value in run.weights().items():
        torch.testing.assert_close(kept.weights()[name], value, atol=1e-4, rtol=1e-3, msg=name)
    assert kept.metrics["test"]["loss"] == pytest.approx(run.metrics["test"]["loss"], abs=1e-4)
    assert kept.metrics["training"]["trainable_parameters"] < kept.metrics["training"]["parameters"]


def test_packing_and_kept_outputs_of_rows_are_refused_together(language_model, words, train):
    transfer = '[[train.technique]]\nuse = "transfer"\nfreeze = 1\n'
    with pytest.raises(RecipeError, match="keeps what layers say of each row by itself"):
        train(words, tune(language_model(), "packing = true", technique=transfer))
    kept = train(words, tune(language_model(), "packing = true", "epochs = 1", technique=f"{transfer}reuse = false\n"))
    assert kept.metrics["test"]["rows"] == 24


def test_tokens_are_worked_out_once(language_model, words, train):
    first = train(words, tune(language_model(), "epochs = 0", "generated_rows = 2", "max_new_tokens = 4"))
    before = set(first.runs.store.root.glob("stages/*/*"))
    options = ("epochs = 0", "learning_rate = 1e-3", "generated_rows = 3", "max_new_tokens = 4")
    second = train(words, tune(language_model(), *options))
    assert len(set(second.runs.store.root.glob("stages/*/*")) - before) == 1  # the model
