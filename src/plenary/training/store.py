"""Files that are whole or not there: written beside their name, synced, renamed; verified when read."""

import errno
import json
import os
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read, or used for this run."""


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts (JSON values) as a safetensors file, with a hash over all of it.

    Raises:
        CheckpointError: the file cannot be written. What stood there before still does.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    hashed = {"facts": facts, "sha256": _digest(tensors, facts)}
    # One entry, because the library writes several in an order that changes from run to run.
    metadata = {"plenary": json.dumps(hashed, sort_keys=True)}
    replace(path, lambda temporary: save_file(tensors, temporary, metadata))


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        CheckpointError: the file cannot be written. What stood there before still does.
    """
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace(path: Path, write_to: Callable[[Path], Any]) -> None:
    """Let a function write a temporary file beside `path`, and put it in its place when it is safe on the disk.

    Raises:
        CheckpointError: something in between failed. The temporary file is gone, and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_to(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors makes files that their owner alone may read
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(_not_written(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the facts that `write` wrote.

    Raises:
        CheckpointError: there is no such file, it is not one of ours, or it is damaged.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: expected a checkpoint, and there is no such file. Start the run anew."
        )
    way_out = "Take an earlier copy, or start the run anew (plenary train --overwrite)."
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: expected a safetensors file; these {path.stat().st_size} bytes are none, or not all of one "
            f"({error}). {way_out}"
        ) from error
    if "plenary" not in metadata:
        raise CheckpointError(
            f"{path}: a safetensors file, but not written by plenary: expected 'plenary' in its metadata, found "
            f"{sorted(metadata) or 'none'}. {way_out}"
        )
    written = json.loads(metadata["plenary"])
    facts, expected = written["facts"], written["sha256"]
    if (found := _digest(tensors, facts)) != expected:
        raise CheckpointError(
            f"{path}: the contents do not have the hash that was written with them: expected sha256 "
            f"{expected[:12]}..., found {found[:12]}... The file was damaged after it was written. {way_out}"
        )
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    digest = sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _umask() -> int:
    """What new files may not be; to read it, it has to be set."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(path: Path, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    # safetensors hands the system's error on as text.
    if number is None and (match := re.search(r"os error (\d+)", str(error))):
        number = int(match[1])
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        why = f"no space is left for it ({os.strerror(number)})"
        what_to_do = "Free some, and go on with --resume."
    else:
        why = os.strerror(number) if number else str(error)
        what_to_do = "Mend that, and go on with --resume."
    kept = "The file that was there before is untouched. " if path.exists() else ""
    return f"{path}: could not be written: {why}. {kept}{what_to_do}"
