"""Is what a newcomer runs in order: the commands of the README, the lock file, and the words behind a failure?"""

import os
import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def pins() -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        requirement = Requirement(line)
        found.setdefault(canonical(requirement.name), []).append(requirement)
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_is_pinned_exactly():
    for requirements in pins().values():
        for requirement in requirements:
            assert [spec.operator for spec in requirement.specifier] == ["=="], requirement


def test_the_lock_file_satisfies_pyproject():
    pinned = pins()
    wanted = [Requirement(line) for line in requires("plenary") or []]
    assert len(wanted) > 10
    for requirement in wanted:
        if requirement.name == "plenary":
            continue
        version = str(next(iter(pinned[canonical(requirement.name)][0].specifier)).version)
        assert requirement.specifier.contains(version), f"{requirement} but {version} is locked"


def test_cuda_packages_are_for_linux_only():
    for name, requirements in pins().items():
        if name.startswith(("nvidia-", "cuda-")):
            assert all(
                r.marker and not r.marker.evaluate({"sys_platform": "darwin"}) for r in requirements
            ), name


def test_the_readme_begins_with_two_commands():
    readme = (ROOT / "README.md").read_text()
    first = re.findall(r"^```(?:bash|sh|console)\n(.*?)```", readme, re.MULTILINE | re.DOTALL)[0]
    commands = [line.split("#")[0].strip() for line in first.splitlines() if line.strip()]
    assert commands == ["make book", "make test"]


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([a-z]+)", (ROOT / text).read_text()))
        assert named <= targets


def test_a_failing_step_says_which_and_what_to_do():
    done = subprocess.run(
        ["bash", ".ci/step", "bake the cake", "Look into the oven.", "--", "bash", "-c", "exit 3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "Failed: bake the cake (exit status 3)." in done.stderr
    assert "Look into the oven." in done.stderr


def test_without_root_the_exact_command_is_printed(tmp_path):
    """A machine with no chromium, no bubblewrap, and a user who may install nothing."""
    for name in ("bash", "cat"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    (tmp_path / "id").write_text("#!/bin/bash\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "bash", ROOT / ".ci" / "system-packages"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "sudo apt-get install -y --no-install-recommends chromium bubblewrap" in done.stderr


def test_a_skipped_test_is_counted_at_the_end(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_one.py").write_text(
        "import pytest\n\ndef test_one():\n    pytest.skip('chromium is missing: run this')\n"
    )
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "pytest", "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 TESTS DID NOT RUN" in done.stdout
    assert done.stdout.count("chromium is missing: run this") >= 1


@pytest.mark.parametrize("name", ["run", "step", "system-packages"])
def test_scripts_are_sound(name):
    subprocess.run(["bash", "-n", ROOT / ".ci" / name], check=True)
