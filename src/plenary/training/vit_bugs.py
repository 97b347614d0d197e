"""Seventeen mistakes that can be planted in a `VisionTransformer` or in its training, see `reference`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.attention import MultiHeadAttention, merge_heads, split_heads
from plenary.class_token import add_positions, prepend_class_token
from plenary.data import Images
from plenary.encoder import EncoderLayer
from plenary.training.optimizer import optimizer as right_optimizer
from plenary.training.recipe import Recipe
from plenary.training.task import Batch, ImageTask
from plenary.vision_transformer import VisionTransformer

Plant = Callable[[VisionTransformer], None]
Step = Callable[[VisionTransformer, Tensor], Tensor]


def _place(model: VisionTransformer, patches: Tensor) -> Tensor:
    return add_positions(prepend_class_token(patches, model.class_token), model.positions)


def _encode(model: VisionTransformer, x: Tensor) -> Tensor:
    for layer in model.layers:
        x = layer(x)
    return x


def _read(model: VisionTransformer, x: Tensor) -> Tensor:
    return model.head(model.norm(x)[:, 0])


def forward(place: Step = _place, encode: Step = _encode, read: Step = _read) -> Plant:
    """A model in whose forward pass one of three steps is another one.

    Every row of the last layer is computed, as most people write it; without an argument the model stays right.
    """

    def plant(model: VisionTransformer) -> None:
        def forward(images: Tensor) -> Tensor:
            x = model.dropout(place(model, model.patch_embedding(images)))
            return read(model, encode(model, x))

        _put(model, "forward", forward)

    return plant


def attention(merge: Any = merge_heads, mix: Any = F.scaled_dot_product_attention) -> Plant:
    """A model in all of whose attentions one of the steps is another one."""

    def attend(
        self: MultiHeadAttention, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
    ) -> Any:
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        return self.out_proj(merge(mix(*(split_heads(x, self.num_heads) for x in (q, k, v))))), None

    def plant(model: VisionTransformer) -> None:
        forward()(model)
        for module in model.modules():
            if isinstance(module, MultiHeadAttention):
                _put(module, "forward", partial(attend, module))

    return plant


def _softmax_over_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-2) @ v


def _merge_straight(x: Tensor) -> Tensor:
    return x.reshape(len(x), x.shape[2], -1)


def _patches_reshaped(model: VisionTransformer) -> None:
    embedding = model.patch_embedding

    def forward(images: Tensor) -> Tensor:
        return embedding.projection(images.reshape(len(images), -1, embedding.projection.in_features))

    _put(embedding, "forward", forward)


def _no_positions(model: VisionTransformer) -> None:
    model.positions.requires_grad_(False)  # no gradient reaches them
    forward(place=lambda model, patches: prepend_class_token(patches, model.class_token))(model)


def _read_last(model: VisionTransformer, x: Tensor) -> Tensor:
    return model.head(model.norm(x)[:, -1])


def _causal(model: VisionTransformer, x: Tensor) -> Tensor:
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    for layer in model.layers:
        x = layer(x, mask)
    return x


def _no_residual(model: VisionTransformer, x: Tensor) -> Tensor:
    for layer in model.layers:
        assert isinstance(layer, EncoderLayer)
        x = layer.feed_forward(layer.norm2(layer._attend(layer.norm1(x), None, None)))
    return x


def _no_final_norm(model: VisionTransformer) -> None:
    model.norm = nn.Identity()


def _shared_layers(model: VisionTransformer) -> None:
    times = len(model.layers)
    del model.layers[1:]

    def encode(model: VisionTransformer, x: Tensor) -> Tensor:
        for _ in range(times):
            x = model.layers[0](x)
        return x

    forward(encode=encode)(model)


def _layers_in_a_list(model: VisionTransformer) -> None:
    layers = list(model.layers)
    del model.layers
    _put(model, "layers", layers)


def _softmax_at_the_end(model: VisionTransformer) -> None:
    forward(read=lambda model, x: _read(model, x).softmax(dim=-1))(model)


def _put(module: Any, name: str, value: Any) -> None:
    """In this one module; other modules of its class stay right."""
    setattr(module, name, value)


def _decay_everything(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        model.parameters(),
        lr=recipe.learning_rate,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def _gradients_kept(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    made = right_optimizer(model, recipe)
    _put(made, "zero_grad", lambda set_to_none=True: None)
    return made


class _NotNormalisedAfterwards(ImageTask):
    def validation_batch(self, batch: Batch) -> Batch:
        return batch


def _normalised_in_training_only(task: ImageTask) -> ImageTask:
    return _NotNormalisedAfterwards(**vars(task))


def _test_pictures_learned(task: ImageTask) -> ImageTask:
    training, test = task.training, task.validation
    assert isinstance(training, Images)
    assert isinstance(test, Images)
    kept = training.subset(torch.arange(len(training) - len(test)))
    images, labels = torch.cat([kept.images, test.images]), torch.cat([kept.labels, test.labels])
    return replace(task, training=Images(images, labels, training.classes))


@dataclass(frozen=True)
class Bug:
    """A mistake.

    Args:
        name: for short.
        text: what is wrong, in a few words.
        mistake: the function and the id under which the exercises know it.
        plant: makes it in a right model.
        recipe: in the place of a right one.
        task: in the place of a right one.
        optimizer: what makes it, in the place of `plenary.training.optimizer`.
    """

    name: str
    text: str
    mistake: str = ""
    plant: Plant = lambda model: None
    recipe: Callable[[Recipe], Recipe] = lambda recipe: recipe
    task: Callable[[ImageTask], ImageTask] = lambda task: task
    optimizer: Callable[[nn.Module, Recipe], torch.optim.AdamW] = right_optimizer


def _bugs() -> tuple[Bug, ...]:
    vit, attend = "VisionTransformer vit-", "scaled_dot_product_attention "
    unscaled = attention(mix=partial(F.scaled_dot_product_attention, scale=1.0))
    queries, merged = attention(mix=_softmax_over_queries), attention(merge=_merge_straight)
    merged_id, reshaped_id = "merge_heads mh-merge-without-transpose", "patchify patch-reshape-only"
    groups_id = "parameter_groups groups-decay-everything"
    in_list, list_id = "layers in a list, never trained", vit + "layers-in-a-list"
    raw, leaked = _normalised_in_training_only, "a quarter of training is the test pictures"
    return (
        Bug("softmax-over-queries", "softmax over the queries", attend + "softmax-over-queries", queries),
        Bug("no-scaling", "no scaling", attend + "no-scaling", unscaled),
        Bug("heads-merged-straight", "heads merged by a view", merged_id, merged),
        Bug("patches-reshaped", "patches cut by a reshape", reshaped_id, _patches_reshaped),
        Bug("no-positions", "no positions", vit + "no-positions", _no_positions),
        Bug("last-token-read", "last token read", vit + "last-token", forward(read=_read_last)),
        Bug("causal-mask", "causal mask left on", vit + "causal-mask", forward(encode=_causal)),
        Bug("no-residual", "no residual path", "EncoderLayer enc-no-residual", forward(encode=_no_residual)),
        Bug("no-final-norm", "no final norm", vit + "no-final-norm", _no_final_norm),
        Bug("shared-layers", "one layer, three times", vit + "shared-layers", _shared_layers),
        Bug("layers-in-a-list", in_list, list_id, _layers_in_a_list),
        Bug("softmax-at-the-end", "softmax before the loss", vit + "softmax-in-forward", _softmax_at_the_end),
        Bug("decay-everything", "decay of everything", groups_id, optimizer=_decay_everything),
        Bug(
            "rate-ten-times",
            "learning rate ten times too high",
            recipe=lambda recipe: replace(recipe, learning_rate=10 * recipe.learning_rate),
        ),
        Bug("gradients-kept", "gradients never set to zero", optimizer=_gradients_kept),
        Bug("not-normalised", "test pictures not normalised", task=raw),
        Bug("test-pictures-learned", leaked, task=_test_pictures_learned),
    )


BUGS = {bug.name: bug for bug in _bugs()}
"""By name."""
