"""Foreign text on the page in a real browser: every element of Streamlit leaves it as it is."""

import json
import string
from urllib.parse import urlencode

import pytest

from core.text import line
from tests.browser import ROOT, open_page, serve, settle

pytestmark = pytest.mark.browser

TEXTS = [
    *("https://evil.example/a?b=c&d#e", "HTTPS://EVIL.EXAMPLE", "http:\\/\\/evil.example"),
    *("www.evil.example", "www. evil.example", "(www.evil.example).", "_https://evil.example_"),
    *("me@evil.example", "mailto:me@evil.example", "xmpp:me@evil.example", "a.b+c@evil.example."),
    *(":streamlit:", ":smile:", ":material/home:", "::a::", ":red[x]", ":red-badge[x]", ":help[x]"),
    *(":small[]", ":x[y]{a=b}", "::hr", "::: x", "&#58;streamlit&#58;", "a:b:c 12:30:45"),
    *("a -> b <- c <-> d -- e >= f <= g ~= h", "-> a", "a ->", "--", "---", "***"),
    *("# head", "1. one", "1) one", "- x", "+ x", "> q", "[ ] task", "    code", "x\n: y"),
    *("```\ncode\n```", "`code`", "$x^2$ $$y$$", "*a* _b_ ~~c~~ **d**", "| a |\n|---|\n| 1 |"),
    *("<b>b</b> <script>alert(1)</script>", "&amp; &lt;", "a\\b \\* \\", "don't “quote” it's"),
    *("[a](https://evil.example)", "![i](https://evil.example/i.png)", "[x]: https://evil.example"),
    *(string.punctuation, string.punctuation[::-1], "swan_(1)-[2]{3}.jpg", "Zürich 白鳥 🦢"),
    *("photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "a\N{ZERO WIDTH SPACE}b\x1b[2J\x00", "W" * 3000),
]

PAGE = """
import json
import streamlit as st
from core.text import markdown

for number, text in enumerate(json.loads({texts!r})):
    words = markdown(text)
    with st.container(key=f"text_{{number}}"):
        for show in (st.error, st.warning, st.info, st.caption, st.markdown, st.expander):
            show(words)
        st.progress(0.5, words)
        st.checkbox(words, key=f"checkbox_{{number}}")
        st.button(words, key=f"button_{{number}}")
        st.download_button(words, "", key=f"download_{{number}}")
        st.segmented_control("Label", [words], key=f"segmented_{{number}}")
"""
ELEMENTS = 11

# Without the labels of the elements themselves.
READ = """number => {
    const kinds = ["stMarkdownContainer", "stCaptionContainer"].map((id) => `[data-testid=${id}]`);
    const usual = ["P", "SPAN"];
    return [...document.querySelectorAll(`.st-key-text_${number} :is(${kinds})`)].map((each) => [
        each.textContent.replace(/\\s+/g, " ").trim(),
        [...each.querySelectorAll("*")].map((part) => part.tagName)
            .filter((name) => !usual.includes(name)),
    ]).filter(([words]) => words !== "Label");
}"""


def test_markdown_leaves_it_as_it_is_everywhere(browser, tmp_path):
    script = tmp_path / "page.py"
    script.write_text(PAGE.format(texts=json.dumps(TEXTS)), "utf-8")
    with serve(script) as url, open_page(browser, url) as page:
        page.locator(f".st-key-text_{len(TEXTS) - 1}").wait_for()
        settle(page)
        for number, text in enumerate(TEXTS):
            found = page.evaluate(READ, number)
            assert found == ELEMENTS * [[" ".join(line(text).split()), []]], text
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


HOSTILE = (
    "https://evil.example/a?b=c www.evil.example me@evil.example :streamlit: -> :red[x] <b>b</b> "
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe " + 3000 * "W"
)
QUICK = {
    **{"small_window": 112, "small_stride": 112, "large_window": 112, "large_stride": 112},
    **{"steps": 10, "judge": "false", "maps": "Occlusion large"},
}


@pytest.fixture(scope="module")
def url():
    with serve(ROOT / "dashboard" / "app.py") as address:
        yield address


@pytest.mark.parametrize("width", [1440, 1366, 390])
def test_an_address_writes_no_link_and_no_picture_onto_the_page(browser, url, width):
    asked = {
        **QUICK,
        **{"sample": HOSTILE, "target": HOSTILE, "contrast": "www.evil.example", "sign": ":smile:"},
    }
    size = {"width": width, "height": 900}
    with open_page(browser, f"{url}/?{urlencode(asked)}", viewport=size) as page:
        page.locator(".wil-headline").wait_for()
        settle(page, 120)
        told = page.locator("[data-testid=stAlert]").all_text_contents()
        assert len(told) == 4
        beginning = "https://evil.example/a?b=c www.evil.example me@evil.e…"
        assert sum(beginning in sentence for sentence in told) == 2
        assert sum("www.evil.example" in sentence for sentence in told) == 3
        assert sum("':smile:'" in sentence for sentence in told) == 1
        marked = page.locator("[data-testid=stMarkdownContainer]")
        assert marked.locator("a").count() == marked.locator("img, b").count() == 0
        assert page.locator('a[href*="evil.example"]:not([href^="http://127.0.0.1"])').count() == 0
        main = page.locator("[data-testid=stMain]")
        assert main.evaluate("each => each.scrollWidth <= each.clientWidth")
