"""Do the checks catch mistakes that nobody listed: every single change to a solution that changes what it does?"""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from plenary.authoring import changes, mutants
from plenary.authoring.texts import Cell
from plenary.checks.pool import pool

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def outcomes():
    """Every mutant of every solution, judged in two processes."""
    with pool(2) as processes:
        return dict(zip(TEXTS, processes.map(partial(mutants.listed, ROOT), TEXTS), strict=True))


def test_every_mutant_is_caught_or_explained(outcomes):
    missed = [f"{one.exercise}: {one.id}" for rows in outcomes.values() for one in rows if not one.right]
    assert not missed, "\n".join(missed)
    caught = sum(one.caught for rows in outcomes.values() for one in rows)
    assert caught >= 400


def test_every_function_has_enough_and_few_are_called_equivalent(outcomes):
    counted = Counter(one.exercise for rows in outcomes.values() for one in rows)
    excused = Counter(one.exercise for rows in outcomes.values() for one in rows if one.reason)
    assert len(counted) >= 44
    for name, number in counted.items():
        assert number - excused[name] >= 5, f"{name}: {number} mutants, {excused[name]} called equivalent"
    assert excused.total() <= 0.1 * counted.total()


def test_nothing_is_called_equivalent_that_is_not_there_any_more(outcomes):
    for name, rows in outcomes.items():
        made = {(one.exercise, one.id) for one in rows}
        listed = {(e, key) for e, entries in mutants.equivalent(ROOT, name).items() for key in entries}
        assert listed <= made, f"{name}: {listed - made}"
        for entries in mutants.equivalent(ROOT, name).values():
            assert all(len(reason) > 20 for reason in entries.values())


def test_what_is_caught_gets_a_message_that_says_something(outcomes):
    for rows in outcomes.values():
        for one in rows:
            if one.caught:
                assert len(one.message) > 15, f"{one.exercise}: {one.id}: {one.message!r}"


def test_a_change_that_no_check_notices_shows(monkeypatch, tmp_path):
    """The measure can fail: with the smallest probe alone, mutants get through."""
    from dataclasses import replace

    from plenary.exercises import scaled_dot_product as package

    exercise = package.EXERCISES[0]
    weak = replace(
        exercise,
        probes=lambda seed: [p for p in exercise.probes(seed) if p.name == "small"],
        properties=(replace(exercise.properties[0], probes=("small",)),),
    )
    monkeypatch.setattr(package, "EXERCISES", (weak,))
    assert [one for one in mutants.survey(ROOT, "scaled_dot_product") if not one.right]


CELL = """\
def f(x, y):
    ### BEGIN SOLUTION
    if x < 1:
        raise ValueError("small")
    return g(x - y, dim=-1).sum(0)
    ### END SOLUTION
"""


def test_changes_stay_between_the_marks_and_are_single():
    made = list(changes.mutants(Cell("f", CELL, solution=True)))
    after = {one.after for one in made}
    assert {
        "if x <= 1:",
        "if x > 1:",
        "if x < 2:",
        "if not x < 1:",
        "pass",
        "return g(x + y, dim=-1).sum(0)",
        "return g(y - x, dim=-1).sum(0)",
        "return g(x - y, dim=1).sum(0)",
        "return g(x - y, dim=-2).sum(0)",
        "return g(x - y).sum(0)",
        "return g(x - y, dim=-1)",
        "return g(x - y, dim=-1).mean(0)",
        "return (x - y).sum(0)",
        "return g(y - y, dim=-1).sum(0)",
    } <= after
    assert len({one.id for one in made}) == len(made)
    assert not any("def f" in one.after for one in made)
