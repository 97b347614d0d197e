"""Do all datasets give rows for a batch of indices, to a loader too, and is importing them light?"""

import subprocess
import sys

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from plenary.data import Windows, digits, recall, reverse, sort
from plenary.data.translation import SentencePairs

DATASETS = {
    "digits": lambda: digits().train,
    "reverse": lambda: reverse(97, 7).train,
    "sort": lambda: sort(97, 7).test,
    "recall": lambda: recall(97, 7).train,
    "windows": lambda: Windows(torch.arange(101), 5),
    "sentences": lambda: SentencePairs([[5, 6], [7]] * 19, [[8], [9, 4, 5]] * 19),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_batch_of_indices_gives_a_batch_of_rows(name):
    dataset = DATASETS[name]()
    index = torch.tensor([3, 0, 3, len(dataset) - 1, 2])
    batch = dataset[index]
    assert isinstance(batch, tuple)
    assert {len(tensor) for tensor in batch} == {5}
    assert all(torch.equal(tensor[0], tensor[2]) for tensor in batch)
    with pytest.raises(IndexError):
        dataset[torch.tensor([len(dataset)])]


@pytest.mark.parametrize("name", DATASETS)
def test_a_loader_takes_whole_batches_as_its_samples(name):
    dataset = DATASETS[name]()
    generator = torch.Generator().manual_seed(0)
    batches = BatchSampler(RandomSampler(dataset, generator=generator), batch_size=7, drop_last=False)
    found = list(DataLoader(dataset, sampler=batches, batch_size=None))
    assert sum(len(batch[0]) for batch in found) == len(dataset)


def test_importing_loads_none_of_the_heavy_libraries():
    heavy = ["sklearn", "torchvision", "pooch", "requests", "matplotlib", "tqdm.auto", "PIL", "safetensors"]
    code = (
        "import sys, torch; before = set(sys.modules); import plenary.data; "
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
