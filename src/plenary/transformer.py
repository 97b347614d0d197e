"""The Transformer: an encoder that reads a sequence, and a decoder that writes another one."""

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from plenary import expect
from plenary.decoder import Decoder, LayerCache
from plenary.encoder import Encoder
from plenary.functional import causal_mask
from plenary.position import SinusoidalEncoding, TokenEmbedding


def shift_right(tokens: Int[Tensor, "B T"], bos_id: int) -> Int[Tensor, "B T"]:
    """Put BOS in front and drop the last token: what the decoder reads while it is taught to write `tokens`."""
    return F.pad(tokens[:, :-1], (1, 0), value=bos_id) if tokens.shape[1] else tokens.clone()


def make_masks(
    source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], pad_id: int
) -> tuple[Bool[Tensor, "B 1 1 S"], Bool[Tensor, "B 1 T T"], Bool[Tensor, "B 1 1 S"]]:
    """The three masks, True = may attend: the source's, the target's, and the target's on the memory.

    No one listens to padding, and a target position listens to itself and to earlier ones. The first and the
    third are the same tensor: both hide the source's padding.
    """
    real_source = (source != pad_id)[:, None, None, :]
    real_target = (target != pad_id)[:, None, None, :]
    return real_source, causal_mask(target.shape[1]).to(target.device) & real_target, real_source


def sequence_loss(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], pad_id: int, label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Cross-entropy in nats, averaged over the real tokens of the whole batch; 0 when there are none.

    Raises:
        ValueError: logits and targets are of different batches or lengths.

    Label smoothing: Szegedy et al. (2016), Rethinking the Inception Architecture, section 7.
    """
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"sequence_loss: logits (B, T, V) and targets (B, T) must agree on B and T; their shapes are "
            f"{tuple(logits.shape)} and {tuple(targets.shape)}."
        )
    total = F.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        ignore_index=pad_id,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    return total / (targets != pad_id).sum().clamp(min=1)


class Transformer(nn.Module):
    """Encoder and decoder with their embeddings, positions and a last linear layer over the target's words.

    Args:
        source_vocab_size: how many words the source has; its ids run from 0.
        target_vocab_size: how many words the target has.
        embed_dim: D, even.
        num_heads: H; divides D.
        num_encoder_layers: how many encoder layers.
        num_decoder_layers: how many decoder layers.
        hidden_dim: the feed-forward networks' width.
        max_length: the longest sequence, source or target.
        dropout: the share that is dropped, in the layers and on the embeddings.
        norm_first: pre-norm, which trains without a warm-up; `False` is the paper's post-norm.
        pad_id: the id of the padding in both vocabularies.

    Source: Vaswani et al. (2017), Attention Is All You Need, figure 1. Source and target have embeddings of
    their own, and the last layer is not tied to them.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_encoder_layers: int,
        num_decoder_layers: int,
        hidden_dim: int,
        max_length: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        pad_id: int = 0,
    ) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.max_length = max_length
        self.source_embedding = TokenEmbedding(source_vocab_size, embed_dim)
        self.target_embedding = TokenEmbedding(target_vocab_size, embed_dim)
        self.positions = SinusoidalEncoding(max_length, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(num_encoder_layers, embed_dim, num_heads, hidden_dim, dropout, norm_first)
        self.decoder = Decoder(num_decoder_layers, embed_dim, num_heads, hidden_dim, dropout, norm_first)
        self.head = nn.Linear(embed_dim, target_vocab_size)
        xavier_init(self)

    def forward(self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each target position; `target` starts with BOS.

        Raises:
            ValueError: a sequence is longer than max_length, or an id is outside its vocabulary.
        """
        source_mask, target_mask, memory_mask = make_masks(source, target, self.pad_id)
        return self.decode(target, self.encode(source, source_mask), target_mask, memory_mask)

    def encode(self, source: Int[Tensor, "B S"], mask: Bool[Tensor, "..."]) -> Float[Tensor, "B S D"]:
        """Read the source into the memory."""
        expect.token_ids("Transformer", len(self.source_embedding.weight), source=source)
        return self.encoder(self.dropout(self.positions(self.source_embedding(source))), mask)

    def decode(
        self,
        target: Int[Tensor, "B T"],
        memory: Float[Tensor, "B S D"],
        target_mask: Bool[Tensor, "..."],
        memory_mask: Bool[Tensor, "..."],
        cache: list[LayerCache] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits for the given target tokens; with a cache they stand after those of earlier calls."""
        expect.token_ids("Transformer", len(self.target_embedding.weight), target=target)
        before = len(cache[0].target) if cache else 0
        x = self.dropout(self.positions(self.target_embedding(target), offset=before))
        return self.head(self.decoder(x, memory, target_mask, memory_mask, cache))


class TinyTransformer(Transformer):
    """A Transformer for one small vocabulary: as many decoder as encoder layers, hidden width 4 D, no dropout.

    forward(source (B, S), target (B, T)) gives logits (B, T, V); the target starts with BOS.
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        max_length: int,
        pad_id: int = 0,
    ) -> None:
        super().__init__(
            vocab_size,
            vocab_size,
            embed_dim,
            num_heads,
            num_layers,
            num_layers,
            4 * embed_dim,
            max_length,
            pad_id=pad_id,
        )


class LanguageModel(nn.Module):
    """A decoder without an encoder: layers of causal self-attention that predict the next token.

    An encoder layer under a causal mask is all it takes; this is the shape of GPT.

    Source: Radford et al. (2018), Improving Language Understanding by Generative Pre-Training, section 3.1.
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        max_length: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.embedding = TokenEmbedding(vocab_size, embed_dim)
        self.positions = SinusoidalEncoding(max_length, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(num_layers, embed_dim, num_heads, 4 * embed_dim, dropout)
        self.head = nn.Linear(embed_dim, vocab_size)
        xavier_init(self)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each position.

        Raises:
            ValueError: the sequence is longer than max_length, or an id is outside the vocabulary.
        """
        expect.token_ids("LanguageModel", len(self.embedding.weight), tokens=tokens)
        x = self.dropout(self.positions(self.embedding(tokens)))
        return self.head(self.encoder(x, causal_mask(tokens.shape[1]).to(tokens.device)))


def xavier_init(model: nn.Module) -> None:
    """Give every linear layer Xavier-uniform weights and zero biases.

    Source: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks,
    equation 16.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
