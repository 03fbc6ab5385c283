"""Taking out of texts what leads to a person."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle import Columns, OptionError
from ladle_cleaning.personal import KINDS
from ladle_cleaning.redaction import Redact

ALL = list(KINDS)


def redacted(text: str, **options) -> str:
    cleaner = Redact.model_validate({"columns": ["x"], "kinds": ALL} | options)
    return cleaner.clean_row({"x": text})["x"]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("mail anna.b+c@ex-ample.co.uk, now.", "mail [email], now."),
        ("MÜLLER@BÜRO.DE", "[email]"),
        ("see https://a.b/c?d=e&f=(g)). www.example.com, ftp://x.y", "see [url])). [url], [url]"),
        ("https://user@example.com/x", "[url]"),
        ("IBAN DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432.", "IBAN [iban] and [iban]."),
        ("4111 1111 1111 1111, 5500005555555559, 3782-822463-10005", "[card], [card], [card]"),
        ("order 12 4111 1111 1111 1111 99", "order 12 [card] 99"),
        ("+49 (30) 123-4567, 0049-171-1234567, 0171/1234567", "[phone], [phone], [phone]"),
        ("call (212) 555-0123 or 212.555.0123!", "call [phone] or [phone]!"),
        ("from 192.168.0.1. and 2001:db8::8a2e:370:7334, fe80::1ff:fe23:4567:890a", "from [ip]. and [ip], [ip]"),
    ],
)
def test_addresses_and_numbers_are_found(text, after):
    assert redacted(text) == after


@pytest.mark.parametrize(
    "text",
    [
        "a@b, @home, me@localhost",
        "4111 1111 1111 1112",  # the check digit is wrong
        "GB83WEST12345698765432",  # and here the remainder
        "DE8937040044053201300",  # a digit is missing
        "1.2.3.4.5, 999.1.1.1, v1.2.3.4-beta",
        "std::vector<a::b>, ::1, 12:30:45",
        "2020-01-01 12:30, 01.02.2020 12 30, 31/12/1999",
        "3.14159265358979, 0.1234567890123, 1 000 000 000, 1,234,567,890",
        "978-3-16-148410-0",
        "12345678901",
        "",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert redacted(text) == text


def test_only_the_kinds_asked_for_are_looked_for():
    text = "a@b.cc +49 30 1234567 http://x.yz"
    assert Redact(columns=["x"]).clean_row({"x": text})["x"] == "[email] [phone] http://x.yz"
    assert redacted(text, kinds=["phone"]) == "a@b.cc [phone] http://x.yz"
    assert redacted(text, kinds=["email"], placeholder="***") == "*** +49 30 1234567 http://x.yz"


def test_all_text_columns_are_looked_at(rows, clean):
    data = rows({"x": ["a@b.cc", None, "nothing"], "y": ["b", "c", "1.1.1.1"], "n": [4111111111111111] * 3})
    done = clean(Redact(), data)
    assert done.values("x") == ["[email]", None, "nothing"]
    assert done.values("y") == ["b", "c", "[ip]"]
    assert done.columns.written == {"x", "y"}
    (cleaned,) = Redact(kinds=["email", "ip"]).work(data)
    assert cleaned.counts == {"email": 1, "ip": 1}


def test_rows_may_go_instead_and_say_what_they_had_but_not_what_it_was(rows, clean):
    data = rows({"x": ["a@b.cc c@d.ee 1.1.1.1", "fine", None], "y": ["+49 30 1234567"] * 2 + ["fine"]})
    done = clean(Redact(columns=["x", "y"], found="drop"), data)
    assert list(done.kept) == ["r2"]
    assert [tuple(done.rejects[row][:2]) for row in ("r0", "r1")] == [
        ("email", "`x` has: e-mail address (2), IP address; `y` has: telephone number"),
        ("phone", "`y` has: telephone number"),
    ]


def test_nothing_of_it_is_left_in_the_outcome_of_the_cleaner(run_recipe):
    lines = [json.dumps({"text": f"write to anna{n}@example.com", "stars": "5", "split": "train"}) for n in range(3)]
    lines.append(json.dumps({"text": "call +49 30 7654321", "stars": "4", "split": "train"}))
    table = '[[data.reviews.clean]]\nuse = "redact"\ncolumns = ["text"]\nkinds = ["email"]\n'
    done = run_recipe(lines, table + table.replace("email", "phone") + 'found = "drop"\n')
    assert [row["text"] for row in done.kept("reviews.clean.2")] == ["write to [email]"] * 3
    for stage in ("reviews.clean.1", "reviews.clean.2"):
        details = json.loads((done.folder(stage) / "outcome.json").read_text())["details"]
        assert details["counts"] == ({"email": 3} if stage.endswith("1") else {"phone": 1})
        assert "example.com" not in json.dumps(details)
    assert b"example.com" not in (done.folder("reviews.clean.1") / "changes.arrow").read_bytes()
    [reject] = done.rejects("reviews.clean.2")
    assert (reject["rule"], reject["line"], reject["raw"]) == ("phone", 4, None)
    assert b"7654321" not in (done.folder("reviews.clean.2") / "rejects.arrow").read_bytes()
    assert "7654321" not in done.run.report.read_text()
    assert "example.com" not in done.run.report.read_text()


@pytest.mark.parametrize("placeholder", ["x@y.zz", "12", "http://{kind}"])
def test_a_placeholder_that_could_be_redacted_itself_is_refused(refused, placeholder):
    error = refused(Redact, placeholder=placeholder)
    assert "could be taken for something to redact" in str(error)
    assert error.option == "placeholder"


def test_other_columns_than_texts_are_refused():
    with pytest.raises(OptionError, match="column `n` holds integer, expected text"):
        Redact(columns=["n"]).columns_after(Columns({"n": "integer"}))


PIECES = st.sampled_from(
    [
        "a@b.cc",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "+49 30 1234567",
        "1.2.3.4",
        "2001:db8::1:2",
        "http://x.yz",
    ]
)
JUMBLE = st.lists(st.one_of(PIECES, st.text(st.sampled_from("aZ09 .,:/@+-()[]w")))).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(JUMBLE, min_size=1, max_size=4),
    st.sets(st.sampled_from(KINDS), min_size=1),
    st.sampled_from(["[{kind}]", "x", ""]),
)
def test_redacted_twice_nothing_more_changes(rows, texts, kinds, placeholder):
    cleaner = Redact(columns=["x"], kinds=sorted(kinds), placeholder=placeholder)
    (done,) = cleaner.work(rows({"x": texts}, per_batch=9))
    once = done.batch["x"].to_pylist()
    assert done.rejects == {}
    assert once == [cleaner.clean_row({"x": text})["x"] for text in texts]
    assert once == [cleaner.clean_row({"x": text})["x"] for text in once]


@given(st.integers(2, 6), st.lists(st.integers(0, 9), min_size=12, max_size=17))
def test_card_numbers_are_those_whose_digits_add_up(first, digits):
    number = "".join(map(str, [first, *digits]))
    total = sum(d if at % 2 == len(number) % 2 else 2 * d - 9 * (d > 4) for at, d in enumerate(map(int, number), 1))
    assert (redacted(number, kinds=["card"]) == "[card]") == (total % 10 == 0)


@pytest.mark.parametrize(
    "text", ["a" * 10**5, "1 " * 10**4, "5 " * 10**4, "a.b@" * 10**4, "12-" * 10**4, "A1 " * 10**4, "1:" * 10**4]
)
def test_long_texts_take_no_time(text):
    assert len(redacted(text)) == len(text)
