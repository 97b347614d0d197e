"""Mistakes in the matrix products: which factor, which transpose, which scale, and what is returned."""

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.attention_gradients.build import (
    Gradients,
    backward,
    finish,
    right_weights,
    wrong,
)

_RIGHT = backward()


def _root(query: Tensor) -> float:
    return query.shape[-1] ** 0.5


def _ones_for_gradient(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    return _RIGHT(torch.ones_like(grad_output), query, key, value, mask)


def _reordered(*order: int) -> object:
    def go_back(
        grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> object:
        gradients = _RIGHT(grad_output, query, key, value, mask)
        return tuple(gradients[i] for i in order)  # type: ignore[index]

    return go_back


def _zero_but(*done: int) -> object:
    def go_back(
        grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> object:
        gradients = _RIGHT(grad_output, query, key, value, mask)
        return tuple(g if i in done else torch.zeros_like(g) for i, g in enumerate(gradients))  # type: ignore[arg-type]

    return go_back


def _summed_over_batch(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    gradients: Gradients = _RIGHT(grad_output, query, key, value, mask)  # type: ignore[assignment]
    return tuple(g.sum(tuple(range(g.ndim - 2))) if g.ndim > 2 else g for g in gradients)


def _one_table_only(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    if query.ndim > 2:
        raise RuntimeError("t() expects a tensor with <= 2 dimensions, but self is 3D")
    return _RIGHT(grad_output, query, key, value, mask)


def _root_of_value_width(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    grad_query, grad_key, grad_value = _RIGHT(grad_output, query, key, value, mask)  # type: ignore[misc]
    change = _root(query) / _root(value)
    return grad_query * change, grad_key * change, grad_value


def _value_scaled_too(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    grad_query, grad_key, grad_value = _RIGHT(grad_output, query, key, value, mask)  # type: ignore[misc]
    return grad_query, grad_key, grad_value / _root(query)


def _output_for_gradient(*, in_value: bool) -> object:
    def go_back(
        grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> object:
        output = right_weights(query, key, mask) @ value
        mixed: Gradients = _RIGHT(output, query, key, value, mask)  # type: ignore[assignment]
        right: Gradients = _RIGHT(grad_output, query, key, value, mask)  # type: ignore[assignment]
        return *mixed[:2], (mixed if in_value else right)[2]

    return go_back


def _in_single(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    return _RIGHT(grad_output.float(), query.float(), key.float(), value.float(), mask)


PRODUCT_MISTAKES = (
    Misconception(
        id="grad-zero-so-far",
        title="A gradient of yours is zero everywhere: it is still to be written.",
        belief="On the way there that is as it should be, and what is not zero is right. Left at zero, it "
        "would tell the optimiser that this input does not matter, and the layer would never learn it.",
        hint="Go on with the next step: the gradient of the weights, then that of the scores, then query "
        "and key.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_zero_but(2), _zero_but(1, 2), _zero_but(0, 2), _zero_but(0, 1)),  # type: ignore[arg-type]
    ),
    Misconception(
        id="grad-value-not-transposed",
        title="Your gradient of the value is A dO; it should be A^T dO.",
        belief="A dO gives each query what the others were told. The gradient belongs to the values: "
        "value s is heard by every query t, in the share A[t, s], so it collects down column s. "
        "Untransposed, it runs only where T = S.",
        hint="The gradient of a value has as many rows as there are keys: let the sum run over the queries.",
        anchor="grad-value",
        section="The values: who heard me?",
        wrong=wrong(backward(of_value=lambda weights, grad_output: weights @ grad_output)),
    ),
    Misconception(
        id="grad-key-not-transposed",
        title="Your gradient of the key uses dE; it should use its transpose.",
        belief="dE has a row for each query. A key is compared with every query, so its gradient collects "
        "down its column. dE Q runs only where T = S, and hands each key the numbers of the query in the "
        "same place.",
        hint="(S, T) times (T, d_k) is (S, d_k): the shape that a gradient of the keys has.",
        anchor="grad-query-key",
        section="Queries and keys: one table, read twice",
        wrong=finish(lambda e, q, k: (e @ k / _root(q), e @ q / _root(q))),
    ),
    Misconception(
        id="grad-query-transposed",
        title="Your gradient of the query uses the transpose of dE; it should use dE as it is.",
        belief="Row t of dE is about query t, and that is the row it needs, against all keys. It is the "
        "gradient of the key that needs the columns.",
        hint="(T, S) times (S, d_k) is (T, d_k): no transpose is needed.",
        anchor="grad-query-key",
        section="Queries and keys: one table, read twice",
        wrong=finish(
            lambda e, q, k: (e.mT @ k / _root(q), e.mT @ q / _root(q)),
            lambda e, q, k: (e.mT @ k / _root(q), e @ q / _root(q)),
        ),
    ),
    Misconception(
        id="grad-query-key-exchanged",
        title="Your gradient of the query is made from the queries, and that of the key from the keys.",
        belief="In a product the two factors trade places: the derivative of q * k by q is k. How much a "
        "query moves the score depends on the key that it is compared with.",
        hint="The gradient of the query is a mixture of keys; that of the key, a mixture of queries.",
        anchor="grad-query-key",
        section="Queries and keys: one table, read twice",
        wrong=finish(lambda e, q, k: (e @ q / _root(q), e.mT @ k / _root(q))),
    ),
    Misconception(
        id="grad-no-scale",
        title="Your gradients of query and key are not divided by the root of d_k.",
        belief="The root was spent in the forward pass, so it seems to be done with. But a score is q . k "
        "/ sqrt(d_k): a change in q arrives in the score divided by the root, and the derivative says so.",
        hint="The factor in front of the product in the forward pass is in front of both products on the "
        "way back.",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=finish(lambda e, q, k: (e @ k, e.mT @ q)),
    ),
    Misconception(
        id="grad-scale-on-one-only",
        title="Only one of your gradients of query and key is divided by the root of d_k; both should be.",
        belief="If the query was scaled before the product, as some code does, the root looks like the "
        "query's own. The score depends on the product, and the factor stands in front of both "
        "derivatives.",
        hint="Scale the gradient of the scores once, before it meets keys and queries.",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=finish(
            lambda e, q, k: (e @ k / _root(q), e.mT @ q),
            lambda e, q, k: (e @ k, e.mT @ q / _root(q)),
        ),
    ),
    Misconception(
        id="grad-scale-twice",
        title="Your gradients of query and key are divided by d_k: the root goes in twice.",
        belief="Scaling the gradient of the scores and then the products again divides by sqrt(d_k) times "
        "sqrt(d_k). The forward pass has one root, so the way back has one.",
        hint="Divide at one place only.",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=finish(lambda e, q, k: (e @ k / q.shape[-1], e.mT @ q / q.shape[-1])),
    ),
    Misconception(
        id="grad-multiplied-by-root",
        title="Your gradients of query and key are multiplied by the root of d_k; they should be divided "
        "by it.",
        belief="Going backwards, one may feel that a division is to be undone. A derivative undoes "
        "nothing: it says what a small change does, and a change in the product arrives in the score "
        "divided by the root.",
        hint="The derivative of x / c by x is 1 / c.",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=finish(lambda e, q, k: (e @ k * _root(q), e.mT @ q * _root(q))),
    ),
    Misconception(
        id="grad-root-of-length",
        title="Your gradients of query and key are divided by the root of another size, not of d_k.",
        belief="Several sizes are at hand: dE is a table of T by S, its last axis counts keys, and the values "
        "have a width d_v of their own. The root in the forward pass is that of the number of terms in one "
        "dot product, which is the width of a key.",
        hint="Take the size of the axis that query and key share.",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=wrong(
            backward(finish=lambda e, q, k: (e @ k / e.shape[-1] ** 0.5, e.mT @ q / e.shape[-1] ** 0.5)),
            backward(finish=lambda e, q, k: (e @ k / e.shape[-2] ** 0.5, e.mT @ q / e.shape[-2] ** 0.5)),
            _root_of_value_width,
        ),
    ),
    Misconception(
        id="grad-value-scaled-too",
        title="Your gradient of the value is divided by the root of d_k as well; only query and key are.",
        belief="One factor for all three looks even-handed. But the root stands between the scores and the "
        "product of query and key. On the way from a value to the output there is a weight and no root.",
        hint="Look at the forward pass: which inputs reach the output through the division?",
        anchor="grad-scale",
        section="The root comes back, once",
        wrong=wrong(_value_scaled_too),
    ),
    Misconception(
        id="grad-weights-value-not-transposed",
        title="Your gradient of the weights multiplies dO by V; it should be V^T.",
        belief="The weight that query t gives to key s lets in value s, so its gradient is the dot "
        "product of row t of dO with row s of V. Rows with rows is dO V^T. Without the transpose it runs "
        "only where d_v = S, and mixes features with keys.",
        hint="(T, d_v) with (S, d_v) is to give (T, S): the shared letter d_v has to stand in the middle.",
        anchor="grad-weights",
        section="The weights: was it worth listening?",
        wrong=wrong(backward(of_weights=lambda grad_output, value: grad_output @ value)),
    ),
    Misconception(
        id="grad-output-ignored",
        title="Your gradients do not depend on grad_output: they are those of the plain sum of the output.",
        belief="output.sum().backward() is the habit from small tests, and it takes every entry of dO to "
        "be 1. Here the rest of the network says how much each entry of the output matters, and that is "
        "grad_output.",
        hint="Let grad_output be what the chain starts with.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_ones_for_gradient),
        evidence="https://github.com/RL-Align/RL-Kernel/pull/188",
    ),
    Misconception(
        id="grad-output-for-its-gradient",
        title="You use the output where its gradient belongs.",
        belief="O and dO have the same shape, so either fits into every product. O says what was heard, dO what "
        "the loss makes of it; the way back starts from the second.",
        hint="The only place where the output itself may stand is the row sum, beside grad_output.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_output_for_gradient(in_value=False), _output_for_gradient(in_value=True)),  # type: ignore[arg-type]
    ),
    Misconception(
        id="grad-returned-in-other-order",
        title="Your gradients are right and come back in another order; asked for is (query, key, value).",
        belief="On the way back the value's gradient comes first, so it is natural to return it first. "
        "The order of the result follows the order of the arguments, not of the computation.",
        hint="Return the gradient of the query first and that of the value last.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_reordered(2, 1, 0), _reordered(2, 0, 1), _reordered(1, 0, 2), _reordered(0, 2, 1)),  # type: ignore[arg-type]
    ),
    Misconception(
        id="grad-summed-over-batch",
        title="Your gradients are summed over the batch; every example needs its own.",
        belief="The gradient of a shared weight matrix is summed over the batch, because all examples use "
        "the same matrix. Queries, keys and values belong to one example each, and a gradient has the "
        "shape of what it belongs to.",
        hint="Leave the axes in front alone; only the last two take part.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_summed_over_batch),
    ),
    Misconception(
        id="grad-one-table-only",
        title="Your function is right for one table, and fails with batch axes in front.",
        belief=".t() is made for matrices, and .T turns all axes round, batch included. With a batch in "
        "front it is only the last two axes that have to be exchanged.",
        hint="Use a transpose of the last two axes, such as .mT.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_one_table_only),
    ),
    Misconception(
        id="grad-in-float32",
        title="You compute in float32 or shorter, whatever dtype the inputs have.",
        belief="float32 is torch's default, and seven digits are plenty for most of learning. But whoever "
        "passes float64 asks for sixteen: the rest is lost on the way in, and no conversion brings it back.",
        hint="Let the dtype of the inputs be the dtype of everything that is made from them.",
        anchor="grad-chain",
        section="What comes in and what goes out",
        wrong=wrong(_in_single),
    ),
)
