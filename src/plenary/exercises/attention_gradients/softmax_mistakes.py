"""Mistakes on the way back through the softmax: from the gradient of the weights to that of the scores."""

from plenary.checks.exercise import Misconception
from plenary.exercises.attention_gradients.build import through

SOFTMAX_MISTAKES = (
    Misconception(
        id="grad-skips-softmax",
        title="Your gradient passes the softmax unchanged: that of the weights is used as that of the "
        "scores.",
        belief="It would be right if the weights were the scores. But between the two stands a softmax, "
        "and it decides how far a weight follows its score: hardly at all where a key has nearly no "
        "weight or nearly all of it.",
        hint="Before the products with key and query, turn the gradient of the weights into that of the "
        "scores.",
        anchor="grad-softmax",
        section="Back through the softmax",
        wrong=through(lambda weights, grad_weights: grad_weights),
        evidence="https://github.com/pjreddie/darknet/pull/96",
    ),
    Misconception(
        id="grad-no-row-sum",
        title="Your gradient of the scores is A * dA; the row sum is not subtracted.",
        belief="A * dA is how a score acts on its own weight through the numerator. It also acts on all "
        "weights of its row through the denominator: if it rises, the others pay. That part is the row "
        "sum of A * dA.",
        hint="Subtract from every entry of a row of dA the same number: what this query gets on average, in "
        "the shares in which it listens.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(lambda weights, grad_weights: weights * grad_weights),
        evidence="https://github.com/HomericIntelligence/Odyssey/issues/2134",
    ),
    Misconception(
        id="grad-sigmoid-derivative",
        title="Your gradient of the scores is A * (1 - A) * dA, the derivative of a sigmoid.",
        belief="A (1 - A) is the diagonal of the softmax's Jacobian, what a score does to its own weight. "
        "It is the whole derivative of a sigmoid, whose outputs do not compete. Here every score moves "
        "every weight in its row.",
        hint="Bring in the off-diagonal: what a score does to the weights of the other keys.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(lambda weights, grad_weights: weights * (1 - weights) * grad_weights),
        evidence="https://github.com/deeplearning4j/libnd4j/issues/440",
    ),
    Misconception(
        id="grad-column-sum",
        title="You subtract sums over the queries (the columns); they run over the keys (the rows).",
        belief="A query shares out one unit of attention among the keys, so it is the keys of one row "
        "that compete. Weights of different queries stand in different softmaxes and know nothing of each "
        "other.",
        hint="Sum along the same axis as the softmax: the last.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: (
                weights * (grad_weights - (weights * grad_weights).sum(-2, keepdim=True))
            )
        ),
    ),
    Misconception(
        id="grad-sum-unweighted",
        title="The row sum that you subtract leaves out the weights: you take the sum (or mean) of dA.",
        belief="Subtracting the mean makes a row add up to zero only if all keys weigh the same. Keys "
        "that are listened to more count more: the sum runs over A * dA.",
        hint="Multiply by the weights before you sum as well as after you subtract.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: weights * (grad_weights - grad_weights.sum(-1, keepdim=True)),
            lambda weights, grad_weights: weights * (grad_weights - grad_weights.mean(-1, keepdim=True)),
        ),
    ),
    Misconception(
        id="grad-mean-for-row-sum",
        title="You subtract the mean of A * dA over the keys; it should be the sum.",
        belief="The row sum is an average, so a mean looks right. But the weights have done the averaging: "
        "they add up to one. A mean divides by the number of keys once more.",
        hint="Multiplied by the weights, the entries of a row need only be added up.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: (
                weights * (grad_weights - (weights * grad_weights).mean(-1, keepdim=True))
            )
        ),
    ),
    Misconception(
        id="grad-weights-factor-forgotten",
        title="The bracket dA - rowsum(A * dA) is right, but it is not multiplied by the weights.",
        belief="The bracket says whether a key's value was better or worse than the blend. How much its "
        "weight can still move is another question, and in proportion to that weight: a key with weight "
        "zero has nothing to give.",
        hint="Every entry of the softmax's Jacobian has a weight in front: look for it in p_i (delta_ij - "
        "p_j).",
        anchor="grad-weights-factor",
        section="Why the weights stand in front",
        wrong=through(
            lambda weights, grad_weights: grad_weights - (weights * grad_weights).sum(-1, keepdim=True)
        ),
    ),
    Misconception(
        id="grad-row-sum-not-weighted-again",
        title="You subtract the row sum from A * dA as it is; it has to be shared out by the weights.",
        belief="In A * (dA - rowsum) the factor A multiplies both terms. Written out it is A * dA - A * "
        "rowsum: what the row pays is shared in proportion to the weights, not in equal parts.",
        hint="Mind the brackets: the weights multiply the whole difference.",
        anchor="grad-weights-factor",
        section="Why the weights stand in front",
        wrong=through(
            lambda weights, grad_weights: (
                weights * grad_weights - (weights * grad_weights).sum(-1, keepdim=True)
            ),
            lambda weights, grad_weights: (
                weights * grad_weights - (weights * grad_weights).mean(-1, keepdim=True)
            ),
        ),
    ),
    Misconception(
        id="grad-keepdim-forgotten",
        title="Your row sums are subtracted from the columns: the summed axis is gone, and broadcasting "
        "lines up the wrong one.",
        belief="A sum over the last axis drops that axis. A vector of T row sums is then held against the "
        "last axis of the table, the keys. Where T = S nothing complains, and each row gets all sums "
        "instead of its own.",
        hint="Keep the summed axis, with size 1.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: weights * (grad_weights - (weights * grad_weights).sum(-1))
        ),
    ),
    Misconception(
        id="grad-whole-table-sum",
        title="You subtract one sum over everything; every row needs its own.",
        belief="A sum without an axis runs over all queries and all rooms of the batch. Each query's "
        "softmax is a world of its own, and with one query alone the two cannot be told apart.",
        hint="Name the axis to sum over, and keep it with size 1.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: weights * (grad_weights - (weights * grad_weights).sum())
        ),
    ),
    Misconception(
        id="grad-adds-row-sum",
        title="You add the row sum; it has to be subtracted.",
        belief="The row sum is what the competition costs: a score that rises takes weight from the "
        "others. With a plus, raising all scores of a row by the same amount would seem to change the "
        "output, and it changes nothing.",
        hint="The denominator of a quotient comes into its derivative with a minus.",
        anchor="grad-row-sum",
        section="What the row sum is",
        wrong=through(
            lambda weights, grad_weights: (
                weights * (grad_weights + (weights * grad_weights).sum(-1, keepdim=True))
            )
        ),
    ),
    Misconception(
        id="grad-sign-reversed",
        title="Your gradients of query and key have the opposite sign.",
        belief="Descent goes against the gradient, and the minus for that belongs to the optimiser. The "
        "gradient itself points uphill: a key whose value is better than the blend gets a positive one.",
        hint="In the bracket dA comes first, and the row sum is taken from it.",
        anchor="grad-softmax",
        section="Back through the softmax",
        wrong=through(
            lambda weights, grad_weights: (
                weights * ((weights * grad_weights).sum(-1, keepdim=True) - grad_weights)
            )
        ),
    ),
)
