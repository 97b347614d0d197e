"""Processes that judge side by side, each with one thread."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import torch


def pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of new processes. They are not forked: torch's threads do not survive that."""
    return ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    )
