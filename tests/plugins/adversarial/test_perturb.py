"""Training on texts that attacks have changed."""

from __future__ import annotations

import shutil

import pytest
import torch

from ladle.errors import RecipeError

SWAPS = {"use": "word-swaps", "share": 1.0, "changed": 1.0}


def tokens(batch: dict) -> list[tuple[int, ...]]:
    """The tokens of each row, without padding."""
    mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"]))
    return [tuple(ids[: int(own.sum())].tolist()) for ids, own in zip(batch["input_ids"], mask, strict=True)]


def rows_of(batches: list[dict]) -> list[tuple[int, ...]]:
    return [row for batch in batches for row in tokens(batch)]


def test_a_share_of_the_rows_is_replaced_anew_in_every_epoch(stage, train, watching):
    watch = ("watching", {})
    train(stage(watch, epochs=1, batch_size=40))
    plain = rows_of(watching.batches)
    watching.batches.clear()
    train(stage(("perturb", {"attacks": [SWAPS], "share": 0.5}), watch, epochs=6, batch_size=40))
    seen = [rows_of([batch]) for batch in watching.batches]
    assert all(sorted(map(sorted, rows)) == sorted(map(sorted, plain)) for rows in seen)  # the words are the same
    shares = [sum(row not in set(plain) for row in rows) / 40 for rows in seen]
    assert 0.35 < sum(shares) / 6 < 0.65
    assert len({tuple(sorted(rows)) for rows in seen}) == 6


def test_changed_rows_keep_their_labels_and_come_as_the_tokeniser_makes_them(stage, train, watching):
    """Deletion leaves the word out that tells the classes apart; what is left is tokenised as any text."""
    deletion = {
        "use": "word-deletion",
        "share": 1.0,
        "changed": 1.0,
        "min_letters": 3,
        "protect": ["film", "very", "the", "day"],
    }
    train(stage(("perturb", {"attacks": [deletion], "share": 1.0}), ("watching", {}), epochs=1))
    rows = rows_of(watching.batches)
    assert len(rows) == 40
    kept = {2: "[CLS]", 3: "[SEP]", 4: "a", 5: "the", 6: "film", 7: "is", 15: "very", 18: "of", 19: "day"}
    assert all(set(row) <= set(kept) and row[0] == 2 and row[-1] == 3 for row in rows)
    labels = torch.cat([batch["labels"] for batch in watching.batches])
    assert sorted(labels.tolist()) == [0] * 20 + [1] * 20


def test_changed_rows_can_come_beside_the_others(stage, train, watching):
    train(stage(("perturb", {"attacks": [SWAPS], "share": 1.0, "add": True}), ("watching", {}), epochs=1))
    for batch in watching.batches:
        assert len(batch["input_ids"]) == 16
        assert (batch["counts"]["rows"], batch["counts"]["labels"]) == (16, 16)
        assert torch.equal(batch["labels"][:8], batch["labels"][8:])
        own, added = tokens(batch)[:8], tokens(batch)[8:]
        assert [sorted(row) for row in own] == [sorted(row) for row in added]
        assert own != added


def test_each_row_is_changed_by_one_of_several_attacks(stage, train, watching):
    """One leaves a single word between the tokens around a text, the other takes none away."""
    deletion = {"use": "word-deletion", "share": 1.0, "changed": 1.0, "min_letters": 1}
    swaps = SWAPS | {"share": 0.01}
    train(stage(("perturb", {"attacks": [swaps, deletion], "share": 1.0}), ("watching", {}), epochs=4))
    lengths = [len(row) for row in rows_of(watching.batches)]
    assert 0.3 < sum(length == 3 for length in lengths) / len(lengths) < 0.7


def test_synonyms_are_found_in_the_model_as_it_starts(stage, train, watching):
    """In a random model no two words are near unless nearly every cosine will do."""
    for cosine, is_changed in ((0.99, False), (0.01, True)):
        attack = {"use": "synonyms", "cosine": cosine, "share": 1.0}
        train(stage(("perturb", {"attacks": [attack], "share": 1.0}), ("watching", {}), epochs=1, batch_size=40))
        seen = rows_of(watching.batches[-1:])
        words = {word for row in seen for word in row}
        assert (words <= {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 18, 19}) is not is_changed


def test_evaluation_sees_the_texts_as_they_are(stage, train):
    still = {"learning_rate": 1e-12, "epochs": 2}
    deletion = {"use": "word-deletion", "share": 1.0, "changed": 1.0, "min_letters": 1}
    plain = train(stage(**still))
    changed = train(stage(("perturb", {"attacks": [deletion], "share": 1.0}), **still))
    assert changed.metrics["test"] == plain.metrics["test"]


def test_a_training_that_goes_on_ends_with_the_same_weights(stage, train, tmp_path):
    note = tmp_path / "stopped"
    attacks = [SWAPS, {"use": "synonyms", "cosine": 0.01, "share": 1.0}]
    recipe = stage(("perturb", {"attacks": attacks}), ("interrupted", {"after": 7, "note": str(note)}), epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train(recipe)
    resumed = train(recipe).weights()
    shutil.rmtree(tmp_path / "runs")
    whole = train(recipe).weights()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_an_attack_of_another_strength_is_another_training(stage, train):
    keys = [
        train(stage(("perturb", {"attacks": [SWAPS | {"share": share}]}), epochs=0)).run.lock["stages"][-1]["key"]
        for share in (0.5, 1.0)
    ]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": []}, "attacks"),
        ({}, "attacks"),
        ({"attacks": ["typo"]}, "unknown attack `typo`"),
        ({"attacks": [{"use": "typos", "share": 2}]}, "2 is out of range"),
    ],
)
def test_wrong_attacks_are_told(options, message, read, stage):
    with pytest.raises(RecipeError, match=message):
        read(stage(("perturb", options)))


def test_a_trainer_without_texts_is_refused(read, stage):
    with pytest.raises(RecipeError, match="`perturb` needs texts, tokens, which `own-loss` does not offer"):
        read(stage(("perturb", {"attacks": ["typos"]}), use="own-loss", head=None))
