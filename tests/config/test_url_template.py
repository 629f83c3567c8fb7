"""Arguments in the address of an HTTP tool are data, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bot.config.url_template import UrlTemplate

SHOP = UrlTemplate("https://user:pw@shop.example:8443/orders/{number}/items?lang={language}&limit=5")


def test_arguments_are_encoded_where_they_stand() -> None:
    filled = SHOP.fill({"number": "A 7&x=1", "language": "de&admin=1#"}, {"page": 2, "tag": ["a/b", True]})
    assert filled == (
        "https://user:pw@shop.example:8443/orders/A%207%26x%3D1/items"
        "?lang=de%26admin%3D1%23&limit=5&page=2&tag=a%2Fb&tag=true"
    )


@given(number=st.text(), language=st.text(), more=st.dictionaries(st.sampled_from(["a", "b"]), st.text()))
def test_no_text_changes_host_path_or_query(number: str, language: str, more: dict[str, str]) -> None:
    try:
        url = URL(SHOP.fill({"number": number, "language": language}, more), encoded=True)
    except (ValueError, UnicodeEncodeError):
        return
    assert (url.scheme, url.host, url.port) == ("https", "shop.example", 8443)
    assert [part for i, part in enumerate(url.raw_parts) if i != 2] == ["/", "orders", "items"]
    assert url.parts[2] == number
    assert list(url.query.items()) == [("lang", language), ("limit", "5"), *more.items()]
    assert not url.raw_fragment


@pytest.mark.parametrize(
    "number", ["", ".", "..", "../admin", "a/b", "a\\b", "..%2f", "%2e%2e/x", "a\nb", "\0", None, {}, ["a"]]
)
def test_what_could_be_more_than_one_segment_is_refused(number: object) -> None:
    if number in ("..%2f", "%2e%2e/x"):
        number = str(number).replace("%2f", "/").replace("%2e", ".")
    with pytest.raises(ValueError):
        SHOP.fill({"number": number, "language": "en"}, {})


def test_a_percent_sign_stays_one() -> None:
    """``%2e%2e`` from the model is the text %2e%2e, not two dots."""
    assert "/orders/%252e%252e/items" in SHOP.fill({"number": "%2e%2e", "language": "en"}, {})


def test_dots_of_the_template_and_of_an_argument_do_not_add_up() -> None:
    with pytest.raises(ValueError):
        UrlTemplate("https://shop.example/.{ending}/x").fill({"ending": "."}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shop.example/x", "no web address"),
        ("ftp://shop.example/x", "no web address"),
        ("https:///x", "no web address"),
        ("https://shop.example:99999/", "Port out of range"),
        ("https://{host}/x", "the host"),
        ("https://shop.example{x}/", "the host"),
        ("https://u:{x}@shop.example/", "the host"),
        ("https://shop.example/a#{x}", "fragment"),
        ("https://shop.example/?{name}=1", "write name={argument}"),
        ("https://shop.example/a?b=1&{name}", "write name={argument}"),
        ("https://shop.example/{a", "brace"),
        ("https://shop.example/a}", "brace"),
        ("https://shop.example/../{a}", ".."),
        ("https://shop.example/%2e%2E/{a}", ".."),
    ],
)
def test_what_is_no_template(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("{", r"\{").replace(".", r"\.")):
        UrlTemplate(text)


def test_the_operators_own_text_is_made_fit() -> None:
    assert UrlTemplate("https://shop.example/größe/{a}?q=ä b").fill({"a": 1.5}, {}) == (
        "https://shop.example/gr%C3%B6%C3%9Fe/1.5?q=%C3%A4%20b"
    )
