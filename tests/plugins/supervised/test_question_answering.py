from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Sample
from ladle.columns import Columns
from ladle.errors import OptionError, StageError
from ladle_supervised.answers.question_answering import QuestionAnswering


def answer(folder, *options: str, name: str = "reader") -> str:
    """A train stage on the model in a folder."""
    lines = ["[[train]]", 'use = "question-answering"', f'name = "{name}"', 'data = "rows"', 'device = "cpu"']
    lines += [f'model = {{ pretrained = "{folder}" }}'] if folder else []
    return "\n".join([*lines, "batch_size = 8", *options]) + "\n"


def asked(rows, split="test"):
    return [{name: row[name] for name in ("question", "context")} for row in rows if row["split"] == split]


def test_a_reader_learns_to_find_answers_and_that_there_are_none(still_bert, questions, train):
    options = ["epochs = 12", "learning_rate = 1e-2", "head_learning_rate = 2e-2"]
    trained = train(questions, answer(still_bert, *options))
    assert trained.metrics["test"]["exact_match"] > 0.8 > trained.metrics["baseline"]["exact_match"] == 0.75
    losses = [entry for entry in trained.file("history.json") if "loss" in entry]
    assert losses[-1]["loss"] < losses[0]["loss"] / 3
    assert losses[-1]["loss"] == pytest.approx(losses[-1]["loss/start"] + losses[-1]["loss/end"], rel=1e-3)
    assert trained.state == {"unanswerable": True}
    assert [line["class"] for line in trained.details["tables"]["per_class"]] == ["with an answer", "without one"]
    there, none, empty = trained.predict(
        [
            {"question": "the end", "context": "the film is a bad day and the end"},
            {"question": "the end", "context": "the film is"},
            {"question": "the end", "context": ""},
        ]
    )
    assert there | {"probability": 0} == {"answer": "bad day", "probability": 0, "start": 14, "end": 21}
    assert none.keys() == {"answer", "probability"}
    assert none["answer"] == empty["answer"] == ""
    assert 0.5 < none["probability"] <= empty["probability"] == 1


