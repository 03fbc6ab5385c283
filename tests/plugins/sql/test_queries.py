"""What a query may be, and what in it is a parameter."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ladle import OptionError
from ladle_sql.query import Query

PIECES = st.one_of(
    st.sampled_from([":one", ":two_2", " ", "\n", ",", "::int", "a[1:2]", "(", ")", "x", "7", "%", "\\", ":=", ": "]),
    st.text(st.characters(exclude_characters="'\0", exclude_categories=["Cs"])).map(lambda text: f"'{text}'"),
    st.text(st.characters(exclude_characters='"\0', exclude_categories=["Cs"])).map(lambda text: f'"{text}"'),
    st.text(st.characters(exclude_characters="\n\r*/\0", exclude_categories=["Cs"])).map(lambda text: f"--{text}\n"),
    st.text(st.characters(exclude_characters="*/\0", exclude_categories=["Cs"])).map(lambda text: f"/*{text}*/"),
    st.text(st.characters(exclude_characters="$\0", exclude_categories=["Cs"])).map(lambda text: f"$x${text}$x$"),
)


@given(st.lists(PIECES))
def test_the_database_gets_the_query_as_it_is_written_but_for_parameters(pieces):
    query = Query.of("SELECT " + " ".join(pieces), "query")
    names = [piece[1:] for piece in pieces if piece in (":one", ":two_2")]
    assert query.parameters == list(dict.fromkeys(names))
    dialect = sa.engine.default.DefaultDialect(paramstyle="named")
    assert str(query.bound(dict.fromkeys(names, 1)).compile(dialect=dialect)).strip() == query.text.strip()


@given(st.text(), st.sampled_from(["select 1", "WITH x AS (SELECT 1) SELECT * FROM x", "(values (1))", "Table t"]))
def test_comments_around_a_query_do_not_matter(comment, query):
    comment = comment.replace("*/", "").replace("/", "")
    Query.of(f"/* {comment} */ -- more\n {query} ; /* {comment} */ ;", "query")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("UPDATE t SET a = 1", "`UPDATE` begins no query: a source asks for rows, and changes nothing"),
        ("/* SELECT */ drop table t", "`DROP` begins no query: a source asks for rows, and changes nothing"),
        (" -- nothing\n", "there is no query: a source asks for rows, and changes nothing"),
        ("SELECT 1; DELETE FROM t", "these are several statements"),
        ("SELECT ';'; SELECT 2", "these are several statements"),
        ("SELECT E'\\';' ; SELECT 2", "these are several statements"),
    ],
)
def test_what_is_no_single_query_is_refused(text, message):
    with pytest.raises(OptionError) as caught:
        Query.of(text, "fingerprint")
    assert str(caught.value) == message
    assert caught.value.option == "fingerprint"


def test_parameters_are_all_given_and_all_used():
    query = Query.of("SELECT :since, :until, ':quoted' -- :comment", "query")
    query.check({"since": 1, "until": 2})
    with pytest.raises(OptionError, match="the query has a parameter `:until` that is not given") as caught:
        query.check(["since"])
    assert caught.value.help == "write parameters = { until = … }"
    with pytest.raises(OptionError, match="the query has no parameter `:sinc`") as caught:
        query.check(["since", "until", "sinc"])
    assert caught.value.path == ("parameters", "sinc")
    assert caught.value.help == "did you mean `since`?"
