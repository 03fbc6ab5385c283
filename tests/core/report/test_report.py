"""The report tells what a run left, all of it and nothing else, in a page that needs nothing beside it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ladle.report import write_report
from ladle.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, line_chart

DROP = '[[data.r.clean]]\nuse = "drop"\nword = "row 1"\n'
NASTY = '<script>alert(1)</script><img src="http://evil.example/x.png"></td> & "quoted"'
ALONE = {"meta", "br", "circle", "line", "polyline", "wbr"}


class Page(HTMLParser):
    """A page's text and headings; what is not closed in order, or refers to something outside, fails the test."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ALONE:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> in line {self.getpos()[0]}"

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings[-1] += data.strip()

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def page():
    """The parsed report of a finished run, which refers to nothing but itself."""

    def read(done) -> Page:
        html = done.run.report.read_text(encoding="utf-8")
        parsed = Page(html)
        assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in parsed.tags}
        for tag, attributes in parsed.tags:
            assert "src" not in attributes
            assert attributes.get("href", "#").startswith("#"), tag
        [style] = re.findall("<style>(.*?)</style>", html, re.DOTALL)
        assert not re.search(r"url\(|@import", style)
        return parsed

    return read


CLASSES = {
    "test": {"accuracy": 0.8412, "macro_f1": 0.7934, "loss": 0.4321, "rows": 1234},
    "validation": {"accuracy": 0.8123, "loss": 0.5, "rows": 567},
    "baseline": {"accuracy": 0.5103},
    "intervals": {"test": {"accuracy": [0.8111, 0.8777]}},
    "training": {
        "seconds": 90.0,
        "steps": 40,
        "rows_per_second": 149.4,
        "tokens_per_second": 4155.2,
        "device": "cpu",
        "precision": "bfloat16",
        "parameters": 22566146,
        "trainable_parameters": 3549698,
    },
}
TABLES = {
    "confusion": {"labels": ["bad", "good"], "counts": [[301, 99], [0, 834]]},
    "per_class": [{"class": "bad", "precision": 0.9876, "recall": 0.7525, "f1": 0.8542, "rows": 400}],
}


@pytest.fixture
def trained(work):
    """A run with a train stage that left these files behind, and its report."""

    def make(metrics, details=None, history=None, notes=None, options=None):
        done = work("")
        key, lock = "ff" * 20, done.run.lock
        folder = done.store.folder(key)
        folder.mkdir(parents=True)
        outcome = {"rows_in": 40, "rows_out": 40, "rejects": 0, "seconds": 125.0}
        files = {
            "outcome": outcome | {"details": {"splits": {"train": 30, "test": 10}, "notes": notes or {}}},
            "metrics": metrics,
            "details": details or {},
        }
        for name, content in (files | ({"history": history} if history else {})).items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        lock["stages"].append(
            {"name": "mood", "kind": "train", "use": "text-classification", "key": key, "inputs": ["r.source"]}
            | {"options": {"epochs": 3, "choose_by": "loss"} | (options or {})}
            | {"techniques": [{"use": "transfer", "options": {"freeze": 4}}]}
        )
        (done.run.folder / "lock.json").write_text(json.dumps(lock))
        told = {"name": "mood", "kind": "train", "use": "text-classification", "status": "done"}
        run_outcome = done.outcome
        run_outcome["stages"].append(told | outcome)
        done.run.save_outcome(run_outcome)
        write_report(done.run, done.store)
        return done

    return make


# Data


def test_the_page_tells_what_went_in_and_what_each_stage_did(work, page):
    seen = page(work("[data.r.split]\ntest = 0.25\n" + DROP + '[[data.r.clean]]\nuse = "shout"\n'))
    assert seen.headings[0] == "recipe"
    assert "40 rows" in seen.text
    assert "text text" in seen.text
    assert "n integer" in seen.text
    assert "11 rejected" in seen.text
    assert "29 values changed" in seen.text
    assert re.search(r"r\.clean\.1 drop 40 29 11 ", seen.text)
    assert re.search(r"r\.clean\.2 shout 29 29 29 ", seen.text)
    shares = dict(re.findall(r"(train|test) (\d+) ", seen.text))
    assert sum(map(int, shares.values())) == 40
    assert len(shares) == 2
    assert "[data.r.split]" in seen.text  # the recipe as it was read


