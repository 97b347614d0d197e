"""Mistakes in the scores. Each is one belief, written out as code; it is the same one in both functions."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.scaled_dot_product.build import in_scores, right_scores


def _cosine(query: Tensor, key: Tensor) -> Tensor:
    return torch.nn.functional.normalize(query, dim=-1) @ torch.nn.functional.normalize(key, dim=-1).mT


SCORE_MISTAKES = (
    Misconception(
        id="no-scaling",
        title="Your scores are not divided by the root of d_k.",
        belief="A constant factor would not matter if a linear layer came next. Here a softmax comes next, "
        "and it turns a factor into a sharpness: a dot product of d_k terms has a spread of "
        "sqrt(d_k), so wide keys alone push all the weight onto one of them.",
        hint="Give the scores a spread of about 1 before the softmax sees them.",
        anchor="sdp-root",
        section="Why the root of d_k",
        wrong=in_scores(lambda query, key: query @ key.mT),
        evidence="https://github.com/huggingface/blog/pull/2893",
    ),
    Misconception(
        id="divides-by-d_k",
        title="Your scores are divided by d_k, not by its root.",
        belief="Dividing by the number of terms makes a mean, and a mean of independent terms tends to zero: "
        "with wide keys all scores look alike. (Scaling by the root twice, in the query and again in "
        "the product, comes to the same.)",
        hint="Variances add up to d_k; what has to be undone is the standard deviation.",
        anchor="sdp-root-not-dk",
        section="Why not d_k itself",
        wrong=in_scores(lambda query, key: query @ key.mT / query.shape[-1]),
        evidence="https://github.com/delzac/cntkx/issues/10",
    ),
    Misconception(
        id="half-instead-of-root",
        title="Your scores are divided by something with a 2 in it, not by the root of d_k.",
        belief="** 1 / 2 looks like a power of one half, but in Python ** binds before /: d_k ** 1 / 2 is "
        "(d_k ** 1) / 2, and scores / d_k ** 1 / 2 is scores / d_k / 2. For d_k = 4 the first agrees with the "
        "root by chance, which hides it.",
        hint="Write the exponent as 0.5, or take math.sqrt.",
        anchor="sdp-root",
        section="Why the root of d_k",
        wrong=in_scores(
            lambda query, key: query @ key.mT / (query.shape[-1] ** 1 / 2),
            lambda query, key: query @ key.mT / query.shape[-1] ** 1 / 2,
        ),
        evidence="https://github.com/mkara44/transunet_pytorch/issues/4",
    ),
    Misconception(
        id="root-of-length",
        title="Your scores are divided by the root of a sequence length, not of d_k.",
        belief="The length counts how many scores stand in a row; it does not change how large one of them "
        "is. A score is a sum over the d_k features of one query and one key.",
        hint="Look at which axis the dot product sums over, and take that axis's size.",
        anchor="sdp-root-not-length",
        section="The width, not the length",
        wrong=in_scores(
            lambda query, key: query @ key.mT / math.sqrt(key.shape[-2]),
            lambda query, key: query @ key.mT / math.sqrt(query.shape[-2]),
        ),
    ),
    Misconception(
        id="multiplies-by-root",
        title="Your scores are multiplied by the root of d_k; they should be divided by it.",
        belief="The root stands under the fraction bar. Multiplying makes the spread d_k instead of 1, and "
        "the softmax all but picks a single key.",
        hint="Multiply by d_k ** -0.5, or divide by d_k ** 0.5.",
        anchor="sdp-root",
        section="Why the root of d_k",
        wrong=in_scores(lambda query, key: query @ key.mT * math.sqrt(query.shape[-1])),
        evidence="https://github.com/NVIDIA/Megatron-LM/pull/848",
    ),
    Misconception(
        id="scores-from-queries",
        title="Your scores compare the queries with themselves; the keys are not used.",
        belief="In self-attention queries and keys come from the same tokens, so it is easy to take them for "
        "the same thing. A query is what a token looks for, a key is what a token offers, and the two "
        "need not be alike.",
        hint="The second factor of the product is the key.",
        anchor="sdp-three-roles",
        section="Query, key and value are three things",
        wrong=in_scores(lambda query, key: query @ query.mT / math.sqrt(query.shape[-1])),
    ),
    Misconception(
        id="rows-are-keys",
        title="Your table has the keys as rows and the queries as columns; it should be the other way round.",
        belief="key @ query^T holds the same numbers, transposed. But each query asks for itself, so each "
        "query needs a row of its own for the softmax to run along.",
        hint="The product that has shape (T, S) starts with the query.",
        anchor="sdp-scores",
        section="Every query with every key",
        wrong=in_scores(lambda query, key: key @ query.mT / math.sqrt(query.shape[-1])),
    ),
    Misconception(
        id="cosine-scores",
        title="Your scores are cosines: query and key are brought to length 1 first.",
        belief="Cosine similarity compares directions only. In attention the lengths speak too: a long key "
        "is one that is heard by many, and the model may learn that.",
        hint="Leave the vectors as long as they are; the division by sqrt(d_k) is all the scaling there is.",
        anchor="sdp-scores",
        section="Every query with every key",
        wrong=in_scores(_cosine),
    ),
    Misconception(
        id="softmax-in-scores",
        title="You return weights; scores come before the softmax.",
        belief="Scores and weights are both tables of queries by keys, and easily taken for each other. "
        "Scores may be negative and add up to anything; a row of weights adds up to one.",
        hint="Leave the softmax to the next function.",
        anchor="sdp-scores",
        section="Every query with every key",
        wrong={"attention_scores": (lambda query, key: right_scores(query, key).softmax(-1),)},
    ),
)
