"""Has every chapter what a chapter has? Objectives, a figure to play with, questions that explain, sources."""

import re

import nbformat
import pytest
from chapters import ROOT, WHOLE, Chapter, chapter

WEEK_ONE = (
    "room",
    "soft_lookup",
    "scaled_dot_product",
    "masking",
    "attention_gradients",
    "catch_the_bug",
)
WEEK_TWO = ("multi_head", "position", "encoder_block", "encoder_decoder", "tiny_transformer")
WEEK_THREE = (
    "patches",
    "class_token",
    "vision_transformer",
    "training",
    "attention_rollout",
    "capstone",
    "where_next",
)
WITH_EXERCISE = [name for name in WHOLE if name not in ("room", "where_next")]
each_chapter = pytest.mark.parametrize("name", WHOLE)


def items(text: str) -> list[str]:
    """The items of a list, numbered or not, each on one line."""
    found = re.findall(r"^(?:-|\d+\.) (.*?)(?=^(?:-|\d+\.) |\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return [" ".join(item.split()) for item in found]


def objectives(page: Chapter) -> str:
    found = re.search(
        r"^```\{admonition\} What you will be able to do\n:class: objectives\n(.*?)^```$",
        page.text,
        re.DOTALL | re.MULTILINE,
    )
    assert found
    return found[1]


def test_are_all_chapters_whole():
    assert {*WEEK_ONE, *WEEK_TWO, *WEEK_THREE} == set(WHOLE)


@pytest.mark.parametrize("name", WEEK_TWO)
def test_shows_the_idea_in_the_wild(name: str):
    """In PyTorch's own modules, by a cell that holds; in BERT and GPT; and in a public bug with its thread."""
    wild = chapter(name).section("In the wild")
    cells = re.findall(r"^```\{code-cell\}.*?^```$", wild, re.DOTALL | re.MULTILINE)
    assert any("nn." in cell and "assert" in cell for cell in cells)
    assert "BERT" in wild
    assert "GPT" in wild
    assert re.search(r"\]\(https://[^)]+/(issues|pull)/\d+[^)]*\)", wild)


@each_chapter
def test_says_what_it_teaches_how_long_it_takes_and_what_it_builds_on(name: str):
    said = objectives(chapter(name))
    assert 3 <= len(items(said)) <= 6
    assert re.search(r"\*\*Time\.\*\* .*\d+ .*minutes", said)
    assert "**Builds on.**" in said
    assert re.search(r"\*\*Letters\.\*\*.*\(#sym-\w+\)", said, re.DOTALL)


@each_chapter
def test_has_a_figure_to_play_with_that_answers_a_question(name: str):
    page = chapter(name)
    tries = page.text.split("**Guess first.**")[1:]
    assert tries
    for one in tries:
        assert "?" in one.split("```")[0]
        widget = re.search(
            r"```\{code-cell\} ipython3\n:tags: \[remove-input\]\nfrom plenary\.widgets import", one
        )
        said = one.find("*What there is to see:*")
        assert widget
        assert widget.end() < said


@each_chapter
def test_has_figures_with_words(name: str):
    drawn = [source for source in chapter(name).cells if re.search(r"^\s*show\(", source, re.MULTILINE)]
    assert drawn
    assert [source for source in drawn if "alt=" not in source] == []


@each_chapter
def test_hides_the_answer_of_the_example_by_hand(name: str):
    assert ":::{dropdown} Show the answer" in chapter(name).section(".*[Bb]y hand.*")


@each_chapter
def test_asks_three_to_six_questions(name: str):
    assert 3 <= len(chapter(name).self_checks) <= 6


QUESTIONS = [(name, title) for name in WHOLE for title in chapter(name).self_checks]


@pytest.mark.parametrize(("name", "title"), QUESTIONS, ids=[": ".join(one) for one in QUESTIONS])
def test_every_choice_of_a_question_is_explained(name: str, title: str):
    choices = chapter(name).self_checks[title]
    assert [letter for letter, _, _ in choices] == list("abcdefg"[: len(choices)])
    assert len(choices) >= 3
    explanations = [why for _, _, why in choices]
    assert [why for why in explanations if len(why.split()) < 12] == [], "says too little to explain"
    assert len(set(explanations)) == len(explanations)
    assert sum(why.startswith("Yes") for why in explanations) == 1, "one choice is right"
    assert not any(re.match(r"(wrong|incorrect|no\b|try again)", why, re.IGNORECASE) for why in explanations)


@pytest.mark.parametrize("name", WITH_EXERCISE)
def test_mistakes_are_linked_with_the_gallery_and_with_a_paragraph(name: str):
    said = items(chapter(name).section(".*[Mm]istakes.*"))
    assert len(said) >= 5
    assert [item for item in said if "{mistake}`" not in item or "](#" not in item] == []


def functions(page: Chapter) -> dict[str, int]:
    """What is graded automatically, with its points, from the notebook that is handed out."""
    path = ROOT / "exercises" / page.name / f"{page.name}.ipynb"
    marks = [cell.metadata.get("nbgrader", {}) for cell in nbformat.read(path, 4).cells]
    return {
        str(mark["grade_id"]).removesuffix("-points"): int(mark["points"])
        for mark in marks
        if mark.get("grade") and not mark["solution"]
    }


@pytest.mark.parametrize("name", WITH_EXERCISE)
def test_names_the_exercise_with_its_points(name: str):
    page = chapter(name)
    text = page.section("Exercise")
    found = dict(re.findall(r"^- `(\w+)\(.*?\)`, (\d+) points", text, re.MULTILINE))
    assert {function: int(points) for function, points in found.items()} == functions(page)
    assert f"../../exercises/{name}/{name}.ipynb" in text


@each_chapter
def test_sums_up_in_five_sentences(name: str):
    assert len(items(chapter(name).section("Summary"))) == 5


@each_chapter
def test_names_further_reading_with_a_reason(name: str):
    said = items(chapter(name).section("Further reading"))
    assert 3 <= len(said) <= 6
    assert [item for item in said if "{cite:t}`" not in item or len(item.split()) < 8] == []


@each_chapter
def test_links_terms_letters_and_sources(name: str):
    text = chapter(name).text
    assert len(set(re.findall(r"\{term\}`([^`]+)`", text))) >= 8
    assert len(set(re.findall(r"\(#(sym-\w+)\)", text))) >= 2
    assert re.search(r"\{cite(?::t)?\}`", text)
