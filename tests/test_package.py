"""Is the package light to import, does it export what it says, and does its command answer?"""

import ast
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from types import ModuleType

import pytest
from click.testing import CliRunner

import plenary
from plenary import cli


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_exported_name_is_there():
    names = vars(plenary)["__all__"]
    assert sorted(set(names)) == names
    assert set(names) <= set(dir(plenary))
    for name in names:
        exported = getattr(plenary, name)
        assert exported.__doc__, f"{name} has no docstring"
        if isinstance(exported, ModuleType):
            assert exported.__name__ == f"plenary.{name}"
        else:
            assert exported.__name__ == name
            assert exported.__module__.startswith("plenary.")
    with pytest.raises(AttributeError, match="No plenary attribute atention"):
        vars(plenary)["__getattr__"]("atention")


def test_the_stub_lists_what_is_exported_and_each_name_by_itself():
    """`from .module import name as name`: type checkers take only this form for an export."""
    stub = ast.parse(files("plenary").joinpath("__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    names = [alias.name for node in imports for alias in node.names]
    assert all(alias.asname == alias.name for node in imports for alias in node.names)
    assert sorted(names) == vars(plenary)["__all__"]


def test_import_plenary_does_not_import_torch():
    assert run("import sys, plenary; print('torch' in sys.modules)") == "False"


def test_import_plenary_costs_next_to_nothing():
    """Under 0.1 s and 20 MB, in the best of three: the machine may be busy with something else."""
    code = """
import resource, time
memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
import plenary
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)
"""
    costs = [tuple(map(float, run(code).split())) for _ in range(3)]
    assert min(seconds for seconds, _ in costs) < 0.1
    assert min(kilobytes for _, kilobytes in costs) < 20_000


MODELS = [
    "attention",
    "cache",
    "class_token",
    "convert",
    "decoder",
    "decoding",
    "encoder",
    "feed_forward",
    "functional",
    "norm",
    "patches",
    "position",
    "transformer",
    "vision_transformer",
]
HEAVY = {"matplotlib", "ipywidgets", "anywidget", "nbgrader", "jupytext", "IPython"}


def test_checks_import_no_plots_widgets_or_graders():
    code = "import sys, plenary.checks; plenary.checks.exercises()"
    assert not HEAVY & set(run(f"{code}; print(*sys.modules)").split())


def test_models_import_torch_and_einops_and_little_else():
    """Not even the libraries whose weights they read."""
    peers = {"torchvision", "timm", "sklearn", "scipy", "pandas", "plenary.plotting", "plenary.checks"}
    imports = ", ".join(f"plenary.{name}" for name in MODELS)
    assert not (HEAVY | peers) & set(run(f"import sys, {imports}; print(*sys.modules)").split())


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
