"""Is a planted bug in the model, is what it does measured right, and does the file say what the chapter says?"""

import itertools
import json
from functools import partial

import pytest
import torch
from click.testing import CliRunner

from plenary import data
from plenary.checks import exercises
from plenary.training import planted, tried
from plenary.training.bugs import BUGS

SPLITS = data.totals(70, 20, num_symbols=7, min_length=2, max_length=5)
WRONG = [bug for bug in BUGS.values() if bug.name != "right"]


def step(bug):
    """Logits and loss of the first step, as far as the bug leaves them alone: these are the right model's."""
    model = planted.build(bug, SPLITS, seed=0, embed_dim=16)
    source, target = SPLITS.test.tensors
    read = target[:, :-1] if bug.shifted else target[:, 1:]
    with torch.no_grad():
        logits = model(source, read)
        return model, logits, bug.loss(logits, target[:, 1:], 0)


@pytest.mark.parametrize("bug", WRONG, ids=lambda bug: bug.name)
def test_each_bug_changes_the_first_step_and_no_weight(bug):
    right, logits, loss = step(BUGS["right"])
    wrong, others, other = step(bug)
    weights = right.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in wrong.state_dict().items())
    assert others.shape == logits.shape
    assert abs(other - loss) > 1e-4
    assert torch.equal(others, logits) == (bug.name in ("divided-by-batch", "padding-counted"))
    # Nothing has been done to the class.
    assert torch.equal(step(BUGS["right"])[1], logits)


def test_each_bug_is_one_that_the_exercises_know():
    known = {f"{name} {one.id}" for name, exercise in exercises().items() for one in exercise.misconceptions}
    assert len(WRONG) == 25
    assert {bug.mistake for bug in WRONG} <= known


class Writes(torch.nn.Module):
    """The right answers, as long as no padding is to be seen; with padding the first source gets a wrong one."""

    def forward(self, asked, written):
        source, target = SPLITS.test.tensors
        asked = torch.nn.functional.pad(asked, (0, source.shape[1] - asked.shape[1]), value=-1)
        row = (asked.clamp(min=0)[:, None] == source).all(dim=2).int().argmax(dim=1)
        answers = target[row]
        spoiled = (row == self.victim) & (asked == 0).any(dim=1)
        answers[:, 1] = torch.where(spoiled, 3 + (answers[:, 1] - 2) % 7, answers[:, 1])
        return torch.nn.functional.one_hot(answers[:, 1 : written.shape[1] + 1], 10).float()

    victim = int((SPLITS.test.tensors[0][:, -1] == 0).int().argmax())


def test_answers_are_counted_as_they_are_written_alone_or_in_a_batch():
    assert planted.exact(Writes(), SPLITS) == 1.0
    assert planted.exact(Writes(), SPLITS, alone=False) == pytest.approx(19 / 20)
    assert planted.accuracy(Writes(), SPLITS, BUGS["right"]) < 1.0


def test_a_run_follows_from_its_seed_and_is_looked_at_when_asked():
    run = partial(planted.train, BUGS["shifted-again"], SPLITS, steps=4, moments=(1, 4), embed_dim=8)
    first, again, other = run(0), run(0), run(1)
    assert [len(first[key]) for key in ("loss", "accuracy", "exact")] == [2, 2, 2]
    for one in (first, again, other):
        one.pop("processor_seconds")
    assert first == again
    assert first["loss"] != other["loss"]


def test_the_command_trains_some_and_keeps_the_others(tmp_path, monkeypatch):
    file = tmp_path / "planted.json"
    monkeypatch.setattr(planted, "TASKS", dict.fromkeys(planted.TASKS, lambda: SPLITS))
    monkeypatch.setattr(planted, "SEEDS", (0, 1))
    monkeypatch.setattr(planted, "train", partial(planted.train, steps=2, embed_dim=8))
    for name in ("right", "no-scaling"):
        done = CliRunner().invoke(planted.main, [str(file), "--only", name])
        assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())
    for task in ("totals", "reverse"):
        assert [entry["seed"] for entry in found["runs"][task]["right"]] == [0, 1]
        assert list(found["runs"][task]) == ["right", "no-scaling"]
    assert "no-scaling" in done.output.splitlines()[-1]


