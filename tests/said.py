"""What elements of the page say, as a person reads it."""

from core.text import BREAK


def said(elements):
    """The words of errors, warnings and captions."""
    return [unmarked(element.value) for element in elements]


def unmarked(markdown):
    """Words without what keeps Markdown from reading them."""
    return markdown.replace(BREAK, "").replace("\\", "")
