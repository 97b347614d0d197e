"""Mistakes in the four linear layers of the module: which one maps what, and how they are built."""

from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.multi_head.build import Layer, Stepwise, in_module


class _Wired(Stepwise):
    """Project first: what the three projections are given and which layers they are is up to ``projected``."""

    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.k_proj(key), self.v_proj(value)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = (self.split(x) for x in self.projected(query, key, value))
        attended, weights = self.attend(q, k, v, mask)
        return self.out_proj(self.merge(attended)), weights


class _QueryLayerForKeys(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.q_proj(key), self.v_proj(value)


class _OneLayerTwoNames(_Wired):
    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, bias, dropout)
        self.k_proj = self.q_proj


class _KeyLayerForValues(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.k_proj(key), self.k_proj(value)


class _AllFromQuery(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.k_proj(query), self.v_proj(query)


class _KeysFromQuery(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.k_proj(query), self.v_proj(value)


class _ValuesFromKey(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.q_proj(query), self.k_proj(key), self.v_proj(key)


class _NotProjected(_Wired):
    def projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return query, key, value


class _OutputLayerUnused(Stepwise):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = self.split(self.q_proj(query)), self.split(self.k_proj(key)), self.split(self.v_proj(value))
        attended, weights = self.attend(q, k, v, mask)
        return self.merge(attended), weights


class _OutputLayerMissing(_OutputLayerUnused):
    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, bias, dropout)
        del self.out_proj


class _LayersOfOneHead(Stepwise):
    """Linear layers of the head's width, which every head shares."""

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, bias, dropout)
        width = embed_dim // num_heads
        self.q_proj, self.k_proj, self.v_proj = (Layer(width, width, bias) for _ in range(3))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = self.q_proj(self.split(query)), self.k_proj(self.split(key)), self.v_proj(self.split(value))
        attended, weights = self.attend(q, k, v, mask)
        return self.out_proj(self.merge(attended)), weights


def _biased(q: bool | None, k: bool | None, v: bool | None, out: bool | None) -> type[nn.Module]:
    """Build all four layers with these biases; None means as asked for."""

    class Biased(Stepwise):
        def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
            super().__init__(embed_dim, num_heads, bias, dropout)
            for name, wanted in (("q_proj", q), ("k_proj", k), ("v_proj", v), ("out_proj", out)):
                has = bias if wanted is None else wanted
                setattr(self, name, Layer(embed_dim, embed_dim, has))

    return Biased


PROJECTION_MISTAKES = (
    Misconception(
        id="mh-shared-query-key-layer",
        title="Your queries and keys go through the same linear layer.",
        belief="They are compared with each other, so one common language seems right. But a question and a "
        "badge say different things: with one matrix, token i scores j exactly as j scores i, and no "
        "token's score with itself is ever below zero.",
        hint="Each of the four layers is used once. See which of them your keys pass through.",
        anchor="mh-low-rank",
        section="What two matrices can say and one cannot",
        wrong=in_module(_QueryLayerForKeys, _OneLayerTwoNames),
    ),
    Misconception(
        id="mh-values-through-key-layer",
        title="Your values go through the layer of the keys.",
        belief="Key and value are the same token in most calls, and their layers have the same size, so "
        "nothing complains. But one is for being found and the other is for being heard.",
        hint="Each of the four layers is used once. See which of them your values pass through.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(_KeyLayerForValues),
        evidence="https://github.com/yflyzhang/AnnotatedTransformer/issues/1",
    ),
    Misconception(
        id="mh-keys-from-query",
        title="Your keys are made from the query; the argument key is not used.",
        belief="In self-attention all three arguments are the same tokens, and one of them seems enough. When "
        "a decoder reads its source, the questions come from one sequence, and what they are held "
        "against from another.",
        hint="Three arguments come in, and each goes through a layer of its own.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(_AllFromQuery, _KeysFromQuery),
    ),
    Misconception(
        id="mh-values-from-key",
        title="Your values are made from the key; the argument value is not used.",
        belief="Key and value are passed as the same tensor in self-attention and in cross-attention alike. "
        "The function takes them apart all the same, since what is found and what is heard may differ.",
        hint="Look at what v_proj is given.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(_ValuesFromKey),
    ),
    Misconception(
        id="mh-inputs-not-projected",
        title="Your heads are cut from the inputs as they come; the query, key and value layers are not used.",
        belief="A head is a stretch of d features, so cutting the input looks like making heads. Then head 0 "
        "sees features 0 to d - 1 and nothing else. The layers come first, so that each head can draw "
        "on the whole token.",
        hint="Project with the full width, then cut.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(_NotProjected),
    ),
    Misconception(
        id="mh-splits-before-projecting",
        title="You cut into heads first and project afterwards, with layers of one head's width.",
        belief="Each head has a projection of its own, so projecting inside the head seems the same. But a "
        "layer of width D / H sees only its own slice of the token, and is one and the same for all "
        "heads. The D x D matrix holds H different maps from all D features.",
        hint="Give q_proj, k_proj and v_proj embed_dim inputs and outputs, and cut what comes out.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(_LayersOfOneHead),
        evidence="https://github.com/MarcoMeter/episodic-transformer-memory-ppo/pull/22",
    ),
    Misconception(
        id="mh-no-output-projection",
        title="You return the merged heads without the output projection.",
        belief="Merged, the heads have width D again, and it looks finished. But so far head h has spoken into "
        "its own d features only. The last layer lets every head speak to all of them.",
        hint="One of the four layers has not been used yet.",
        anchor="mh-output",
        section="The output projection is a sum over heads",
        wrong=in_module(_OutputLayerUnused, _OutputLayerMissing),
        evidence="https://github.com/Kyubyong/transformer/issues/117",
    ),
    Misconception(
        id="mh-bias-not-passed-on",
        title="Your argument bias does not reach all four layers.",
        belief="nn.Linear has a bias unless it is told otherwise, so with bias=True all looks well. The "
        "argument is there to be switched off, and it means all four layers, out_proj too.",
        hint="Hand bias to each nn.Linear.",
        anchor="mh-projections",
        section="Four linear layers",
        wrong=in_module(
            _biased(True, True, True, True),
            _biased(None, None, None, True),
            _biased(False, False, False, False),
            _biased(False, False, False, None),
        ),
    ),
)
