"""Learning from rewards."""

from __future__ import annotations

import pytest
import torch

from ladle.errors import RecipeError, StageError

from .conftest import CHAT, share_of_red


def grpo(model, *more, rewards='reward = ["red"]', **options):
    """A train stage of GRPO with small answers."""
    usual = {"group": 4, "batch_size": 8, "max_new_tokens": 6, "learning_rate": 1e-2} | options
    said = "\n".join(f"{name} = {value}" for name, value in usual.items())
    return f'[[train]]\nuse = "grpo"\ndata = "rows"\nmodel = {{ pretrained = "{model}" }}\n{said}\n{rewards}\n' + (
        "\n".join(more)
    )


EXACT = '[[train.reward]]\nuse = "red"\n[[train.reward]]\nuse = "exact-answer"\nweight = 0.5\nname = "exact"\n'


@pytest.fixture
def of_one_step(questions):
    return [row | {"split": "train"} for row in questions[:8]]


def test_answers_become_such_as_are_rewarded(train, saved, questions):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = train(questions, grpo(saved("gpt2", dropout=0.2), rewards=EXACT, epochs=16, beta=0.001))
    rewards = done.curve("reward")
    assert rewards[0] < 0.2
    assert sum(rewards[-5:]) / 5 > 0.6
    assert done.curve("rewards/red/mean") != done.curve("rewards/exact/mean") != []
    kl = done.curve("kl")
    assert abs(kl[0]) < 1e-6
    assert kl[-1] > 0.01

    test, baseline = done.metrics["test"], done.metrics["baseline"]
    assert test["reward"] == pytest.approx(test["reward/red"] + 0.5 * test["reward/exact"])
    assert test["right_answers"] == test["reward/exact"]
    assert test["reward/red"] > 0.9 > 0.5 > baseline["reward/red"]
    assert (test["rows"], set(baseline)) == (8, set(test) - {"rows"})
    low, high = done.metrics["intervals"]["test"]["right_answers"]
    assert 0 <= low <= test["right_answers"] < high <= 1

    shown = done.tables["answers"]
    assert list(shown[0]) == ["prompt", "answer", "reward", "reward/red", "reward/exact"]
    assert [row["prompt"] for row in shown] == [row["prompt"] for row in questions if row["split"] == "test"]
    told = done.events("samples")
    assert 5 < len(told) <= 12
    first, last = told[0]["samples"], told[-1]["samples"]
    assert len({sample["prompt"] for sample in first}) == 1
    assert max(sample["reward"] for sample in first) < min(sample["reward"] for sample in last)
    assert done.tables["answers while it learnt"][0] == {**first[0], "step": 1}

    prompt = questions[4]["prompt"]
    [said] = done.predict([{"prompt": prompt}])
    assert said["answer"] == shown[0]["answer"]
    model = AutoModelForCausalLM.from_pretrained(done.model)
    tokenizer = AutoTokenizer.from_pretrained(done.model)
    written = model.generate(**tokenizer(prompt, return_tensors="pt", return_token_type_ids=False))
    assert tokenizer.decode(written[0, len(tokenizer(prompt).input_ids) :], skip_special_tokens=True) == said["answer"]
    assert model.config.resid_pdrop == 0.2


def gradients(train, recorded, rows, stage, runs):
    recorded.forget()
    train(rows, f'{stage}[[train.technique]]\nuse = "recording"\n', runs=runs)
    return recorded.gradients[0]


def assert_same(one, other, tolerance=1e-6):
    for name, gradient in one.items():
        assert torch.allclose(gradient, other[name], atol=tolerance), name
    assert max(gradient.abs().max() for gradient in one.values()) > 1e-3


