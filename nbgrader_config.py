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

# The first cell imports torch, which alone can take a good part of nbgrader's 30 s on a busy machine.
c.ExecutePreprocessor.timeout = 180
# Feedback shows what a student's code has printed: nothing in it may run in the instructor's browser.
c.HTMLExporter.sanitize_html = True
