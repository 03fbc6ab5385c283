"""Texts in one form."""

from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError, Sample
from ladle_cleaning.standardising import Standardise


def standardise(**options) -> Standardise:
    return Standardise.model_validate(options)


def written(text: str, **options) -> str:
    batch = pa.record_batch({"_id": ["r0"], "text": [text]})
    return standardise(**options).clean_batch(batch).batch["text"][0].as_py()


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, "  cafe\u0301 \t au\n lait ", "café au lait"),
        ({}, "ﬁ", "ﬁ"),
        ({"unicode": "NFKC"}, "ﬁ ２ x²", "fi 2 x2"),
        ({"unicode": "none"}, "cafe\u0301", "cafe\u0301"),
        ({}, "a\u00a0\u2003b\u3000", "a b"),
        ({"space": "keep"}, " a\r\nb\rc\u2028d\x0ce\x85f ", " a\nb\nc\nd\ne\nf "),
        ({"space": "keep-lines"}, "one  \n\t two\n \n\n\n three", "one\ntwo\n\nthree"),
        ({}, "a\x00b\x1b[0m\x7f", "ab[0m"),
        ({"invisible": "keep"}, "a\x00b\u200bc", "a\x00b\u200bc"),
        ({}, "\ufeffco\u00adop\u200b\u202e", "coop"),
        ({}, "👩\u200d🚀 می\u200cخواهم", "👩\u200d🚀 می\u200cخواهم"),
        ({"invisible": "remove"}, "👩\u200d🚀", "👩🚀"),
        ({"lower": True}, "ÀB ΣΑΣ", "àb σασ"),
        ({"lower": True}, "J\u030c", "ǰ"),
    ],
)
def test_texts_are_written_in_one_form(options, before, after):
    assert written(before, **options) == after


def test_all_text_columns_are_written_but_no_others(rows, clean):
    done = clean(standardise(), rows({"text": [" a ", None], "title": ["b  c", "d"], "stars": [1, 2]}))
    assert list(done.kept.values()) == [
        {"text": "a", "title": "b c", "stars": 1},
        {"text": None, "title": "d", "stars": 2},
    ]
    assert done.columns.written == {"text", "title"}


def test_only_named_columns_are_written(rows, clean):
    done = clean(standardise(columns=["text"]), rows({"text": [" a "], "title": [" b "]}))
    assert done.kept["r0"] == {"text": "a", "title": " b "}
    assert done.columns.written == {"text"}


def test_texts_that_end_up_empty_stay_or_become_null_or_go(rows, clean):
    data = rows({"text": [" ", "a", "\u200b", None], "title": ["t", "", "t", "t"]})
    assert clean(standardise(), data).values("text") == ["", "a", "", None]
    assert clean(standardise(empty="null"), data).values("title") == ["t", None, "t", "t"]
    done = clean(standardise(empty="drop", columns=["text"]), data)
    assert list(done.kept) == ["r1", "r3"]
    assert done.rejects["r2"].rule == "empty"
    assert done.rejects["r2"].reason == "`text` is empty once standardised"


def test_a_column_without_any_text_is_no_trouble(rows):
    (done,) = standardise(columns=["text"], empty="drop").work(rows({"text": pa.nulls(2)}))
    assert (done.batch["text"].to_pylist(), done.rejects) == ([None, None], {})


def test_other_columns_than_texts_are_refused():
    with pytest.raises(OptionError, match="column `stars` holds integer, expected text"):
        standardise(columns=["stars"]).columns_after(Columns({"stars": "integer"}))


OPTIONS = st.fixed_dictionaries(
    {
        "unicode": st.sampled_from(["NFC", "NFKC", "none"]),
        "invisible": st.sampled_from(["remove", "keep-joiners", "keep"]),
        "lower": st.booleans(),
        "space": st.sampled_from(["collapse", "keep-lines", "keep"]),
    }
)
AWKWARD = st.sampled_from(
    " \t\n\r\x00\x0b\x0c\x1c\x1f\x85\xa0\u0301\u030c\u0323\u200b\u200d\u2028\u3000\ufeffAJÀİßΣſﬁ가"
)
TEXTS = st.text(st.one_of(AWKWARD, st.characters(exclude_categories=["Cs"])), max_size=12)


@settings(max_examples=300, deadline=None)
@given(TEXTS, OPTIONS)
def test_done_twice_it_changes_nothing_more(text, options):
    once = written(text, **options)
    assert written(once, **options) == once


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_what_is_left_is_what_unicode_says(text):
    result = written(text, invisible="remove")
    assert result == " ".join(result.split())
    assert result == unicodedata.normalize("NFC", result)
    assert not {unicodedata.category(character) for character in result} & {"Cc", "Zl", "Zp"}
    if text.isascii() and text.isprintable():
        assert result == " ".join(text.split())