def test_a_step_is_the_same_however_it_is_cut(train, saved, recorded, of_one_step):
    whole, halves, single = (
        gradients(train, recorded, of_one_step, grpo(saved(), batch_size=size, accumulate=8 // size), f"cut-{size}")
        for size in (8, 4, 1)
    )
    assert_same(whole, halves)
    assert_same(whole, single)
    padded = grpo(saved(), batch_size=4, accumulate=2, arguments="{ pad_to_multiple_of = 16 }")
    assert_same(whole, gradients(train, recorded, of_one_step, padded, "padded"))
    assert recorded.batches[0]["input_ids"].shape[1] == 32


def test_the_loss_is_the_formula(train, saved, recorded, of_one_step):
    """GRPO as Shao et al. (2024) have it, with answers that are used twice, so that ratios are not 1."""
    options = {"loss_type": '"grpo"', "beta": 0.1, "iterations": 2, "scale": '"none"', "warmup": 0.0, "epsilon": 0.01}
    train(of_one_step, grpo(saved(), '[[train.technique]]\nuse = "checking"\n', **options))
    assert len(recorded.batches) == 2
    for seen, terms in zip(recorded.batches, recorded.terms, strict=True):
        answers, mask = seen["completion_ids"], seen["completion_mask"]
        now, reference = seen["now"], seen["reference"]
        old = seen.get("old_per_token_logps", now)
        ratio, advantages = (now - old).exp(), seen["advantages"][:, None]
        gain = torch.minimum(ratio * advantages, ratio.clamp(0.99, 1.01) * advantages)
        kl = ((reference - now).exp() - (reference - now) - 1) * ratio
        loss = (((-gain + 0.1 * kl) * mask).sum(1) / mask.sum(1)).mean()
        assert terms["policy"].item() == pytest.approx(loss.item(), abs=1e-5)
        assert answers.shape == now.shape
    assert not torch.allclose(recorded.batches[1]["now"], recorded.batches[1]["old_per_token_logps"], atol=1e-3)
    words = recorded.tokenizer.batch_decode(recorded.batches[0]["completion_ids"], skip_special_tokens=True)
    scores = torch.tensor(share_of_red(None, words, None))
    assert sorted(recorded.batches[0]["advantages"].tolist()) != [0.0] * 32
    assert recorded.batches[0]["advantages"].sum().abs() < 1e-5
    assert scores.max() > 0


def test_a_training_that_goes_on_ends_with_the_same_weights(train, saved, questions, tmp_path):
    stage = grpo(saved(), epochs=3, accumulate=2, batch_size=4)
    whole = train(questions, stage, runs="whole")
    note = tmp_path / "note"
    stops = f'{stage}[[train.technique]]\nuse = "stopping"\nafter = 9\nnote = "{note}"\n'
    with pytest.raises(KeyboardInterrupt):
        train(questions, stops, runs="stopped")
    resumed = train(questions, stops, runs="stopped")
    assert resumed.events("training-resumed")
    for name, weights in whole.weights().items():
        assert torch.equal(weights, resumed.weights()[name]), name
    assert resumed.tables["answers while it learnt"] == whole.tables["answers while it learnt"]


def test_conversations_and_what_is_left_out(train, saved, recorded, questions):
    rows = [row | {"prompt": [{"role": "user", "content": row["prompt"]}]} for row in questions]
    rows[0]["prompt"][0]["content"] = "say " * 60
    rows[1]["prompt"] += [{"role": "assistant", "content": "red"}]
    stage = grpo(saved("llama", CHAT), system_text='"good ."', measured_rows=3)
    done = train(rows, f'{stage}[[train.technique]]\nuse = "recording"\n')
    tokenizer = recorded.tokenizer
    batch = recorded.batches[0]
    said = {tokenizer.decode(ids, skip_special_tokens=True) for ids in batch["prompt_ids"]}
    shown = {f"system : good . . user : {row['prompt'][0]['content']} . assistant :" for row in questions_of(rows)}
    assert said <= {tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) for text in shown}
    assert done.metrics["test"]["rows"] == 3
    assert done.notes == {
        "train rows left out, with prompts of more than 58 tokens": 1,
        "validation rows that are not measured": 5,
        "test rows that are not measured": 5,
    }
    assert done.tables["answers"][0]["prompt"] in {row["prompt"][0]["content"] for row in rows}
    assert (done.model / "chat_template.jinja").read_text() == CHAT


def questions_of(rows):
    return [row for row in rows if row["split"] == "train" and len(row["prompt"][0]["content"]) < 100]


def test_a_batch_need_not_be_whole_where_all_are_counted_together(train, saved, recorded, of_one_step):
    """`bnpo` averages over the tokens of each batch, as its description says; the others do not."""
    for kind in ("bnpo", "grpo", "dr_grpo"):
        whole, single = (
            gradients(
                train,
                recorded,
                of_one_step,
                grpo(saved(), batch_size=size, accumulate=8 // size, loss_type=f'"{kind}"'),
                f"{kind}-{size}",
            )
            for size in (8, 1)
        )
        if kind == "bnpo":
            with pytest.raises(AssertionError):
                assert_same(whole, single)
        else:
            assert_same(whole, single)


def test_all_rows_of_a_small_data_set_are_answered_with_all_their_columns(train, saved, recorded, questions):
    more = {"n": 3, "x": 0.5, "flag": True, "none": None, "words": ["a", "b"], "record": {"name": "me", "ages": [1]}}
    rows = [row | more for row in questions[:3]]
    done = train(rows, grpo(saved(), '[[train.technique]]\nuse = "recording"\n', epochs=2))
    assert len(recorded.gradients) == 2
    assert len({tuple(ids.tolist()) for ids in recorded.batches[0]["prompt_ids"]}) == 3
    assert "test" not in done.metrics
    assert all(row in rows for row in recorded.rows)


def test_techniques_that_move_embeddings_or_fix_layers(train, saved, recorded, of_one_step):
    moving, recording = '[[train.technique]]\nuse = "moving"\n', '[[train.technique]]\nuse = "recording"\n'
    fixed = '[[train.technique]]\nuse = "transfer"\nfreeze = 1\nreuse = false\n'
    train(of_one_step, grpo(saved(), recording, moving, fixed, beta=0.1, epochs=2))
    assert set(recorded.terms[0]) == {"policy"}
    assert len(recorded.batches) == 4  # each batch is seen as it is, and moved
    assert not torch.equal(recorded.terms[1]["policy"], recorded.terms[0]["policy"])
    learnt = {name for name, parameter in recorded.model.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith(("model.embed_tokens", "model.layers.0")) for name in learnt)
    assert any(name.startswith("model.layers.1") for name in learnt)


def test_no_hook_is_left_when_a_loss_fails(train, saved, recorded, of_one_step):
    recording = '[[train.technique]]\nuse = "recording"\n'
    with pytest.raises(StageError, match="told to fail"):
        train(of_one_step, grpo(saved(), recording, '[[train.technique]]\nuse = "moving"\nfails = true\n'))
    assert not recorded.model.get_input_embeddings()._forward_hooks


def test_a_curriculum_keeps_groups_whole(train, saved, recorded, questions):
    easy_first = '[[train.technique]]\nuse = "curriculum"\nschedule = "sorted"\n' \
        'difficulty = { use = "length", column = "prompt" }\n'  # fmt: skip
    train(questions, grpo(saved(), '[[train.technique]]\nuse = "recording"\n', easy_first))
    lengths = [batch["prompt_mask"].sum(1).float().mean() for batch in recorded.batches]
    assert len(lengths) == 3
    assert lengths == sorted(lengths)
    for batch in recorded.batches:
        _, counts = torch.unique(batch["prompt_ids"], dim=0, return_counts=True)
        assert set((counts % 4).tolist()) == {0}


@pytest.mark.parametrize(
    ("options", "technique", "told"),
    [
        ({"arguments": "{ num_generations = 4 }"}, "", "`num_generations` is an option of this trainer: `group`"),
        ({"arguments": "{ shuffle_dataset = false }"}, "", "`shuffle_dataset` is decided by this trainer"),
        ({"group": 1}, "", "1 is out of range: expected at least 2"),
        ({"reward": "[]", "rewards": ""}, "", "reward = []"),
        ({}, "by-item", "`by-item` needs items, which `grpo` does not offer"),
    ],
)
def test_what_cannot_work_is_told_when_a_recipe_is_checked(read, saved, questions, options, technique, told):
    technique = f'[[train.technique]]\nuse = "{technique}"\n' if technique else ""
    with pytest.raises(RecipeError) as error:
        read(questions, grpo(saved(), technique, **options))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_new_tokens": 64}, "the model reads at most 64 tokens, and shall write 64"),
        ({"max_prompt_length": 1}, "no row of the train split can be used: 24 with prompts of more than 1 tokens"),
        ({"arguments": "{ epsilom = 1 }"}, "unexpected keyword argument 'epsilom'"),
        ({"chat": "true"}, "the model has no chat template"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_step(train, saved, questions, options, told):
    with pytest.raises(StageError) as error:
        train(questions, grpo(saved(), **options))
    assert told in str(error.value)
    assert "--debug" not in str(error.value)


def test_states_cannot_be_kept_of_texts_that_the_model_is_yet_to_write(train, saved, questions):
    technique = '[[train.technique]]\nuse = "transfer"\nfreeze = 1\n'
    with pytest.raises(RecipeError, match="does not tell which tokens a row has"):
        train(questions, grpo(saved(), technique))


def test_a_model_that_writes_nothing_is_refused(train, saved, questions):
    with pytest.raises(StageError, match="a `bert` model is no decoder"):
        train(questions, grpo(saved("bert")))


def test_another_machine_would_be_told_if_it_were_not_switched_off(connections, saved):
    """What the fixture `connections` asserts after each test would be seen."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _telemetry, send_telemetry

    import ladle_reinforcement.loops  # noqa: F401

    send_telemetry("trl/GRPOTrainer", library_name="trl")
    assert constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = False
    try:
        send_telemetry("trl/GRPOTrainer", library_name="trl")
        _telemetry._TELEMETRY_QUEUE.join()
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = True
    assert connections
    connections.clear()
