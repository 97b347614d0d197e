"""Is the package light to import, does it export what it says, and does its command answer?"""

import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

import plenary
from plenary import cli


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_exported_name_is_there():
    assert sorted(plenary.__all__) == plenary.__all__
    assert set(plenary.__all__) <= set(dir(plenary))
    for name in plenary.__all__:
        assert getattr(plenary, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'atention'"):
        plenary.atention  # noqa: B018


def test_import_plenary_does_not_import_torch():
    assert run("import sys, plenary; print('torch' in sys.modules)") == "False"


def test_models_import_no_plots_widgets_or_graders():
    heavy = "{'matplotlib', 'ipywidgets', 'anywidget', 'nbgrader', 'jupytext', 'IPython'}"
    imports = "import sys, plenary.functional, plenary.checks; plenary.checks.exercises()"
    code = f"{imports}; print({heavy} & set(sys.modules))"
    assert run(code) == "set()"


def test_help_answers_without_torch():
    help_ = "from plenary.cli import main; main(['--help'], standalone_mode=False)"
    assert run(f"import sys; {help_}; print('torch' in sys.modules)").endswith("False")


def test_the_version_is_told_once():
    assert plenary.__version__ == version("plenary")


RIGHT = "def attention_scores(query, key):\n    return query @ key.mT / query.shape[-1] ** 0.5\n"


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("attention_scores", RIGHT, 0, "Right on every probe."),
        ("attention_scores", RIGHT.replace("** 0.5", "** 1 / 2"), 1, "not by the root of d_k"),
        ("attention_scores", "", 1, "There is nothing to call"),
        ("attention_scores", "1 / 0", 1, "cannot be run: ZeroDivisionError"),
        ("attention_score", RIGHT, 1, "did you mean 'attention_scores'?"),
    ],
)
def test_the_command_checks_a_file(tmp_path, name, text, code, said):
    file = tmp_path / "mine.py"
    file.write_text(text)
    result = CliRunner().invoke(cli.main, ["check", name, str(file)])
    assert result.exit_code == code
    assert said in result.output
