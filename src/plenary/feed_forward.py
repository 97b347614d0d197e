"""The feed-forward network: each token thinks on its own about what it has heard."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FeedForward(nn.Module):
    """linear2(GELU(linear1(x))), the same for every token. Dropout acts between the activation and linear2.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.3; GELU instead of ReLU as in
    Dosovitskiy et al. (2021), An Image is Worth 16x16 Words, section 3.1.
    """

    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """Map each row of the last axis to `hidden_dim` features and back."""
        return self.linear2(self.dropout(F.gelu(self.linear1(x))))
