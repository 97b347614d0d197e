"""The book's own Sphinx extension: what a setting alone cannot say."""

import re
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxRole

from plenary.checks import exercises

_MATH = r'(<span class="math notranslate nohighlight">\\\(([^<]*)\\\)</span>)'
_FORMULA = re.compile(_MATH + r"([,.;:!?)\]’”]+)")
_LETTER = re.compile(
    r'<a class="reference internal" (href="[^"]*#sym-\w+")>(<span class="std std-ref">)?' + _MATH
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx when `_config.yml` names this module."""
    _without(app, "sphinx_thebe")
    app.add_role("mistake", MistakeRole())
    app.connect("config-inited", _cache_by_source)
    app.connect("html-page-context", _mend_page, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class MistakeRole(SphinxRole):
    """A link to a card of the gallery: {mistake}`softmax softmax-sigmoid`, the function and the mistake's id."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The link; a mistake that the catalogue does not have is an error of the build."""
        function, _, name = self.text.partition(" ")
        exercise = exercises().get(function)
        known = {mistake.id: mistake for mistake in exercise.mistakes} if exercise else {}
        if exercise is None or name not in known:
            expected = (
                f"one of {', '.join(known)}" if known else "a function of the course, a space, and an id"
            )
            message = f"{{mistake}}`{self.text}` is in no catalogue; expected {expected}."
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        week = exercise.page.partition("/")[0]
        address = f"{'../' * self.env.docname.count('/')}book/mistakes/{week}.html#mistake-{function}-{name}"
        label = f"In the gallery of mistakes: {known[name].title}"
        link = f'<a class="reference internal" href="{escape(address)}" aria-label="{escape(label)}">'
        return [nodes.raw("", f"{link}in the gallery</a>", format="html")], []


def _cache_by_source(app: Sphinx, config: Config) -> None:
    """Keep executed cells in a folder named after the state of the package.

    Jupyter Book runs a page again when the page changes, and does not notice a change in the code that it imports.
    """
    digest = sha256()
    for path in sorted(Path(app.srcdir, "src", "plenary").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:  # weights, too: pages show what a model does
            digest.update(path.relative_to(app.srcdir).as_posix().encode() + b"\0" + path.read_bytes())
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / digest.hexdigest()[:16])


def _mend_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mend what extensions write into a page."""
    # Bibliography entries stand in a list, and screen readers want list items there.
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    # A browser may break a line between a formula and the full stop behind it.
    body = _FORMULA.sub(r'<span class="plenary-unbroken">\1\3</span>', body)
    # A link that holds nothing but a letter has no words of its own until its formula is set.
    context["body"] = _LETTER.sub(_name_letter, body)
    # myst-nb embeds the state of widgets, with new ids in every build, for a manager that is not loaded here.
    state = "application/vnd.jupyter.widget-state+json"
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if getattr(s, "attributes", {}).get("type") != state]


def _name_letter(link: re.Match[str]) -> str:
    """The link to a letter's row in the notation, with a name for those who listen."""
    address, wrapper, formula, letter = link.groups()
    name = " ".join(re.findall(r"\w+", letter.replace("_", " ")))
    return f'<a class="reference internal" {address} aria-label="{name} in the notation">{wrapper or ""}{formula}'


def _without(app: Sphinx, extension: str) -> None:
    """Take back what an extension of Jupyter Book's fixed list has added.

    sphinx-thebe runs cells on a public server, with scripts from a CDN: the book asks nothing of the network.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith(extension)]
    sheet = extension.replace("_", "-") + ".css"
    app.registry.css_files[:] = [one for one in app.registry.css_files if one[0] != sheet]
