"""What a widget shows where JavaScript does not run: a picture, and its numbers as a table."""

from collections.abc import Sequence
from html import escape


def still(svg: str, note: str, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Put a picture, a remark and a table under one another.

    Args:
        svg: the picture, with words of its own.
        note: what it shows, and how it was computed.
        caption: the table's own title.
        head: the names of its columns.
        rows: their entries; the first one names the row.
    """
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(one)}</td>" for one in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f"{svg}\n<p><small>Still picture of an interactive figure, which needs JavaScript. "
        f"{escape(note)}</small></p>\n"
        f'<div class="plenary-still-table"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )
