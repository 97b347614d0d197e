"""Are texts split as the rule says, and do ids lead back to their words?"""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plenary.data import Vocabulary, words

TEXTS = ["The cat sat.", "the dog sat, the end!", "A cat?"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zwei Männer, draußen.", ["zwei", "männer", ",", "draußen", "."]),
        ("It's a T-shirt (24%)", ["it", "'", "s", "a", "t", "-", "shirt", "(", "24", "%", ")"]),
        ("  tabs\tand \n lines ", ["tabs", "and", "lines"]),
        ("a\u0308rger", ["ärger"]),  # a letter and its dots, composed
        ("", []),
    ],
)
def test_words_are_lower_case_and_marks_stand_alone(text, expected):
    assert words(text) == expected


def test_specials_come_first_then_words_by_count_then_by_alphabet():
    vocabulary = Vocabulary.of_words(TEXTS)
    assert vocabulary.tokens[:7] == ("<pad>", "<bos>", "<eos>", "<unk>", "the", "cat", "sat")
    assert vocabulary.tokens[7:] == ("!", ",", ".", "?", "a", "dog", "end")
    assert Vocabulary.of_words(reversed(TEXTS)) == vocabulary


def test_rare_words_are_unknown():
    vocabulary = Vocabulary.of_words(TEXTS, min_count=2)
    assert len(vocabulary) == 7
    assert vocabulary.encode("The dog sat on the cat") == [4, 3, 6, 3, 4, 5]
    assert vocabulary.decode([4, 3, 6]) == "the <unk> sat"


def test_a_text_ends_at_eos_and_padding_is_no_word():
    vocabulary = Vocabulary.of_words(TEXTS)
    assert vocabulary.decode([1, 4, 5, 2, 6, 0]) == "the cat"
    assert vocabulary.decode([0, 4, 0]) == "the"
    assert vocabulary.decode([]) == ""


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_text_that_was_put_together_is_encoded_the_same(texts):
    vocabulary = Vocabulary.of_words(texts)
    for text in texts:
        assert 3 not in vocabulary.encode(text)
        assert vocabulary.decode(vocabulary.encode(text)) == " ".join(words(text))


@given(st.text(min_size=1, max_size=50))
def test_characters_lead_back_to_the_text(text):
    vocabulary = Vocabulary.of_characters(text)
    assert list(vocabulary.tokens) == sorted(set(text))
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_it_can_be_sent_to_another_process():
    vocabulary = Vocabulary.of_words(TEXTS)
    assert pickle.loads(pickle.dumps(vocabulary)).encode("the cat") == [4, 5]


def test_bad_input_says_what_was_expected_and_what_came():
    with pytest.raises(ValueError, match="min_count must be 1 or more; it is 0"):
        Vocabulary.of_words(TEXTS, min_count=0)
    with pytest.raises(ValueError, match="tokens must all differ; 'a' occurs more than once"):
        Vocabulary(("a", "b", "a"))
    with pytest.raises(ValueError, match="the 2 tokens of this vocabulary; 'c' is none"):
        Vocabulary.of_characters("ab").encode("abc")
    for number in (2, -1):
        with pytest.raises(ValueError, match=f"ids run from 0 to 1; {number} is none"):
            Vocabulary.of_characters("ab").decode([number])
