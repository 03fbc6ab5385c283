from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ladle.errors import RecipeError, StageError

CLASSIFY = '[[train]]\nuse = "tabular-classification"\nname = "net"\ndata = "rows"\ndevice = "cpu"\n'
REGRESS = '[[train]]\nuse = "tabular-regression"\nname = "net"\ndata = "rows"\ntarget = "price"\ndevice = "cpu"\n'


@pytest.fixture
def houses():
    """Prices that follow from rooms and garden, far from 0 and wide apart."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(300):
        rooms, garden, place = int(random.integers(1, 9)), bool(random.integers(2)), random.normal(size=3)
        price = 2e5 + 4e4 * rooms + 3e4 * garden + 1e4 * place[0] + float(random.normal() * 1e3)
        row = {"rooms": rooms, "garden": garden, "place": place.tolist(), "town": "abc"[number % 3], "price": price}
        row["dear"] = "yes" if price > 3.8e5 else "no"
        rows.append(row | {"split": ["train", "train", "train", "validation", "test"][number % 5]})
    return rows


def test_a_classifier_learns_from_numbers_truth_values_and_vectors(houses, train):
    trained = train(
        houses, CLASSIFY + 'target = "dear"\ncolumns = ["rooms", "garden", "place"]\nepochs = 30\nbatch_size = 32\n'
    )
    assert trained.state == {"features": ["rooms", "garden", "place"], "labels": ["no", "yes"]}
    assert trained.metrics["test"]["accuracy"] > 0.85 > trained.metrics["baseline"]["accuracy"]
    assert trained.metrics["training"]["rows_per_second"] > 0
    assert {"loss", "macro_f1", "auc"} < set(trained.metrics["validation"])


def test_the_saved_network_is_in_hugging_face_layout(houses, train):
    import torch
    from transformers import AutoModel

    import ladle_supervised.tables.network  # noqa: F401

    trained = train(houses, CLASSIFY + 'target = "dear"\ncolumns = ["rooms", "garden", "place"]\nepochs = 1\n')
    assert not list(trained.model.glob("*.bin"))
    network = AutoModel.from_pretrained(trained.model, use_safetensors=True).eval()
    rows = [row for row in houses if row["split"] == "test"][:5]
    inputs = torch.tensor([[row["rooms"], row["garden"], *row["place"]] for row in rows], dtype=torch.float32)
    said = trained.predict([{name: row[name] for name in ("rooms", "garden", "place")} for row in rows])
    for shares, answer in zip(network(inputs).logits.softmax(-1).tolist(), said, strict=True):
        by_name = dict(zip(network.config.id2label.values(), shares, strict=True))
        assert answer["probabilities"] == {name: pytest.approx(share, abs=1e-4) for name, share in by_name.items()}
        assert answer["probability"] == max(answer["probabilities"].values())


def test_all_columns_of_numbers_are_learnt_from_if_none_is_named(houses, train):
    trained = train([{k: v for k, v in row.items() if k != "price"} for row in houses], CLASSIFY + 'target = "dear"\n')
    assert trained.state["features"] == ["rooms", "garden", "place"]


def test_a_regressor_gives_numbers_in_the_units_of_the_target(houses, train):
    trained = train(houses, REGRESS + "epochs = 40\nbatch_size = 32\n")
    prices = np.array([row["price"] for row in houses if row["split"] == "train"])
    assert trained.state["mean"] == pytest.approx(prices.mean())
    assert trained.state["deviation"] == pytest.approx(prices.std())
    found, baseline = trained.metrics["test"], trained.metrics["baseline"]
    assert found["rmse"] < baseline["rmse"] / 3
    assert found["r2"] > 0.85
    test = [row for row in houses if row["split"] == "test"]
    assert baseline["mae"] == pytest.approx(np.mean([abs(row["price"] - prices.mean()) for row in test]))
    said = trained.predict([{k: v for k, v in row.items() if k not in ("price", "split")} for row in test])
    errors = [answer["number"] - row["price"] for answer, row in zip(said, test, strict=True)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(found["rmse"], rel=1e-4)
    low, high = trained.metrics["intervals"]["test"]["rmse"]
    assert low < found["rmse"] < high
    first = trained.details["mistakes"][0]
    assert abs(first["truth"] - first["predicted"]) == pytest.approx(np.abs(errors).max(), rel=1e-4)
    assert first["row"]["rooms"] in range(1, 9)


def test_the_loss_of_a_regressor_is_in_units_of_the_deviation(houses, train):
    trained = train(houses, REGRESS + "epochs = 10\nbatch_size = 32\n")
    losses = [entry["loss"] for entry in trained.file("history.json") if "loss" in entry]
    assert 0 < losses[-1] < losses[0] / 3 < 100


def test_rows_without_a_number_to_predict_are_left_out_and_told(houses, train):
    for row in houses[:5]:
        row["price"] = None
    houses[9]["price"] = math.inf
    trained = train(houses, REGRESS + "epochs = 1\n")
    assert trained.metrics["test"]["rows"] == 58
    told = {split: f"{split} rows left out, without `price`" for split in ("train", "validation", "test")}
    assert trained.notes == {told["train"]: 3, told["validation"]: 1, told["test"]: 1} | {
        "test rows left out, with a `price` that is no finite number": 1
    }


@pytest.mark.parametrize("bad", [None, math.nan, math.inf])
def test_a_missing_feature_is_told_with_its_column(bad, houses, train):
    data = []
    for row in houses[:20]:
        data.append({"size": float(row["rooms"]), "garden": row["garden"], "dear": row["dear"], "split": row["split"]})
    data[3]["size"] = data[4]["size"] = bad
    with pytest.raises(StageError, match=r"column `size` has [12] rows without a number") as raised:
        train(data, CLASSIFY + 'target = "dear"\ncolumns = ["garden", "size"]\n')
    problem = raised.value.problems[0]
    assert problem.span.text == 'columns = ["garden", "size"]'
    assert 'use = "fill-missing"' in problem.help


@pytest.mark.parametrize(
    "places", [{7: [1.0], 8: [1.0, 2.0, 3.0, 4.0, 5.0]}, {number: [1.0, 2.0] for number in range(16, 300)}]
)
def test_vectors_of_different_lengths_are_refused(places, houses, train):
    """Within a batch of the source, and from one batch to the next."""
    for number, place in places.items():
        houses[number]["place"] = place
    with pytest.raises(StageError, match=r"the vectors of `.*place` differ in length from row to row"):
        train(houses, CLASSIFY + 'target = "dear"\ncolumns = ["rooms", "place"]\n')


def test_the_target_is_no_feature_and_texts_cannot_be_one(houses, train):
    with pytest.raises(RecipeError, match="column `town` holds text, expected number or integer"):
        train(houses, CLASSIFY + 'target = "dear"\ncolumns = ["rooms", "town"]\n')
    only_text = [{"town": row["town"], "dear": row["dear"], "split": row["split"]} for row in houses]
    with pytest.raises(RecipeError, match="there is no column of numbers to learn from"):
        train(only_text, CLASSIFY + 'target = "dear"\n')


def test_the_same_seed_makes_the_same_network(houses, train):
    import torch

    stages = f'{CLASSIFY}target = "dear"\ncolumns = ["rooms", "place"]\nepochs = 2\nbatch_size = 16\n'
    first, second, other = (train(houses, stages, seed, runs=f"runs-{n}").weights() for n, seed in enumerate((1, 1, 2)))
    for name, weights in first.items():
        assert torch.equal(weights, second[name])
        assert not torch.equal(weights, other[name])


def test_going_on_from_a_stage_keeps_the_head_for_the_same_classes(houses, train):
    import torch

    first = CLASSIFY + 'target = "dear"\nepochs = 5\ncolumns = ["rooms", "place"]\n'
    measure = first.replace('"net"', '"again"').replace("epochs = 5", "epochs = 0") + 'model = { stage = "net" }\n'
    trained = train(houses, f"{first}{measure}")
    both = trained.run.outcome["metrics"]
    assert both["again"]["test"] == both["net"]["test"]
    assert "rows_per_second" not in both["again"]["training"]
    assert all(torch.equal(w, trained.weights()[n]) for n, w in trained.weights().items())


def test_going_on_from_a_stage_with_other_classes_renews_the_last_layer(houses, train):
    import torch
    from safetensors.torch import load_file

    first = CLASSIFY + 'target = "dear"\nepochs = 1\ncolumns = ["rooms", "place"]\n'
    towns = first.replace('"net"', '"towns"').replace('"dear"', '"town"').replace("epochs = 1", "epochs = 0")
    trained = train(houses, f'{first}{towns}model = {{ stage = "net" }}\n')
    before = load_file(trained.run.model("net") / "model.safetensors")
    assert trained.state["labels"] == ["a", "b", "c"]
    assert trained.weights()["head.weight"].shape == (3, 64)
    assert torch.equal(trained.weights()["body.0.weight"], before["body.0.weight"])


def test_going_on_with_other_columns_is_refused(houses, train):
    first = CLASSIFY + 'target = "dear"\nepochs = 1\ncolumns = ["rooms", "place"]\n'
    other = first.replace('"net"', '"more"').replace('"rooms"', '"garden"') + 'model = { stage = "net" }\n'
    with pytest.raises(StageError, match="has learnt from the columns rooms, place; here they are garden, place"):
        train(houses, first + other)


def test_a_regressor_that_goes_on_keeps_its_scale(houses, train, tmp_path):
    cheaper = [row | {"price": row["price"] / 2} for row in houses]
    (tmp_path / "other.json").write_text(json.dumps(cheaper))
    other = '[data.other.source]\nuse = "json-rows"\npath = "other.json"\n[data.other.split]\ncolumn = "split"\n'
    first = REGRESS + 'epochs = 5\ncolumns = ["rooms", "garden"]\n'
    again = first.replace('"net"', '"again"').replace('"rows"', '"other"').replace("epochs = 5", "epochs = 0")
    trained = train(houses, f'{first}{again}model = {{ stage = "net" }}\n', data=other)
    mean = np.mean([row["price"] for row in houses if row["split"] == "train"])
    assert trained.state["mean"] == pytest.approx(mean, rel=1e-9)
    (found,) = trained.predict([{"rooms": 4, "garden": True}])
    weights = trained.weights()
    assert found["number"] > mean / 2
    assert weights.keys() == {f"{part}.{name}" for part in ("body.0", "body.3", "head") for name in ("weight", "bias")}


def test_a_regressor_can_go_on_from_a_classifier(houses, train):
    first = CLASSIFY + 'target = "dear"\nepochs = 1\ncolumns = ["rooms", "place"]\n'
    again = REGRESS.replace('"net"', '"price"') + 'epochs = 5\ncolumns = ["rooms", "place"]\n'
    trained = train(houses, f'{first}{again}model = {{ stage = "net" }}\n')
    assert trained.weights()["head.weight"].shape == (1, 64)
    (found,) = trained.predict([{"rooms": 4, "place": [0.0, 0.0, 0.0]}])
    assert 1e5 < found["number"] < 1e6


def test_another_kind_of_model_cannot_be_gone_on_from(houses, train, saved):
    with pytest.raises(StageError, match="is no network over numbers, but a bert"):
        train(houses, f'{CLASSIFY}target = "dear"\nmodel = {{ pretrained = "{saved("bert")}" }}\n')


def test_a_linear_model_has_no_hidden_layer(houses, train):
    trained = train(houses, REGRESS + 'hidden = []\ncolumns = ["rooms", "place"]\nepochs = 1\n')
    assert {name: tuple(w.shape) for name, w in trained.weights().items()} == {"head.weight": (1, 4), "head.bias": (1,)}


def test_rows_with_times_can_be_shown_among_the_mistakes(houses, train):
    for number, row in enumerate(houses):
        row["sold"] = f"2024-01-{number % 28 + 1:02}"
    convert = '[[data.rows.clean]]\nuse = "convert"\ntypes = { sold = "time" }\n'
    trained = train(houses, REGRESS + 'columns = ["rooms"]\nepochs = 1\n', data=convert)
    assert trained.details["mistakes"][0]["row"]["sold"].startswith("2024-01-")
