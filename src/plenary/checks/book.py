"""Where the book is: at ``PLENARY_BOOK_URL``, else the pages built on this machine."""

import os
from dataclasses import dataclass
from pathlib import Path

_LOCAL_BUILD = Path(__file__).resolve().parents[3] / "_build" / "html"


@dataclass(frozen=True)
class Link:
    """A paragraph of the book: its title, and its address unless there is no book to open."""

    title: str
    address: str | None

    def __str__(self) -> str:
        """Write the link as text."""
        return f"{self.title}, {self.address or 'once the book is built with: make book'}"


def link(page: str, anchor: str, title: str) -> Link:
    """Link to a paragraph; ``page`` is relative to ``book/`` and has no ending."""
    base = os.environ.get("PLENARY_BOOK_URL")
    if not base and (_LOCAL_BUILD / "book" / f"{page}.html").exists():
        base = _LOCAL_BUILD.as_uri()
    return Link(title, f"{base.rstrip('/')}/book/{page}.html#{anchor}" if base else None)