def test_the_file_has_every_bug_and_tells_most_of_them_from_the_right_model():
    found = planted.results()
    assert found["moments"] == list(planted.MOMENTS)
    assert [bug["name"] for bug in found["bugs"]] == list(BUGS)
    for task, runs in found["runs"].items():
        assert list(runs) == list(BUGS)
        for entries in runs.values():
            assert [entry["seed"] for entry in entries] == list(planted.SEEDS)
            curves = [len(entry.get(key, [])) for entry in entries for key in ("loss", "accuracy", "exact")]
            assert set(curves) == {len(planted.MOMENTS) if task == "totals" else 0}
    exact = {
        name: [e["final"]["exact"] for e in entries] for name, entries in found["runs"]["totals"].items()
    }
    assert min(exact["right"]) >= 0.98
    apart = [name for name in exact if max(exact[name]) < min(exact["right"]) - 0.05]
    assert len(apart) >= 20


def test_no_other_task_that_was_tried_tells_all_apart_and_is_learned():
    found = tried.results()
    assert [one["task"] for one in found] == list(tried.TASKS)
    assert [tuple(one["exact"]) for one in found] == [tried.NAMES] * len(found)
    for one in found:
        right, *wrong = one["exact"].values()
        assert right < 0.95 or max(wrong) > right - 0.1


@pytest.mark.parametrize("name", tried.TASKS)
def test_a_task_that_was_tried_asks_what_its_sentence_says(name):
    splits = tried.TASKS[name].make()
    sources, targets = (
        torch.cat([a, b]) for a, b in zip(splits.train.tensors, splits.test.tensors, strict=True)
    )
    rows = [tuple(one - 3 for one in row if one) for row in sources.tolist()]
    assert len(set(rows)) == len(rows) > 10_000
    assert len(splits.test) == 1_000
    for source, target in zip(rows[:200], targets[:200].tolist(), strict=True):
        answer = [one - 3 for one in target[1 : target.index(2)]]
        assert target[0] == 1
        assert not any(target[target.index(2) + 1 :])
        if name == "stable sort":
            pairs = [source[at : at + 2] for at in range(0, len(source), 2)]
            groups = [pair for letter in range(4) for pair in pairs if pair[0] == letter]
            assert answer == [one for pair in groups for one in pair]
        elif name == "count":
            assert dict(zip(answer[::2], answer[1::2], strict=True)) == {
                one: 5 + source.count(one) for one in source
            }
            assert sorted(answer[::2], key=source.index) == answer[::2]
        elif name == "distinct":
            assert sorted(answer) == sorted(set(source))
            assert sorted(answer, key=source[::-1].index) == answer
        elif name == "by frequency":
            assert sorted(answer) == sorted(set(source))
            assert sorted(answer, key=lambda one: (-source.count(one), source.index(one))) == answer
        elif name == "tickets":
            tickets = {source[at : at + 2] for at in range(0, len(source), 2)}
            assert set(itertools.pairwise(answer)) == tickets


def test_the_command_writes_a_line_and_an_entry_for_each_task(tmp_path, monkeypatch):
    monkeypatch.setattr(tried, "TASKS", {"totals": tried.Tried("add", "3 5 9", lambda: SPLITS)})
    monkeypatch.setattr(planted, "train", partial(planted.train, steps=2, embed_dim=8))
    file = tmp_path / "tried.json"
    done = CliRunner().invoke(tried.main, [str(file)])
    assert done.exit_code == 0, done.output
    (one,) = json.loads(file.read_text())
    assert (one["task"], tuple(one["exact"])) == ("totals", tried.NAMES)
    assert done.output.startswith("totals: right ")
