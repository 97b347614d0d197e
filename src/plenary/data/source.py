"""Where data lives, and how it gets there.

A file is looked for in the folder that was named (by an argument, by `--data-dir`, or by the variable
PLENARY_DATA) and then in the user's cache. What has to be written, a download or a decoded copy, goes to the
named folder if that one may be written to, and to the cache otherwise. It is written under another name and
renamed when complete, so a file that is there is whole, whatever was interrupted.
"""

import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import platformdirs
from torch import Tensor

VARIABLE = "PLENARY_DATA"
TIMEOUT = 30  # seconds without a byte
ABANDONED = 3600  # seconds after which nobody is writing any more

_INCOMPLETE = ".incomplete-"

# What reading a damaged archive raises.
BROKEN = (tarfile.TarError, EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


class DownloadError(RuntimeError):
    """A file could not be downloaded. The message names the address, what went wrong, and what to do."""


def cache_dir() -> Path:
    """The folder of this user for files that can be had again."""
    return platformdirs.user_cache_path("plenary")


def data_dir(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder for data: the one given, else what PLENARY_DATA names, else the user's cache. It need not
    exist yet.

    Raises:
        NotADirectoryError: there is a file of this name.
    """
    named = given if given is not None else os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else cache_dir()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"data_dir: {folder} must be a folder; it is a file. Name the folder it is in."
        )
    return folder


def find(*names: str, given: str | os.PathLike[str] | None = None) -> Path | None:
    """The first of these files or folders that exists: in the named folder, then in the user's cache."""
    for folder in dict.fromkeys([data_dir(given), cache_dir()]):
        for name in names:
            if (folder / name).exists():
                return folder / name
    return None


def place(name: str, given: str | os.PathLike[str] | None = None) -> Path:
    """Where to write a file: in the named folder, or in the user's cache if that folder is read-only."""
    folder = data_dir(given)
    if folder.exists():
        # The bits are looked at too: root may write anywhere, and yet a folder without them is meant to be
        # left alone.
        writable = os.access(folder, os.W_OK) and folder.stat().st_mode & (
            stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
        )
        if not writable:
            folder = cache_dir()
    return folder / name


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder inside `folder`, for as long as it is needed. What a killed run left of such folders is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{_INCOMPLETE}*"):
        with suppress(OSError):  # another process may be sweeping too
            times = [file.stat().st_mtime for file in (old, *old.iterdir())]
            if time.time() - max(times) > ABANDONED:
                shutil.rmtree(old)
    with TemporaryDirectory(prefix=_INCOMPLETE, dir=folder, ignore_cleanup_errors=True) as made:
        yield Path(made)


@contextmanager
def incomplete(path: Path) -> Iterator[Path]:
    """A path to write a file to; it becomes `path` if all goes well, and vanishes otherwise."""
    with scratch(path.parent) as folder:
        partial = folder / path.name
        yield partial
        os.replace(partial, path)


def fetch(url: str, known_hash: str, path: Path, name: str | None = None) -> Path:
    """Download a file, verify it, and put it at `path`; a file that is there already is left alone.

    Args:
        url: http or https.
        known_hash: of the file as it is sent: hexadecimal SHA-256, or another with its name in front ("md5:...").
        path: where the file shall be.
        name: what it is called inside a data folder, for the message; the last part of `path` by default.

    Raises:
        DownloadError: no connection, an interrupted one, an HTTP error, another hash, no space, no permission.
            Nothing is left at `path`, and a second try starts afresh.
    """
    if path.exists():
        return path
    import pooch
    from tqdm.auto import tqdm

    algorithm, _, expected = known_hash.rpartition(":")
    algorithm = algorithm or "sha256"
    try:
        with incomplete(path) as partial:
            # pooch sets the true total; before, it asks whether there is a bar, and one without total is false.
            with tqdm(desc=path.name, total=1, unit="B", unit_scale=True, leave=False) as bar:
                progress: Any = bar  # annotated as bool, and documented to take an object like this
                pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)(url, str(partial), None)
            found = pooch.file_hash(str(partial), algorithm)
            if found != expected.lower():
                raise ValueError(f"its {algorithm} should be {expected}, and is {found}")
    except (OSError, ValueError) as error:  # the errors of requests are OSErrors
        raise DownloadError(
            f"could not download {url}: {_reason(error, url, path)}. Try again, or get the file some other way "
            f"and put it at {path}, or name a folder that holds {name or path.name} with {VARIABLE} or --data-dir."
        ) from error
    return path


def _reason(error: Exception, url: str, path: Path) -> str:
    from requests import exceptions

    match error:
        case exceptions.HTTPError(response=response) if response is not None:
            return f"the server answered {response.status_code} ({response.reason})"
        case exceptions.Timeout():
            return f"{urlsplit(url).hostname} was silent for {TIMEOUT} s"
        case exceptions.ChunkedEncodingError():
            return "the connection broke off before the end"
        case exceptions.SSLError():
            return f"the certificate of {urlsplit(url).hostname} was not accepted"
        case exceptions.ConnectionError():
            return f"the connection to {urlsplit(url).hostname} failed (is there a network?)"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return f"no space is left in {path.parent}"
        case _:
            return str(error)


def damaged(owner: str, path: Path) -> ValueError:
    """The error for a file or folder that was found, and cannot be read to its end."""
    return ValueError(
        f"{owner}: {path} is damaged or incomplete. Put a whole copy there; or remove it, and it is downloaded."
    )


def kept(
    name: str,
    sources: Iterable[Path],
    make: Callable[[], dict[str, Tensor]],
    given: str | os.PathLike[str] | None = None,
) -> dict[str, Tensor]:
    """The tensors that `make` makes from the source files, kept as a safetensors file for the next time.

    The file's name holds a hash of the sources' paths, sizes and times, so other sources are decoded anew.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save

    stamps = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in sources]
    key = hashlib.sha256(repr(stamps).encode()).hexdigest()[:12]
    path = place(f"{name}-{key}.safetensors", given)
    if path.exists():
        try:
            return load_file(path)
        except SafetensorError:
            path.unlink()  # damaged since: make it anew
    tensors = make()
    try:
        with incomplete(path) as partial:
            partial.write_bytes(save(tensors))  # save_file would make a file that nobody else may read
    except (OSError, SafetensorError) as error:
        warnings.warn(f"{name}: the decoded copy could not be kept at {path} ({error}).", stacklevel=3)
    return tensors
