"""Page after page, in every way that an API may have: exactly its rows, and no end missed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROWS = [{"n": number, "text": f"film {number}"} for number in range(7)]
STYLES = {
    "page": {"by": "page"},
    "page from 0": {"by": "page", "parameter": "p", "start": 0},
    "page and more": {"by": "page", "more": "meta.next"},
    "offset": {"by": "offset"},
    "offset and more": {"by": "offset", "parameter": "skip", "more": "meta.next"},
    "cursor": {"by": "cursor", "at": "meta.cursor"},
    "cursor that is a number": {"by": "cursor", "at": "meta.number"},
    "cursor and more": {"by": "cursor", "at": "meta.cursor", "parameter": "after", "more": "meta.next"},
    "link": {"by": "link"},
    "next": {"by": "next", "at": "meta.next"},
}
POSTED = {name: pages for name, pages in STYLES.items() if pages["by"] in ("page", "offset", "cursor")}


def each_once(api):
    return len({str(asked[:3] + asked[4:]) for asked in api.asked}) == len(api.asked)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [1, 3, 7, 10])
def test_every_style_gives_exactly_the_rows(api, read, style, size):
    api.serve(ROWS, size)
    found = read(rows="data.items", pages=STYLES[style])
    assert found.rows == ROWS
    assert found.rejects == []
    assert each_once(api)


@pytest.mark.parametrize("style", POSTED)
def test_places_go_into_the_body_of_a_post(api, read, style):
    api.serve(ROWS, 3)
    pages = POSTED[style]
    name = pages.get("parameter", pages["by"])
    body = {"query": "{ films }", "variables": {"genre": "drama"}}
    found = read(method="POST", body=body, rows="data.items", pages=pages | {"parameter": f"variables.{name}"})
    assert found.rows == ROWS
    assert {(asked.method, asked.body["query"], asked.body["variables"]["genre"]) for asked in api.asked} == {
        ("POST", "{ films }", "drama")
    }
    assert all(not asked.query for asked in api.asked)
    assert len({origin for origin, _ in found.origins}) == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=20) | st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30),
    size=st.integers(1, 31),
    style=st.sampled_from(sorted(STYLES)),
)
def test_any_rows_in_pages_of_any_size_come_once_and_in_order(api, read, texts, size, style):
    rows = [{"n": number, "value": {"text": text}} for number, text in enumerate(texts)]
    api.asked.clear()
    api.serve(rows, size)
    found = read(rows="data.items", pages=STYLES[style], guess_rows=len(rows))
    assert found.values("n") == list(range(len(rows)))
    assert found.rejects == []
    assert each_once(api)
    per_page = [
        sum(origin[0] == file for origin in found.origins) for file in dict.fromkeys(f for f, _ in found.origins)
    ]
    assert per_page == [len(rows[start : start + size]) for start in range(0, len(rows), size)]


def test_one_answer_is_all_where_no_pages_are_said(api, read):
    api.respond = lambda asked: ROWS
    assert read().rows == ROWS
    assert len(api.asked) == 1


def test_parameters_go_with_every_page(api, read):
    api.serve(ROWS, 4)
    read(
        url=api.url("/films?kind=long"),
        parameters={"genre": "drama & crime", "year": 1999, "seen": False, "tag": ["b"]},
        rows="data.items",
        pages={"by": "offset"},
    )
    always = {"kind": "long", "genre": "drama & crime", "year": "1999", "seen": "false", "tag": "b"}
    assert [asked.query for asked in api.asked] == [always | {"offset": str(n)} for n in (0, 4, 7)]


def test_an_api_that_gives_fewer_rows_than_asked_for_loses_none(api, read):
    api.serve(ROWS, 2)
    assert read(parameters={"limit": 100}, rows="data.items", pages={"by": "offset", "parameter": "skip"}).rows == ROWS


def test_reading_ends_after_the_most_pages(api, read):
    api.serve(ROWS, 2)
    assert read(rows="data.items", pages={"by": "page", "most": 2}).rows == ROWS[:4]
    assert len(api.asked) == 2


def test_pages_without_rows_do_not_end_a_cursor(api, read):
    api.each({"rows": [], "next": "a"}, {"rows": ROWS[:1], "next": "b"}, {"rows": [], "next": "c"}, {"rows": ROWS[1:]})
    assert read(rows="rows", pages={"by": "cursor", "at": "next"}).rows == ROWS


def test_an_address_of_the_next_page_may_be_relative_or_elsewhere(api, read):
    other = api.url("/more?x=%26", host="localhost")
    api.each({"rows": ROWS[:2], "next": "?page=2"}, {"rows": ROWS[2:4], "next": other}, {"rows": ROWS[4:], "next": ""})
    assert read(rows="rows", pages={"by": "next"}).rows == ROWS
    assert [(asked.path, asked.query) for asked in api.asked[1:]] == [("/films", {"page": "2"}), ("/more", {"x": "&"})]
    assert api.asked[2].headers["host"].startswith("localhost")


@pytest.mark.parametrize(
    ("header", "second"),
    [
        ('<?page=2>; rel="next"', True),
        ("<?page=2>;rel=next", True),
        ('<?page=1>; rel="prev", <?page=2>; rel="next"', True),
        ('</a,b>; title="x, <y>; rel=next"; rel=prev , <?page=2> ; REL = "last NEXT"', True),
        ('<?page=2>; rel="prev"; rel="next"', False),
        ('<?page=2>; rel="next"; anchor="#other"', False),
        ('<?page=2>; rel="nextpage"', False),
        ("nonsense", False),
        ("<" * 3000, False),
    ],
)
def test_the_link_header_is_read_as_rfc_8288_has_it(api, read, header, second):
    api.each(api.reply(ROWS[:1], headers={"Link": header}), ROWS[1:])
    assert len(read(pages={"by": "link"}).rows) == (7 if second else 1)
    if second:
        assert api.asked[1].query == {"page": "2"}


@pytest.mark.parametrize("by", ["page", "offset"])
def test_an_api_that_does_not_know_the_parameter_is_noticed(api, failure, by):
    api.respond = lambda asked: ROWS
    error = failure(pages={"by": by, "most": 9})
    assert str(error).startswith(f"{api.url()}?{by}=")
    assert "has the same rows as the page before it" in str(error)
    assert f"does the API know the parameter `{by}`?" in error.help
    assert "pages.more" in error.help
    assert error.option == "pages"
    assert len(api.asked) == 2


@pytest.mark.parametrize("period", [1, 3])
def test_a_cursor_that_comes_again_is_noticed(api, failure, period):
    api.respond = lambda asked: {
        "rows": [{"n": len(api.asked)}],
        "next": f"c{len(api.asked) % period}",
    }
    error = failure(rows="rows", pages={"by": "cursor", "at": "next", "parameter": "start", "most": 9})
    assert "is one that came before: it would never end" in str(error)
    assert error.help == "does the API know the parameter `start`?"
    assert len(api.asked) == period + 1


def test_an_address_that_comes_again_is_noticed(api, failure):
    api.respond = lambda asked: {"rows": ROWS, "next": api.url("/films?page=2")}
    error = failure(rows="rows", pages={"by": "next", "most": 9})
    assert str(error) == f"the address after {api.url('/films?page=2')} is one that came before: it would never end"


@pytest.mark.parametrize(
    ("pages", "answer", "message", "help"),
    [
        (
            {"by": "cursor", "at": "meta.next_cursor"},
            {"rows": ROWS, "meta": {"nextcursor": "a"}},
            "there is no `next_cursor` in `meta` of the first answer",
            "did you mean `nextcursor`?; or leave `pages` out, if there is only one page",
        ),
        (
            {"by": "page", "more": "has_more"},
            {"rows": ROWS, "total": 9},
            "there is no `has_more` in the first answer",
            "there are: rows, total; or leave `pages` out, if there is only one page",
        ),
        (
            {"by": "next"},
            {"rows": ROWS},
            "there is no `next` in the first answer",
            "there are: rows; or leave `pages` out, if there is only one page",
        ),
        (
            {"by": "cursor", "at": "next"},
            {"rows": ROWS, "next": {"id": 3}},
            "`next` of an answer is an object with the keys id, not a cursor",
            "",
        ),
        (
            {"by": "cursor", "at": "next"},
            {"rows": ROWS, "next": True},
            "`next` of an answer is true or false, not a cursor",
            "",
        ),
        ({"by": "next"}, {"rows": ROWS, "next": 7}, "`next` of an answer is a number, not a URL", ""),
        (
            {"by": "next"},
            {"rows": ROWS, "next": "ftp://x/y"},
            'the address of the next page is "ftp://x/y", which is none of the web',
            "",
        ),
    ],
)
def test_an_answer_that_does_not_lead_on_is_told(api, failure, pages, answer, message, help):
    api.respond = lambda asked: answer
    error = failure(rows="rows", pages=pages)
    assert (str(error), error.help) == (message, help)


def test_a_cursor_that_is_left_out_on_the_last_page_ends(api, read):
    api.each({"rows": ROWS[:3], "meta": {"next": 3}}, {"rows": ROWS[3:], "meta": {}})
    assert read(rows="rows", pages={"by": "cursor", "at": "meta.next", "more": "meta.next"}).rows == ROWS


def test_an_api_that_says_404_after_its_last_page_is_told_from_a_wrong_address(api, failure):
    api.respond = lambda asked: ROWS if asked.query == {"page": "1"} else api.reply({"detail": "Invalid page."}, 404)
    error = failure(pages={"by": "page"})
    assert str(error) == f'{api.url()}?page=2 answers 404 (Not Found): "{{"detail": "Invalid page."}}"'
    assert "no more pages, name in `pages.more` what tells it before" in error.help
