"""Is the model of the pages the one that its card describes, and does `look` tell what the model computes?"""

from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from plenary import EncoderLayer, data
from plenary.introspection import record_attention
from plenary.training import World, digit_reader, store, tasks, train
from plenary.training.digit_reader import look, main

IMAGES, LABELS = data.digits().test[torch.arange(360)]


def normalised(images):
    facts = digit_reader.facts()
    return (images - facts["mean"][0]) / facts["std"][0]


def test_the_file_scores_what_it_says():
    figures = digit_reader.facts()["figures"]
    wrong = int((look(IMAGES).logits.argmax(dim=-1) != LABELS).sum())
    assert (wrong, len(IMAGES)) == (figures["wrong"], figures["tested"])
    assert figures["accuracy"] == pytest.approx(1 - wrong / 360)
    assert sum(p.numel() for p in digit_reader.model().parameters()) == figures["parameters"]
    card = digit_reader.FILE.with_suffix(".md").read_text(encoding="utf-8")
    for said in (
        f"{100 * figures['accuracy']:.2f} % ({wrong} wrong)",
        f"{figures['parameters']:,} parameters",
    ):
        assert said in card
    assert f"| {figures['loss']:.3f} nats |" in card


def test_a_look_is_what_the_model_computes():
    seen, model = look(IMAGES[:7]), digit_reader.model()
    with torch.no_grad(), record_attention(model) as recording:
        logits = model(normalised(IMAGES[:7]))
    torch.testing.assert_close(seen.logits, logits, atol=1e-5, rtol=0)
    for ours, theirs in zip(seen.attentions, recording.matching(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert [tuple(state.shape) for state in seen.states] == [(7, 17, 48)] * 4
    assert seen.tokens.shape == (7, 16, 48)


def test_without_positions_the_order_of_the_patches_is_lost():
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    patches = IMAGES[:7].unfold(2, 2, 2).unfold(3, 2, 2).reshape(7, 16, 2, 2)[:, order]
    shuffled = patches.reshape(7, 1, 4, 4, 2, 2).transpose(3, 4).reshape(7, 1, 8, 8)
    for positions in (True, False):
        same = torch.allclose(
            look(IMAGES[:7], positions=positions).logits,
            look(shuffled, positions=positions).logits,
            atol=1e-4,
        )
        assert same is not positions


def test_what_is_off_says_nothing():
    """All heads of a layer off is a layer with no attention; a layer skipped hands on what it read."""
    skipped = look(IMAGES[:7], skip=[1])
    torch.testing.assert_close(skipped.states[1], skipped.states[2])
    layer = digit_reader.model().layers[2]
    assert isinstance(layer, EncoderLayer)
    silent = look(IMAGES[:7], off=[(2, head) for head in range(4)])
    with torch.no_grad():
        x = silent.states[2] + layer.attention.out_proj.bias
        torch.testing.assert_close(
            silent.states[3], x + layer.feed_forward(layer.norm2(x)), atol=1e-5, rtol=0
        )
    with pytest.raises(ValueError, match="there is no head 4"):
        look(IMAGES[:7], off=[(0, 4)])


def test_a_run_is_packed_and_another_one_refused(tmp_path):
    task, recipe = tasks.digits()
    assert task.architecture
    world = World(torch.device("cpu"))
    train(task.architecture.build(3), task, replace(recipe, epochs=1, seed=3), tmp_path / "run", world)
    done = CliRunner().invoke(main, [str(tmp_path / "run"), str(tmp_path / "file")])
    assert done.exit_code == 0, done.output
    weights, facts = store.read(tmp_path / "file")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert (facts["figures"]["seed"], facts["figures"]["trained"]) == (3, 1437)
    store.write(tmp_path / "run" / "model.safetensors", {}, {"task": "totals", "architecture": None})
    refused = CliRunner().invoke(main, [str(tmp_path / "run"), str(tmp_path / "file")])
    assert (refused.exit_code, "expected a run of digits; it is one of totals" in refused.output) == (1, True)
