"""The page in a real browser: labelled by keyboard, by two people, with data that means harm, with a server that dies.

With SCREENSHOTS=FOLDER pictures of each view are kept there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ladle_annotation.labels import Labels
from ladle_annotation.log import events_in

pytestmark = pytest.mark.slow

ROWS = [{"text": f"text {number}"} for number in range(30)]
ORDER = 'labels = ["negative", "positive"]\norder = "given"\n'
SIZES = [(1280, 800, False), (390, 844, False), (1280, 800, True), (390, 844, True)]


def keep(page, name):
    """Pictures of a view, wide and narrow, light and dark; nothing may stand out of the window in any."""
    for width, height, dark in SIZES:
        page.resize(width, height, dark)
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        if "SCREENSHOTS" in os.environ:
            theme = "dark" if dark else "light"
            page.screenshot(Path(os.environ["SCREENSHOTS"]) / f"{name}-{width}x{height}-{theme}.png")
    page.resize()


def labels_of(made):
    labels = Labels(events_in(made.labels, "sentiment"))
    return {row: {who: event.value for who, event in labels[row].answers.items()} for row in labels}


def said(made):
    return [(event.kind, event.value) for event in events_in(made.labels, "sentiment")]


def shown(page, text):
    """Wait until a row is shown."""
    page.wait(f"document.querySelector('#row .value')?.textContent === {text!r}")


def test_rows_are_labelled_by_keyboard_alone(project, browser):
    made = project(ROWS, ORDER + 'instructions = "Be fair."\nenough = 4\n')
    page = browser.open(made.serve().url)
    assert "Be fair." in page.text("#labelling")
    for number, key in enumerate("1221"):
        shown(page, f"text {number}")
        page.press(key)
    shown(page, "text 4")
    page.press("Backspace")  # the last label is taken back, and its row is here again
    shown(page, "text 3")
    page.press("u", "2")
    shown(page, "text 4")
    page.press("s")  # passed over
    page.press("f")  # flagged
    page.press("n")
    page.type("odd")
    page.press("Enter")
    page.wait("!document.querySelector('#dialog').open")
    page.saved()
    assert said(made) == [
        ("label", "negative"),
        ("label", "positive"),
        ("label", "positive"),
        ("label", "negative"),
        ("undo", None),
        ("label", "positive"),
        ("skip", None),
        ("flag", True),
        ("note", "odd"),
    ]
    assert events_in(made.labels, "sentiment")[5].confidence == 0.5
    page.wait("document.querySelector('#count').textContent.includes('enough to go on')")
    page.wait("document.querySelectorAll('#latest li').length === 4")
    assert "your note: odd" in page.text("#about")
    assert page.run("document.querySelector('[aria-pressed=true]').textContent").endswith("Flag")
    keep(page, "choice")
    page.press("?")
    assert "negative" in page.text("dialog")
    page.press("Escape")
    assert page.complaints() == []


def test_a_key_that_is_held_down_labels_one_row(project, browser):
    made = project(ROWS, ORDER)
    page = browser.open(made.serve().url)
    down = {"type": "keyDown", "key": "1", "text": "1", "windowsVirtualKeyCode": 49}
    for repeat in (False, True, True, True):
        page.call("Input.dispatchKeyEvent", **down, autoRepeat=repeat)
    shown(page, "text 1")
    page.saved()
    assert said(made) == [("label", "negative")]


def test_an_earlier_label_is_changed_from_the_list_and_labelling_goes_on_where_it_was(project, browser):
    made = project(ROWS, ORDER)
    page = browser.open(made.serve().url)
    page.press("1", "1")
    shown(page, "text 2")
    page.wait("document.querySelectorAll('#latest li').length === 2")
    page.click("#latest li:last-child button")
    shown(page, "text 0")
    assert "you said negative" in page.text("#about")
    page.press("2")
    shown(page, "text 2")
    page.saved()
    assert sorted(str(who) for who in labels_of(made).values()) == ["{'ann': 'negative'}", "{'ann': 'positive'}"]


def test_two_annotators_label_and_a_third_settles(project, browser):
    made = project(ROWS[:4], ORDER + "annotators = 2\n")
    server = made.serve()
    ann, ben = browser.open(server.url), browser.open(server.url)
    ben.click("#who")
    ben.type("ben")
    ben.press("Enter")
    ben.wait("document.querySelector('#who').textContent === 'ben'")
    for number in range(4):
        for page, keys in ((ann, "1122"), (ben, "1212")):
            shown(page, f"text {number}")
            page.press(keys[number])
            page.saved()
    ann.wait("document.querySelector('.nothing')?.textContent.includes('ladle run reviews.toml')")
    answers = sorted(str(sorted(who.items())) for who in labels_of(made).values())
    both = ["negative", "positive"]
    assert answers == sorted(str([("ann", one), ("ben", other)]) for one in both for other in both)

    ben.click("#who")
    ben.type("eve")
    ben.press("Enter")
    ben.wait("document.querySelector('#who').textContent === 'eve'")
    ben.wait("document.querySelector('#disputed').textContent === '2'")
    ben.click('[data-view="progress"]')
    ben.wait("document.querySelector('#progress h2')")
    assert "Cohen's kappa" in ben.text("#progress")
    assert "0.00" in ben.text("#progress table:last-of-type")
    keep(ben, "progress")
    ben.click('[data-view="settle"]')
    ben.wait("document.querySelectorAll('#said li').length === 2")
    assert ben.text("#said").splitlines() == ["ann: negative", "ben: positive"]
    keep(ben, "settle")
    ben.press("2")
    shown(ben, "text 2")
    ben.press("2")
    ben.wait("document.querySelector('.nothing')?.textContent.includes('Nothing is left to settle')")
    ben.saved()
    assert said(made)[-2:] == [("final", "positive"), ("final", "positive")]
    assert ann.complaints() == ben.complaints() == []


def test_two_windows_of_one_annotator_never_show_the_same_row_and_conflicts_are_told(project, browser):
    made = project(ROWS, ORDER)
    server = made.serve()
    one, two = browser.open(server.url), browser.open(server.url)
    shown(one, "text 0")
    assert two.text("#row") not in [f"text {number}" for number in range(5)]
    row = server.get("api/row", annotator="ann", row=one.run("current.row"))["row"]
    server.label(row, "positive", window="elsewhere")
    one.press("1")
    one.wait("document.querySelector('#dialog').open")
    assert "positive" in one.text("dialog")
    assert labels_of(made)[row] == {"ann": "positive"}
    one.press("Enter")  # Use mine
    one.wait("!document.querySelector('#dialog').open")
    one.saved()
    assert labels_of(made)[row] == {"ann": "negative"}


def test_a_server_that_is_killed_loses_nothing_and_what_is_not_saved_is_told(project, browser):
    made = project(ROWS, ORDER)
    server = made.serve()
    page = browser.open(server.url)
    page.press("1", "2", "1")
    page.saved()
    server.kill()
    page.press("2")
    page.wait("document.querySelector('#saved').textContent === 'not saved'")
    assert "1 thing you said is not saved" in page.text("#trouble")
    assert [value for _, value in said(made)] == ["negative", "positive", "negative"]
    again = browser.open(made.serve().url)
    shown(again, "text 3")
    assert again.wait("document.querySelectorAll('#latest li').length === 3")


HOSTILE = [
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">",
    "safe \u202egnp.exe\u202c\u0007 \u2066left\u2069",
    "שלום, עולם: 12 < 34",
    "word " * 210_000,
]


def test_texts_that_mean_harm_are_only_texts(project, browser):
    made = project([{"text": text} for text in HOSTILE], ORDER + 'instructions = "<b>bold</b>"\n')
    page = browser.open(made.serve().url)
    shown(page, HOSTILE[0])
    assert page.run("document.querySelectorAll('#row script, #row img, #labelling b:not(#about b)').length") == 0
    assert "<b>bold</b>" in page.text("#instructions")
    page.press("1")
    page.wait("document.querySelectorAll('#row .escape').length === 5")
    assert page.text("#row .value") == "safe U+202Egnp.exeU+202CU+0007 U+2066leftU+2069"
    keep(page, "hostile")
    page.press("2")
    shown(page, HOSTILE[2])
    assert page.run("getComputedStyle(document.querySelector('#row .value')).direction") == "rtl"
    assert page.run("getComputedStyle(document.querySelector('#row .value')).unicodeBidi") == "isolate"
    page.press("1")
    page.wait("document.querySelector('.more')")
    assert page.run("document.querySelector('#row .value').textContent.length") == 4000
    assert page.text(".more") == "Show all (1,050,000 characters)"
    page.click(".more")
    page.wait("document.querySelector('#row .value').textContent.length === 1050000")
    page.press("2")
    page.wait("document.querySelector('.nothing')")
    page.saved()
    assert page.run("document.title") == "sentiment · reviews.label.1"
    assert page.complaints() == []
    assert [value for _, value in said(made)] == ["negative", "positive"] * 2


def test_spans_are_marked_with_arrows_or_the_mouse(project, browser):
    text = "Ada Lovelace met Charles Babbage in London."
    made = project([{"text": text}, {"text": "nobody"}], 'spans = ["PER", "LOC"]\norder = "given"')
    page = browser.open(made.serve().url)
    page.press("1")  # nothing is chosen yet: nothing happens
    page.press("ArrowRight")
    page.press("ArrowRight", shift=True)
    page.press("1")
    page.wait("document.querySelectorAll('mark').length === 1")
    page.click('.word[data-at="6"]')
    page.click('[data-choice="LOC"]')
    page.wait("document.querySelectorAll('mark').length === 2")
    for kind, at in (("mousePressed", 3), ("mouseMoved", 4), ("mouseReleased", 4)):
        x, y = page.run(
            f"(() => {{ const r = document.querySelector('.word[data-at=\"{at}\"]').getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        buttons = {"button": "left", "buttons": 1, "clickCount": 1}
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **buttons)
    page.press("2")
    page.wait("document.querySelectorAll('mark').length === 3")
    keep(page, "spans")
    page.press("0")  # not a place after all
    page.wait("document.querySelectorAll('mark').length === 2")
    page.press("Enter")
    page.wait("document.querySelector('#row').innerText.includes('nobody')")
    page.press("Enter")
    page.saved()
    assert [value for _, value in said(made)] == [
        [
            {"start": 0, "end": 12, "label": "PER", "text": "Ada Lovelace"},
            {"start": 36, "end": 42, "label": "LOC", "text": "London"},
        ],
        [],
    ]
    page.press("Backspace")
    page.wait("document.querySelector('#row').innerText.includes('nobody')")
    assert page.complaints() == []


@pytest.mark.parametrize(
    ("name", "options", "keys", "values"),
    [
        ("choices", 'labels = ["a", "b", "c"]\nmultiple = true', [*"13", "Enter", "Enter"], [["a", "c"], []]),
        ("number", "number = { from = 0, to = 5 }", [*"30"], [3, 0]),
        ("wide-number", "number = { from = 0, to = 100 }", [*"42", "Enter", *"7", "Enter"], [42, 7]),
        ("text", "text = true", [*"fine", "Enter", *"1s?", "Enter"], ["fine", "1s?"]),
        (
            "own-keys",
            'labels = ["no", "yes"]\nkeys = { no = "n", yes = "y" }\naction_keys = { note = "m" }',
            "yn",
            ["yes", "no"],
        ),
        ("no-advance", 'labels = ["no", "yes"]\nadvance = false', ["1", "2", "Enter", "1"], ["no", "yes", "no"]),
    ],
)
def test_each_kind_of_label_has_its_keys(project, browser, name, options, keys, values):
    made = project(ROWS, f'{options}\norder = "given"')
    page = browser.open(made.serve().url)
    keep(page, name)
    page.press(*keys)
    page.saved()
    assert [value for _, value in said(made)] == values
    assert page.complaints() == []


def test_of_a_pair_the_first_key_is_for_what_stands_first(project, browser):
    rows = [{"prompt": "Why?", "one": f"left {number}", "two": f"right {number}"} for number in range(6)]
    made = project(rows, 'pair = ["one", "two"]\nshow = ["prompt"]\norder = "given"')
    page = browser.open(made.serve().url)
    keep(page, "pair")
    first = []
    for number in range(6):
        page.wait(f"document.querySelector('.pair')?.innerText.includes('left {number}')")
        first.append(page.text(".side .value"))
        page.press("1")
    page.wait("document.querySelector('.nothing')")
    page.saved()
    assert [f"{'left' if value == 'one' else 'right'} {n}" for n, (_, value) in enumerate(said(made))] == first
    assert len({text.partition(" ")[0] for text in first}) == 2


def test_rows_are_entered_and_come_in(project, browser):
    made = project(ROWS[:2], ORDER)
    source = '[[data.reviews.source]]\nuse = "entered"\ncolumns = { text = "text", stars = "integer" }\n'
    text = made.recipe.read_text().replace("[data.reviews.source]", "[[data.reviews.source]]")
    made.recipe.write_text(text.replace("[[data.reviews.label]]", f"{source}[[data.reviews.label]]"))
    made.ladle("data", "add", "reviews.toml", "text=first by hand")
    page = browser.open(made.serve().url)
    page.click('[data-view="enter"]')
    page.wait("document.activeElement.matches('#entering textarea')")
    page.type("second by hand")
    page.press("Tab")
    page.type("4")
    keep(page, "enter")
    page.press("Enter")
    page.wait("document.querySelector('#entering [role=status]').textContent.startsWith('1 row entered')")
    page.click("#entering .row button:last-child")
    page.wait("document.querySelector('#entering [role=status]').textContent.includes('to label now')", 30)
    page.click('[data-view="label"]')
    page.wait("document.querySelector('#count').textContent.includes('4 rows')")
    for _ in range(4):
        page.wait("current !== null")
        page.press("1")
    page.wait("document.querySelector('.nothing')")
    page.saved()
    assert len(labels_of(made)) == 4
    assert page.complaints() == []


def test_what_can_be_operated_has_a_name_and_contrast_enough(project, browser):
    page = browser.open(project(ROWS, ORDER + 'instructions = "Be fair."\n').serve().url)
    page.press("1")
    page.wait("document.querySelectorAll('#latest li').length === 1")
    for dark in (False, True):
        page.resize(dark=dark)
        assert page.run(_NAMELESS) == []
        assert page.run(_FAINT) == []
    page.press("Tab")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert float(page.run("getComputedStyle(document.activeElement).outlineWidth").removesuffix("px")) >= 2


_NAMELESS = """[...document.querySelectorAll('button, input, textarea, [role=progressbar], section, aside')]
  .filter(e => e.checkVisibility() && !(e.innerText || e.getAttribute('aria-label') || e.labels?.length))
  .map(e => e.outerHTML)"""
_FAINT = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => [0, 1, 2].map(c => (top[c] * top[3] + below[c] * (255 - top[3])) / 255);
  const behind = e => e ? over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)) : [255, 255, 255];
  const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.map(c => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = e => {
    const ground = behind(e), text = over(rgba(getComputedStyle(e).color), ground);
    const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll('body *')]
    .filter(e => e.checkVisibility() && !e.matches('.unseen, noscript') && hasText(e) && contrast(e) < 4.5)
    .map(e => [contrast(e), e.textContent]);
})()"""