def test_rejects_tell_where_why_and_what(folder, work, page):
    with (folder / "rows.jsonl").open("a") as file:
        file.write(NASTY + "\n")
    seen = page(work(""))
    assert "rows.jsonl:41" in seen.text
    assert "this is no JSON" in seen.text
    assert NASTY in seen.text  # as text: the page has no such tags


def test_changes_are_marked_and_what_cannot_be_seen_is_spelt_out(folder, work, page):
    (folder / "rows.jsonl").write_text(json.dumps({"text": f"A quiet\u202e {NASTY}"}) + "\n")
    done = work('[[data.r.clean]]\nuse = "shout"\n')
    seen = page(done)
    assert "\u202e" not in done.run.report.read_text()
    assert "\\u202e" in seen.text
    assert "quiet" in seen.text
    assert "QUIET" in seen.text
    assert [tag for tag, _ in seen.tags].count("mark") > 1


def test_links_lead_to_what_a_stage_did(trained, page):
    seen = page(trained(CLASSES))
    places = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert places == [attributes["href"].removeprefix("#") for tag, attributes in seen.tags if tag == "a"]
    assert places == ["r.source", "mood"]


def test_blank_options_can_be_told_from_none(trained, page):
    seen = page(trained(CLASSES, options={"delimiter": "\t", "quote": "", "missing": ["", "?"], "start": None}))
    assert 'delimiter "\\t"' in seen.text
    assert 'quote ""' in seen.text
    assert 'missing ["", ?]' in seen.text
    assert "start" not in seen.text


def test_columns_of_the_overview_are_there_if_a_stage_fills_them(work, page):
    def columns(recipe: str) -> list[str]:
        return re.findall(r"rejects|changes", page(work(recipe)).text.partition("rows out")[2].partition("time")[0])

    assert columns("") == []
    assert columns(DROP) == ["rejects"]
    assert columns('[[data.r.clean]]\nuse = "shout"\n') == ["changes"]


def test_labels_are_shown_with_their_shares(work, page):
    seen = page(work('[[data.r.label]]\nuse = "bands"\nbands = [{ below = 10, label = "few" }]\n'))
    assert "few 10 25.0 %" in seen.text
    assert "(none) 30 75.0 %" in seen.text


def test_the_time_of_a_reused_stage_is_that_of_its_work(work, page):
    first = work(DROP)
    folder = first.stage_folder("r.clean.1")
    before = (folder / "outcome.json").read_text()
    changed = json.dumps(json.loads(before) | {"seconds": 75.0})
    (folder / "outcome.json").write_text(changed.ljust(len(before)))  # of another size, it would count as damaged
    again = work(DROP + "# a comment")
    assert again.outcome["stages"][1]["status"] == "reused"
    assert "1 min 15 s done before" in page(again).text


def test_a_run_without_training_says_nothing_of_it(work, page):
    seen = page(work(""))
    assert seen.headings == ["recipe", "What went in", "r.source", "What each stage did", "What made it"]
    for word in ("baseline", "parameters", "accuracy", "Mistakes", "epoch", "rejected", "changed", "None", "undefined"):
        assert word not in seen.text


# Training


def test_metrics_stand_beside_intervals_baselines_and_row_counts(trained, page):
    seen = page(trained(CLASSES, {"test": {"tables": TABLES, "mistakes": []}}, notes={"rows without a class": 7}))
    top = seen.text.partition("What went in")[0]
    for words in ("mood: accuracy", "0.8412", "0.8111 to 0.8777", "baseline 0.5103", "1,234 rows of the test split"):
        assert words in top
    for words in ("0.7934", "0.8123", "567 rows", "149 rows/s", "4,155 tokens/s", "3,549,698 of 22,566,146"):
        assert words in re.sub(r"\s+([,.])", r"\1", seen.text)
    for words in ("cpu", "bfloat16", "1 min 30 s", "transfer", "freeze 4", "rows without a class: 7"):
        assert words in seen.text
    for words in ("301", "99", "75 %", "25 %", "834", "100 %", "0.9876", "0.7525"):
        assert words in seen.text


def test_the_metric_that_chose_the_model_comes_first(trained, page):
    seen = page(trained(CLASSES, options={"choose_by": "macro_f1"}))
    assert "mood: macro_f1 0.7934" in seen.text


def test_numbers_of_any_name_can_be_the_headline(trained, page):
    metrics = {"test": {"perplexity": 12.345, "loss": 2.5, "rows": 9}, "intervals": {}, "training": CLASSES["training"]}
    seen = page(trained(metrics))
    assert "mood: perplexity 12.35" in seen.text
    assert "baseline" not in seen.text
    assert "interval" not in seen.text


def test_a_model_measured_as_it_stands_is_not_called_trained(trained, page):
    training = {"device": "cpu", "precision": "float32", "parameters": 100, "trainable_parameters": 100}
    seen = page(trained(CLASSES | {"training": training}))
    assert "measured as it stands" in seen.text
    assert "parameters trained" not in seen.text
    assert "Loss in training" not in seen.text
    assert "svg" not in {tag for tag, _ in seen.tags}


def test_what_was_not_held_out_is_not_reported(trained, page):
    seen = page(trained({"intervals": {}, "training": CLASSES["training"]}))
    for words in ("split", "baseline", "interval", "What is taken for what", "Mistakes"):
        assert words not in seen.text


def test_twenty_classes_are_all_there(trained, page):
    labels = [f"class {number}" for number in range(20)]
    counts = [[1000 + 20 * row + column for column in range(20)] for row in range(20)]
    seen = page(
        trained(CLASSES, {"test": {"tables": {"confusion": {"labels": labels, "counts": counts}}, "mistakes": []}})
    )
    cells = [attributes for tag, attributes in seen.tags if tag == "td" and "--shade" in attributes.get("style", "")]
    assert len(cells) == 400
    assert [cell["class"].split()[0] for cell in cells].count("right") == 20
    for words in ("1,000", "1,399", *labels):
        assert words in seen.text


def test_a_trainers_own_tables_are_shown_as_they_are(trained, page):
    table = [{"entity": NASTY, "found": 0.25}, {"entity": "place", "missed": 3}]
    seen = page(trained(CLASSES, {"test": {"tables": {"entities": table}, "mistakes": []}}))
    assert "entities" in seen.headings
    assert f"{NASTY} 0.2500" in seen.text


def test_mistakes_are_escaped_whole_and_without_the_core_s_own_columns(trained, page):
    long = "very " * 200 + "END"
    mistakes = [
        {"row": {"_id": "1a", "text": NASTY}, "truth": "bad", "predicted": "good", "probability": 0.9877},
        {"row": {"_id": "2b", "text": long}, "truth": "bad", "predicted": "good", "probability": 0.6},
        {"row": {"_id": "3c", "age": 39, "job": "clerk"}, "truth": "good", "predicted": "bad", "probability": 0.55},
    ]
    seen = page(trained(CLASSES, {"test": {"tables": {}, "mistakes": mistakes}}))
    for words in (NASTY, "98.8 %", long, "age 39", "job clerk"):
        assert words in seen.text
    assert "_id" not in seen.text
    assert "1a" not in seen.text


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({}, "truth predicted"),
        ({"age": 66}, "age truth predicted"),
        ({"age": 66, "job": "clerk"}, "row truth predicted"),
    ],
)
def test_mistakes_have_the_columns_that_their_rows_have(trained, page, row, columns):
    mistakes = [{"row": {"_id": "1a"} | row, "truth": 134720.0, "predicted": 0.000431}]
    seen = page(trained(CLASSES, {"test": {"tables": {}, "mistakes": mistakes}}))
    assert f"test split that were missed by most. {columns} " in seen.text
    assert "134,720 0.000431" in seen.text


def test_long_texts_are_clipped_beside_other_columns_too(trained, page):
    long = "very " * 200 + "END"
    mistakes = [{"row": {"n": 1, "text": long}, "truth": "bad", "predicted": "good", "probability": 0.6}]
    seen = page(trained(CLASSES, {"test": {"tables": {}, "mistakes": mistakes}}))
    assert [attributes for tag, attributes in seen.tags if tag == "details"].count({"class": "text"}) == 1
    assert "very very… very" in seen.text
    assert long in seen.text


# Curves


def test_the_one_term_of_a_loss_is_named(trained, page):
    assert "Loss in training cross-entropy" in page(trained(CLASSES, history=_logged([3.0, 2.0]))).text


def _logged(values, name="loss/cross-entropy", **more):
    return [{name: value, "step": step, "epoch": step / 10} | more for step, value in enumerate(values, 1)]


