"""Does every benchmark have its command and a table in the README, and does the harness measure what it says?"""

import importlib.util
import re
import time
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
BLOCKS = re.findall(r"<!-- run: (.+?) -->\n(.*?)<!-- end -->", (FOLDER / "README.md").read_text(), re.DOTALL)
HELPERS = {"harness.py", "write.py"}


@pytest.fixture(scope="module")
def harness():
    spec = importlib.util.spec_from_file_location("harness", FOLDER / "harness.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_script_has_a_block_in_the_readme():
    scripts = {path.name for path in FOLDER.glob("*.py")} - HELPERS
    assert {command.split()[0] for command, _ in BLOCKS} == scripts


@pytest.mark.parametrize(("command", "printed"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_every_block_holds_a_table_below_its_command(command, printed):
    assert f".venv/bin/python benchmarks/{command.split()[0]}" in (FOLDER / "README.md").read_text()
    assert re.search(r"^\|.+\|\n\|-+\|", printed, re.MULTILINE)


def test_contenders_take_turns_and_the_slower_one_is_seen(harness):
    order: list[str] = []

    def wait(name: str, seconds: float) -> None:
        order.append(name)
        time.sleep(seconds)

    calls = {"quick": lambda: wait("quick", 0.001), "slow": lambda: wait("slow", 0.02)}
    times = harness.take_turns(calls, rounds=3, warm_up=1)
    assert order == ["quick", "slow", "quick", "slow", "slow", "quick", "quick", "slow"]
    assert [len(seconds) for seconds in times.values()] == [3, 3]
    medians = harness.medians(times)
    assert medians["slow"] > 5 * medians["quick"]


def test_the_peak_is_what_was_held_at_once(harness):
    def call() -> None:
        first = torch.empty(3 * 2**18)  # 3 MiB
        del first
        both = torch.empty(2**18), torch.empty(4 * 2**18)  # 1 and 4 MiB
        del both

    assert harness.peak_megabytes(call) == pytest.approx(5.0, abs=0.1)