def test_done_twice_it_changes_nothing_more_for_any_character():
    characters = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    batch = pa.record_batch({"_id": characters, "text": [f"a{character}b" for character in characters]})
    for options in ({"lower": True, "unicode": "NFKC"}, {"lower": True}, {"unicode": "NFKC", "space": "keep-lines"}):
        once = standardise(**options).clean_batch(batch).batch
        assert standardise(**options).clean_batch(once).batch.equals(once)


@settings(deadline=None)
@given(
    text=st.text(
        st.one_of(
            st.sampled_from("aÀß ﬁ２\n\r\t\x85\u2028\xa0\u3000\x1c\x1f\u200b\u200d\xad\x00e\u0301"), st.characters()
        )
    ),
    options=st.fixed_dictionaries(
        {
            "unicode": st.sampled_from(["NFC", "NFKC", "none"]),
            "invisible": st.sampled_from(["remove", "keep-joiners", "keep"]),
            "space": st.sampled_from(["collapse", "keep-lines", "keep"]),
            "empty": st.sampled_from(["keep", "drop", "null"]),
        }
    ),
)
def test_one_row_is_written_like_many(text, options):
    known = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cs", "Cn"))
    cleaner = standardise(columns=["text"], **options)
    done = cleaner.clean_batch(pa.record_batch({"_id": ["r0"], "text": [known]}))
    expected = done.rejects.get(0) or {"_id": "r0", "text": done.batch["text"][0].as_py()}
    assert cleaner.clean_row({"_id": "r0", "text": known}) == expected


def test_html_becomes_what_a_reader_sees(rows, clean):
    texts = ["<p>One &amp; two</p><p>three<script>x</script>", "no\nmarkup < at all", "&lt;i&gt;", None, "<br>"]
    lines = clean(standardise(html=True, space="keep-lines", columns=["text"]), rows({"text": texts}))
    assert lines.values("text") == ["One & two\n\nthree", "no\nmarkup < at all", "<i>", None, ""]
    assert clean(standardise(html=True, empty="drop"), rows({"text": texts})).values("text") == [
        "One & two three",
        "no markup < at all",
        "<i>",
        None,
    ]


@pytest.mark.parametrize(
    ("garbled", "meant"),
    [
        ("cafÃ© â€œau laitâ€\x9d", "café “au lait”"),
        ("Ã  la carte\nçà et là", "à la carte\nçà et là"),  # one line is right, the other is not
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("donâ\x80\x99t", "don’t"),
        ("NÃO, Ångström and 日本", "NÃO, Ångström and 日本"),
        ("Ã\u200b©", "é"),  # what hid the mistake is gone
    ],
)
def test_what_was_read_in_a_wrong_encoding_is_repaired(garbled, meant):
    assert written(garbled, mojibake=True, space="keep-lines") == meant


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.one_of(st.sampled_from("ÃÂâ€©\xa0\x80\x9d™œ\u200b \n aé"), st.characters(exclude_categories=["Cs"]))),
    OPTIONS,
)
def test_repaired_twice_nothing_more_changes(text, options):
    once = written(text, mojibake=True, **options)
    assert written(once, mojibake=True, **options) == once


SENTENCES = [
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "“It’s free” – 5 € …",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_survive_a_wrong_encoding(sentence):
    assert written(sentence.encode().decode("latin-1"), mojibake=True) == sentence
    assert written(sentence, mojibake=True) == sentence


def test_the_first_rows_show_what_is_left_to_do():
    def doubts(texts, **options):
        return [
            (str(d), d.help) for d in standardise(columns=["x"], **options).doubts(Sample([{"x": t} for t in texts]))
        ]

    html = ["<p>One</p>", "two<br/>", *["three < four"] * 8]
    assert doubts(html) == [('2 of the first 10 rows have HTML in `x`: "<p>"', "add html = true")]
    assert doubts(html, html=True) == doubts(["a <3 b"] * 9) == []
    found = '`x` looks as if it was read in a wrong encoding: "Ã©" in the first 2 rows'
    assert doubts(["cafÃ©", "à"]) == [(found, "name the right encoding in the source, or add mojibake = true")]
    assert doubts(["cafÃ©"], mojibake=True) == doubts(["NÃO, café, 5 €"]) == []
    assert list(standardise().doubts(Sample())) == []
    assert [d.code for d in standardise().doubts(Sample([{"n": 1, "x": "<b>a</b>"}]))] == ["html"]


@settings(deadline=None)
@given(
    st.text(st.sampled_from("<>/&;pbr=' \n\tÃ©â€œaé\x80\u200b")),
    st.fixed_dictionaries({"html": st.booleans(), "mojibake": st.booleans()}),
)
def test_one_row_is_repaired_like_many(text, options):
    cleaner = standardise(columns=["text"], **options)
    assert cleaner.clean_row({"_id": "r0", "text": text})["text"] == written(text, **options)