@pytest.mark.parametrize("kind", ["bert", "roberta", "llama"])
def test_the_saved_model_says_in_transformers_what_it_says_here(kind, saved, questions, train):
    """On contexts that fit into one window."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    trained = train(questions, answer(saved(kind), "epochs = 1", "learning_rate = 1e-3", "max_answer = 2"))
    model = AutoModelForQuestionAnswering.from_pretrained(trained.model, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained.model)
    rows = [row for row in asked(questions) if len(row["context"].split()) < 12][:6]
    for row, said in zip(rows, trained.predict(rows), strict=True):
        (encoding,) = tokenizer([row["question"]], [row["context"]]).encodings
        ids = encoding.ids + [tokenizer.eos_token_id] * (kind == "llama")
        context = [place for place, text in enumerate(encoding.sequence_ids) if text == 1]
        none = 0 if kind != "llama" else len(ids) - 1
        tokens = tokenizer(row["question"], row["context"], return_tensors="pt")
        types = {name: values for name, values in tokens.items() if name == "token_type_ids"}
        assert (kind == "bert") == bool(types)
        with torch.inference_mode():
            output = model(input_ids=torch.tensor([ids]), **types)
        start, end = (
            dict(zip([none, *context], logits[0][[none, *context]].softmax(-1).tolist(), strict=True))
            for logits in (output.start_logits, output.end_logits)
        )
        spans = {(i, j): start[i] * end[j] for i in context for j in (i, i + 1) if j in context}
        (first, last), sure = max(spans.items(), key=lambda item: item[1])
        if start[none] * end[none] > sure:
            assert said == {"answer": "", "probability": pytest.approx(start[none] * end[none], abs=2e-4)}
        else:
            place = encoding.offsets[first][0], encoding.offsets[last][1]
            assert (said["start"], said["end"]) == place
            assert said["answer"] == row["context"][slice(*place)]
            assert said["probability"] == pytest.approx(sure, abs=2e-4)


@pytest.fixture
def long_questions(questions):
    """Contexts of many windows, in which the answer stands anywhere."""
    for number, row in enumerate(questions):
        words = ["film"] * (number * 7 % 50) + ["bad", "day"] + ["plot"] * (number * 11 % 40)
        row |= {"context": " ".join(words), "answer": "bad day"}
    return questions


def test_long_contexts_are_read_in_windows_that_overlap(still_bert, long_questions, train):
    options = ["epochs = 3", "learning_rate = 1e-2", "max_length = 20", "stride = 4"]
    trained = train(long_questions, answer(still_bert, *options))
    assert trained.notes["train contexts read in several windows"] > 20
    assert trained.metrics["test"]["rows"] == 12
    assert trained.metrics["test"]["exact_match"] > 0.9
    assert trained.state == {"unanswerable": False}
    rows = asked(long_questions)
    said = trained.predict(rows)
    assert len(said) == len(rows)
    right = [
        one["answer"] == "bad day" == row["context"][one["start"] : one["end"]]
        for one, row in zip(said, rows, strict=True)
    ]
    assert np.mean(right) == trained.metrics["test"]["exact_match"]


def test_where_all_questions_have_an_answer_none_is_never_predicted(saved, long_questions, train):
    trained = train(long_questions, answer(saved("bert"), "epochs = 0"))
    assert all(said["answer"] for said in trained.predict(asked(long_questions)))
    assert "per_class" not in trained.details["tables"]
    assert trained.metrics["baseline"] == {"exact_match": 1, "f1": 1}


def test_answers_come_as_texts_lists_and_records(saved, questions, train):
    """The second `bad day` is the answer where its place is told, so that the loss of the same model is another one."""
    rows = [{**row, "context": f"bad day {row['context']} bad day", "answer": "bad day"} for row in questions]
    at = [len(row["context"]) - 7 for row in rows]
    both = ["bad day", "day"]
    shapes = {
        "text": [{"at": place} for place in at],
        "list": [{"answer": both, "at": [place, place + 4]} for place in at],
        "record": [{"answer": {"text": both, "answer_start": [place, place + 4]}} for place in at],
    }
    first = train(rows, answer(saved("bert"), "epochs = 0"))
    told = {}
    for shape, columns in shapes.items():
        option = [] if shape == "record" else ['answer_start = "at"']
        given = [{**row, **own} for row, own in zip(rows, columns, strict=True)]
        told[shape] = train(given, answer(saved("bert"), "epochs = 0", *option), runs=shape)
    losses = {shape: trained.metrics["test"]["loss"] for shape, trained in told.items()}
    assert losses["text"] == losses["list"] == losses["record"] != first.metrics["test"]["loss"]
    assert told["list"].metrics["test"]["f1"] >= first.metrics["test"]["f1"]
    assert told["record"].predict(asked(rows)) == first.predict(asked(rows))


def test_answers_that_are_not_in_the_context_are_left_out_and_told(saved, questions, train):
    questions[1]["answer"] = questions[4]["answer"] = "awful day"
    trained = train(questions, answer(saved("bert"), "epochs = 0"))
    left_out = "rows left out, with an `answer` that is not in the context where it should be"
    assert trained.notes == {f"train {left_out}": 1, f"test {left_out}": 1}
    assert trained.metrics["test"]["rows"] == 11


def test_long_questions_are_cut_and_told(saved, questions, train):
    questions[0] |= {"question": "film " * 30, "context": "day " * 11}
    questions[1]["context"] = "day " * 30 + "bad day"
    trained = train(questions, answer(saved("bert"), "epochs = 0"))
    assert trained.notes == {
        "train questions cut, to leave room for the context": 1,
        "train contexts read in several windows": 2,
    }


def test_without_any_answer_there_is_nothing_to_learn(saved, questions, train):
    with pytest.raises(StageError, match="column `answer` has no answer in the train split") as raised:
        train([row | {"answer": ""} for row in questions], answer(saved("bert"), 'target = "answer"'))
    assert raised.value.problems[0].span.text == 'target = "answer"'


def test_a_stride_that_leaves_no_room_is_refused(saved, questions, train):
    with pytest.raises(
        StageError, match="windows of 24 tokens, half of them for the question, cannot share 9"
    ) as raised:
        train(questions, answer(saved("bert"), "stride = 9"))
    assert raised.value.problems[0].span.text == "stride = 9"
    assert raised.value.problems[0].help == "write at most 8"


def test_a_reader_keeps_its_head_and_a_classifier_of_three_classes_gets_one(saved, questions, train):
    import torch
    from safetensors.torch import load_file

    rows = [row | {"label": "abc"[number % 3]} for number, row in enumerate(questions)]
    first = '[[train]]\nuse = "text-classification"\nname = "first"\ndata = "rows"\ndevice = "cpu"\nepochs = 1\n'
    first += f'column = "context"\nmodel = {{ pretrained = "{saved("bert")}" }}\n'
    reader = answer(None, 'model = { stage = "first" }', "epochs = 1", "learning_rate = 1e-3")
    again = answer(None, 'model = { stage = "reader" }', "epochs = 0", name="again")
    trained = train(rows, first + reader + again)
    metrics = trained.run.outcome["metrics"]
    assert metrics["again"]["test"] == metrics["reader"]["test"]
    weights = [load_file(trained.run.model(name) / "model.safetensors") for name in ("reader", "again")]
    assert weights[0]["qa_outputs.weight"].shape == (2, 32)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


# Parts


def test_the_start_of_answers_is_checked_as_a_column_but_not_needed_to_predict():
    trainer = QuestionAnswering.model_validate(
        {"data": "rows", "model": {"stage": "s"}, "answer_start": "at", "question": "q"}
    )
    known = {"q": "text", "context": "text", "answer": "text"}
    with pytest.raises(OptionError, match="no column `at`") as raised:
        trainer.columns_after(Columns(known))
    assert raised.value.option == "answer_start"
    with pytest.raises(OptionError, match="column `at` holds text, expected integer or list"):
        trainer.columns_after(Columns(known | {"at": "text"}))
    given = Columns(known | {"at": "integer"})
    trainer.columns_after(given)
    assert given.read == {"q", "context", "answer"}
    assert trainer.text_columns() == [("rows", "q"), ("rows", "context")]


def test_answers_that_are_seldom_in_their_context_are_doubted(saved):
    trainer = QuestionAnswering.model_validate({"data": "r", "model": {"pretrained": str(saved("bert"))}})
    row = {"question": "q", "context": "good day", "answer": "day"}
    assert list(trainer.doubts(Sample([row] * 40))) == []
    (doubt,) = trainer.doubts(Sample([row] * 30 + [row | {"answer": "night"}] * 10))
    assert str(doubt) == "`answer` is not in `context` where it should be in 10 of the first 40 rows"
    assert list(trainer.doubts(Sample([row | {"answer": None}] * 40 + [{}, {"answer": "day"}]))) == []
    long = QuestionAnswering.model_validate(
        {"data": "r", "model": {"pretrained": str(saved("bert"))}, "max_length": 99}
    )
    assert [doubt.option for doubt in long.doubts(Sample())] == ["max_length"]


def test_a_technique_that_moves_tokens_is_refused(saved):
    trainer = QuestionAnswering.model_validate({"data": "r", "model": {"pretrained": str(saved("bert"))}})
    with pytest.raises(OptionError, match="a technique made 2 tokens of 5"):
        trainer.label_batch([{"input_ids": [2, 3], "length": 5}])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_likeliest_answer_is_that_of_a_search_through_all(data):
    import torch

    from ladle_supervised.answers.spans import likeliest

    length, most = data.draw(st.integers(2, 8)), data.draw(st.integers(1, 5))
    begin = data.draw(st.integers(1, length))
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    both = tuple(torch.randn(1, length, generator=random).log_softmax(-1) for _ in "se")
    starts = torch.tensor([[place * 10 if place >= begin else -1 for place in range(length)]])
    batch = {"starts": starts, "ends": torch.where(starts < 0, -1, starts + 5), "nowhere": torch.tensor([0])}
    found = {name: value.item() for name, value in likeliest(both, batch, most).items()}
    spans = {
        (i * 10, j * 10 + 5): (both[0][0, i] + both[1][0, j]).exp().item()
        for i in range(begin, length)
        for j in range(i, min(i + most, length))
    }
    best = max(spans, key=spans.get, default=(-1, -1))
    assert (found["start"], found["end"]) == best
    assert found["probability"] == pytest.approx(spans.get(best, 0), rel=1e-5)
    assert found["none"] == pytest.approx((both[0][0, 0] + both[1][0, 0]).exp().item(), rel=1e-5)
