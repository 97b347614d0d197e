"""Break long lines of code at their brackets, so that a phone shows most of them whole."""

import ast
import re
from itertools import pairwise

WIDTH = 70
_OPEN, _CLOSE = "([{", ")]}"


def wrapped(code: str, width: int = WIDTH) -> str:
    """Break the lines of some code that are longer than this; take away brackets that say nothing."""
    code = re.sub(r":\n\n(?= )", ":\n", code)
    return "\n".join(broken for line in code.split("\n") for broken in _broken(_bare(line), width))


def _broken(line: str, width: int) -> list[str]:
    """Break one line in its widest outermost bracket, or where ``if`` and ``else`` stand in no bracket."""
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    step = indent + "    "
    places = _depth_zero(line, (" if ", " else ", " for ", " and ", " or "))
    head = re.match(r"\s*(return |[\w\[\], .]+ [-+*/]?= )(?!lambda)", line)
    if head and places and places[0] >= head.end():
        parts = _cut(line[head.end() :], [place - head.end() for place in places])
        return [line[: head.end()] + "(", *(b for p in parts for b in _broken(step + p, width)), indent + ")"]
    if places and not head and not re.match(r"\s*(if|elif|for|while|with|assert|def|class) ", line):
        return [
            b for p in _cut(line.strip(), [p - len(indent) for p in places]) for b in _long(indent + p, width)
        ]
    return _long(line, width)


def _long(line: str, width: int) -> list[str]:
    pairs = [pair for pair in _outermost(line) if pair[1] - pair[0] > 1]
    if len(line) <= width or not pairs:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    step = indent + "    "
    opened, closed = max(pairs, key=lambda pair: pair[1] - pair[0])
    inside = line[opened + 1 : closed].strip()
    if closed - opened < 20:
        return [line]
    lines, parts = [line[: opened + 1]], _arguments(inside)
    if len(step + inside) <= width:
        lines.append(step + inside)
    elif len(parts) > 1:
        for part in parts:
            lines += _broken(f"{step}{part.strip()},", width)
    else:
        lines += _broken(step + inside, width)
    return [*lines, *_broken(indent + line[closed:], width)]


def _bare(line: str) -> str:
    """Take the second pair of brackets from ``sum((x for x in y))``, and the brackets from ``return (a, b)``."""
    for opened, closed in _pairs(line):
        inside = line[opened + 2 : closed - 1]
        if (
            line[opened : opened + 2] == "(("
            and line[closed - 1 : closed + 1] == "))"
            and (opened + 1, closed - 1) in _pairs(line)
            and any(not d and inside.startswith(" for ", p) for p, _, d in _outside_strings(inside))
            and opened
            and (line[opened - 1].isalnum() or line[opened - 1] == "_")
        ):
            return _bare(line[:opened] + "(" + inside + ")" + line[closed + 1 :])
    start = len(line) - len(line.lstrip())
    if line[start:].startswith("return (") and (start + 7, len(line) - 1) in _pairs(line):
        inside = line[start + 8 : -1]
        if len(_arguments(inside)) > 1 and len(line) <= WIDTH + 2:
            return f"{line[:start]}return {inside}"
    return line


def _pairs(line: str) -> list[tuple[int, int]]:
    """Return the places of all brackets that belong together."""
    open_at, pairs = [], []
    for place, char, _ in _outside_strings(line):
        if char in _OPEN:
            open_at.append(place)
        elif char in _CLOSE and open_at:
            pairs.append((open_at.pop(), place))
    return pairs


def _outermost(line: str) -> list[tuple[int, int]]:
    pairs = _pairs(line)
    return [one for one in pairs if not any(other[0] < one[0] and one[1] < other[1] for other in pairs)]


def _depth_zero(text: str, words: tuple[str, ...]) -> list[int]:
    """Return where one of these words stands in no bracket, no string and no lambda."""
    if "lambda" in text:
        return []
    return [p for p, char, depth in _outside_strings(text) if not depth and text.startswith(words, p)]


def _cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *places, len(text)]
    return [text[a:b].strip() for a, b in pairwise(edges) if text[a:b].strip()]


def _arguments(text: str) -> list[str]:
    """Split at commas between expressions; a generator, or the parameters of a lambda, stay whole."""
    places = [place for place, char, depth in _outside_strings(text) if char == "," and not depth]
    parts: list[str] = []
    start = 0
    for place in [*places, len(text)]:
        part = text[start:place]
        if not any(map(_parses, (f"f({part})", f"{{{part}}}", f"x[{part}]"))):
            continue
        parts.append(part)
        start = place + 1
    joined = [one for one in parts if one.strip()]
    return joined if start >= len(text) else [text]


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def _outside_strings(text: str) -> list[tuple[int, str, int]]:
    """Return each character that stands in no string, with its place and how many brackets it stands in."""
    found, depth, quote = [], 0, ""
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        if char in "\"'":
            quote = char
            continue
        depth -= char in _CLOSE
        found.append((place, char, depth))
        depth += char in _OPEN
    return found
