from __future__ import annotations

import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_text.statistics import TextStatistics


def measured(texts: list[str | None], *measures: str) -> list:
    component = TextStatistics.model_validate({"measures": list(measures)} if measures else {})
    batch = component.extract_batch(pa.record_batch({"text": pa.array(texts, pa.string())}))
    columns = [batch[name].to_pylist() for name in batch.schema.names if name != "text"]
    return columns[0] if len(columns) == 1 else columns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello,  world", 2),
        ("Smith's mother-in-law — isn’t here", 4),
        ("1 + 1 = 2", 3),
        ("naïve cafés\nÜber", 3),
        ("...", 0),
        ("", 0),
    ],
)
def test_words(text, words):
    assert measured([text], "words") == [words]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", 3),
        ("Really?! Yes… no end", 3),
        ("It is 3.14 in fact.", 1),
        ('He said "Stop." Then he left.', 2),
        ("Line one\nline two", 1),
        ("你好。再见！", 2),
        ("...", 0),
        ("", 0),
    ],
)
def test_sentences(text, sentences):
    assert measured([text], "sentences") == [sentences]


def test_shares_and_averages():
    assert measured(["ÉTÉ ab", "no", "...", ""], "capitals") == [3 / 5, 0, 0, 0]
    assert measured(["a1b2", "٣", ""], "digits") == [0.5, 1, 0]
    assert measured(["a.b!", "“¿?”", "a+b"], "punctuation") == [0.5, 1, 0]
    assert measured(["ab cdef", "isn't", "!"], "word_length") == [3, 4, 0]


def test_characters_are_code_points():
    assert measured(["aé🙂", ""], "characters") == [3, 0]


def test_a_null_text_has_nulls():
    assert measured([None]) == [[None]] * 7


@given(st.text(string.ascii_letters + string.digits + " .,!?", max_size=60))
def test_agrees_with_python(text):
    characters, words, _, _, capitals, digits, punctuation = (column[0] for column in measured([text]))
    letters = [character for character in text if character.isalpha()]
    spaced = "".join(character if character.isalnum() else " " for character in text)
    assert characters == len(text)
    assert words == len(spaced.split())
    assert capitals == pytest.approx(sum(map(str.isupper, letters)) / max(1, len(letters)))
    assert digits == pytest.approx(sum(map(str.isdigit, text)) / max(1, len(text)))
    assert punctuation == pytest.approx(sum(map(string.punctuation.__contains__, text)) / max(1, len(text)))


def test_rows_get_the_columns_that_are_declared(rows_of):
    component = TextStatistics.model_validate({"prefix": "n_", "measures": ["words", "capitals"]})
    done = pa.Table.from_batches(list(component.work(rows_of(["Hi there", None, "YO", "a", "b b"]))))
    assert done.column_names == ["_id", *component.columns_after(Columns({"text": "text"}))]
    assert done["n_words"].to_pylist() == [2, None, 1, 1, 2]
    assert done.schema.field("n_words").type == pa.int64()
    assert done.schema.field("n_capitals").type == pa.float64()


def test_declares_a_column_for_each_measure():
    given_columns = Columns({"body": "text"})
    component = TextStatistics.model_validate({"column": "body", "measures": ["sentences", "digits"]})
    after = component.columns_after(given_columns)
    assert dict(after) == {"body": "text", "body_sentences": "integer", "body_digits": "number"}
    assert len(TextStatistics.model_validate({"column": "body"}).columns_after(given_columns)) == 8


def test_what_it_cannot_measure_is_refused():
    with pytest.raises(OptionError, match="column `text` holds number, expected text"):
        TextStatistics.model_validate({}).columns_after(Columns({"text": "number"}))
    with pytest.raises(ValueError, match="Input should be 'characters', 'words'"):
        TextStatistics.model_validate({"measures": ["wrods"]})
