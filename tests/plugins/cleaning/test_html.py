"""What a reader sees of HTML."""

from __future__ import annotations

import html as escaping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle_cleaning.html import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One<br>two</p><p>three &amp; <b>four</b> five</p>", "One\ntwo\n\nthree & four five"),
        ("<div><div>a</div><div>b</div></div>c <i> d</i> e", "a\nb\nc d e"),
        ("<ul>\n  <li>one\n  <li>two\n</ul>after", "one\ntwo\nafter"),
        ("<h1>Title</h1>\n text", "Title\n\ntext"),
        ("<table><tr><td>a<td>b<tr><th>c</th><th> d </th></table>", "a\tb\nc\td"),
        ("<pre>  x = 1\n    y</pre>z", "  x = 1\n    y\nz"),
        ("<p>a</p><script>if (a<b) x()</script><style>p {}</style><!-- c --><p>b</p>", "a\n\nb"),
        ("<html><head><title>t</title></head><body>b<noscript>n</noscript></body></html>", "b"),
        ("x<svg><text>s</text></svg><textarea>t</textarea><select><option>o</select>y", "xy"),
        ("&lt;b&gt; &copy; &#8364;&#x20AC;&nbsp;.", "<b> © €€\xa0."),
        ("a < b & c, 1 <2", "a < b & c, 1 <2"),
        ("un<b>closed <i>tags</p> and </strange> ones", "unclosed tags\n\nand ones"),
        ("<", "<"),
        ("", ""),
        ("<p></p><br><p> </p>", ""),
    ],
)
def test_a_reader_sees_it_in_lines(html, text):
    assert text_of(html) == text


def test_nesting_has_no_limit():
    assert text_of("<div>" * 5_000 + "deep") == "deep"


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_words_survive_the_way_into_html_and_back(words):
    def paragraph(tag):
        return f"<{tag}>" + "\n".join(map(escaping.escape, words)) + f"</{tag}>"

    assert text_of(paragraph("p")) == " ".join(words)
    assert text_of(paragraph("div") + "<hr>" + paragraph("p")) == " ".join(words) + "\n\n" + " ".join(words)


@given(st.text(st.sampled_from("<>/&;! \n\tapbrdiv=\"'-")))
def test_whatever_it_is_there_is_a_text(html):
    text = text_of(html)
    assert text == text.strip("\n")
    assert "<p>" not in text or "&" in html
