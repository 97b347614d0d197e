"""nbgrader for this course: stock commands, run from this folder, find everything.

nbgrader generate_assignment, validate, autograde, generate_feedback, export.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821  (nbgrader defines it)

root = Path(__file__).resolve().parent
work = root / "grading"
work.mkdir(exist_ok=True)

# nbgrader calls the program alembic by name, which is found only if the environment has been activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

c.CourseDirectory.course_id = "plenary"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "grading/submitted"
c.CourseDirectory.autograded_directory = "grading/autograded"
c.CourseDirectory.feedback_directory = "grading/feedback"
c.CourseDirectory.db_url = f"sqlite:///{work / 'gradebook.db'}"
c.ExportPlugin.to = str(work / "grades.csv")

# The first cell imports torch, which alone can take a good part of nbgrader's 30 s on a busy machine; two notebooks
# train in a cell, for a minute or two where nothing else runs.
c.ExecutePreprocessor.timeout = 900
# A figure calls the learner's own function, which may never return, and no check stands between.
c.ExecutePreprocessor.timeout_func = lambda cell: 40 if "interact(" in cell.source else 900

# nbclient mimics a front end to the figures that a slider drives, and answers them on the very socket on which it
# waits for the cell's reply; on a busy machine it then misses the reply and waits for ever (nbclient issue 312).
# Nothing in a graded notebook needs the answer.
try:
    from nbclient.output_widget import OutputWidget

    OutputWidget.send = lambda *arguments, **named: None
except ImportError:  # another nbclient, which may not need it
    pass

# Feedback shows what a student's code has printed: nothing in it may run in the instructor's browser. nbconvert's
# own sanitizer escapes the tables of a check's report along with scripts; this one lets plain tags through, and
# styles that cannot lay anything over another part of the page.
TAGS = """
a b blockquote br caption code dd details div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre span strong sub summary
sup table tbody td th thead tr ul
""".split()  # noqa: SIM905
STYLES = """
align-items border border-collapse border-left caption-side color display flex-wrap font-variant-numeric font-weight
gap list-style max-width overflow-x padding padding-left text-align text-decoration text-underline-offset
white-space width
""".split()  # noqa: SIM905


def clean_html(html):
    """Keep what is harmless of a piece of HTML, and show the rest as text."""
    import bleach
    from bleach.css_sanitizer import CSSSanitizer

    attributes = {"*": ["class", "id", "style"], "a": ["href", "title"]}
    styles = CSSSanitizer(allowed_css_properties=STYLES)
    return bleach.clean(str(html), tags=TAGS, attributes=attributes, css_sanitizer=styles)


c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"clean_html": clean_html}