def _points(svg: str) -> list[list[tuple[float, float]]]:
    lines = re.findall(r'<polyline[^>]* points="([^"]*)"', svg)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]


def test_points_are_where_their_values_are():
    [line] = _points(line_chart({"a": [(0, 0.0), (50, 25.0), (100, 100.0)]}, "step"))
    assert line[0] == (LEFT, HEIGHT - BOTTOM)
    assert line[2] == (WIDTH - RIGHT, TOP)
    assert line[1] == pytest.approx(((LEFT + WIDTH - RIGHT) / 2, TOP + 0.75 * (HEIGHT - TOP - BOTTOM)), abs=0.01)


def _ticks(svg: str) -> list[str]:
    return re.findall(r'<text class="tick"[^>]*>([^<]*)</text>', svg)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.2, 0.7], "0.2 0.3 0.4 0.5 0.6 0.7"),
        ([-80, 3.0], "-80 -60 -40 -20 0 20"),
        ([0, 2e-5], "0 5e-6 1e-5 1.5e-5 2e-5"),
        ([1000, 5000], "1,000 2,000 3,000 4,000 5,000"),
        ([0, 39_000], "0 10k 20k 30k 40k"),
        ([0, 43e9], "0 10G 20G 30G 40G 50G"),
        ([0, 1e30], "0 2e29 4e29 6e29 8e29 1e30"),
    ],
)
def test_the_numbers_of_an_axis_are_round_short_and_around_all_points(values, labels):
    assert _ticks(line_chart({"a": list(enumerate(values, 1))}, "epoch")) == [*labels.split(), "1", "2", "epoch"]


def test_what_does_not_change_is_a_line_in_the_middle():
    svg = line_chart({"a": [(1, 0.984375), (2, 0.984375)]}, "epoch")
    assert [y for _, y in _points(svg)[0]] == [(TOP + HEIGHT - BOTTOM) / 2] * 2
    assert _ticks(svg) == ["0.9844", "1", "2", "epoch"]


def test_parts_of_an_epoch_are_told_where_there_is_no_whole_one():
    assert _ticks(line_chart({"a": [(0.25, 1.0), (0.75, 1.0)]}, "epoch")) == ["1", "0.25", "0.75", "epoch"]


@settings(max_examples=200)
@example([(0, 0.0), (1, 5e-324)])
@example([(0, 1.0), (1, 1.0000000000000002)])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e300, 1e300)), min_size=1, max_size=5))
def test_every_point_is_inside_its_chart(points):
    for x, y in _points(line_chart({"a": points}, "step"))[0]:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP - 0.01 <= y <= HEIGHT - BOTTOM + 0.01


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_points_without_a_number_are_left_out(gap):
    assert _points(line_chart({"a": [(1, 1.0), (2, gap), (3, 2.0)]}, "step")) == _points(
        line_chart({"a": [(1, 1.0), (3, 2.0)]}, "step")
    )
    assert line_chart({"a": [(1, gap)]}, "step") == ""


def test_every_term_and_metric_has_its_curve(trained, page):
    history = _logged([3.0, 2.0, float("nan"), 1.0], learning_rate=1e-4, loss=9.0)
    history = [entry | {"loss/attack": 5.0} for entry in history]
    history += _logged([0.5, 0.75], "eval_accuracy", eval_rows=10)
    history.append({"train_loss": 1.0, "step": 4, "epoch": 0.4})
    done = trained(CLASSES, history=history)
    seen = page(done)
    drawn = [attributes["points"] for tag, attributes in seen.tags if tag == "polyline"]
    assert len(drawn) == 3 + 2  # the sum, its two terms; accuracy and learning rate
    assert "nan" not in "".join(drawn)
    for words in ("sum", "cross-entropy", "attack", "accuracy, validation", "learning rate"):
        assert words in seen.text
    assert "train loss" not in seen.text


def test_a_loss_that_is_one_number_is_drawn_once(trained, page):
    seen = page(trained(CLASSES, history=_logged([3.0, 2.0, 1.0], "loss/loss", loss=2.0)))
    assert "loss" not in seen.text.partition("Loss in training")[2].partition("step")[0]
    [line] = [attributes["points"].split() for tag, attributes in seen.tags if tag == "polyline"]
    assert len(line) == 3
