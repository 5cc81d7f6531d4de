"""Fetching: sources in turn, nothing in place that is not right, a hanging mirror given up, registries for real."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deepcredit.core.errors import UserError
from deepcredit.data import fetch as fetching
from deepcredit.data import files, idx, mirrors
from deepcredit.data.datasets import DATASETS, DataSet, RawFiles
from deepcredit.data.fetch import ClientError, SourceError, fetch


@dataclass(frozen=True)
class Made:
    """A source that does what it is told."""

    label: str
    does: Callable[[Path], Path]

    def bring(self, files: RawFiles, work: Path) -> Path:
        return self.does(work)


def failing(reason: str) -> Made:
    """A source that never brings anything."""

    def bring(work: Path) -> Path:
        raise SourceError(reason)

    return Made(f"the {reason} source", bring)


@pytest.fixture
def working(write) -> Made:
    """A source that brings the tiny data set."""
    return Made("the working source", lambda work: write(work / "unpacked"))


@pytest.fixture
def tampered(write) -> Made:
    """A source whose training labels are not the data set's."""

    def bring(work: Path) -> Path:
        write(work)
        (work / idx.TRAIN_LABELS).write_bytes(b"something else")
        return work

    return Made("the tampered source", bring)


def whole(folder: Path | None) -> bool:
    """Whether the folder holds what stands in for MNIST."""
    wanted = DATASETS["mnist"].files
    assert folder is not None
    assert wanted is not None
    return files.is_whole(wanted, folder)


class TestSources:
    def test_the_next_source_is_tried_where_one_fails(self, sources, working: Made, data_root: Path) -> None:
        sources(failing("silent"), working)
        folder = fetch("mnist")
        assert folder == data_root / "MNIST" / "raw"
        assert whole(folder)

    def test_nothing_is_left_beside_the_data(self, sources, working: Made, data_root: Path) -> None:
        sources(failing("silent"), working)
        fetch("mnist")
        assert [path.name for path in data_root.iterdir()] == ["MNIST"]

    def test_wrong_checksum_is_refused_and_nothing_put_in_place(self, sources, tampered: Made, data_root: Path) -> None:
        sources(tampered)
        with pytest.raises(UserError, match="the tampered source: wrong SHA-256 of train-labels-idx1-ubyte"):
            fetch("mnist")
        assert list(data_root.iterdir()) == []

    def test_the_next_source_is_tried_after_a_wrong_checksum(
        self, sources, tampered: Made, working: Made, data_root: Path
    ) -> None:
        sources(tampered, working)
        assert whole(fetch("mnist"))

    def test_every_reason_and_every_way_out_is_in_one_line(self, sources, contents, data_root: Path) -> None:
        sources(failing("silent"), failing("closed"))
        with pytest.raises(UserError) as error:
            fetch("mnist")
        message = str(error.value)
        assert "\n" not in message
        assert "the silent source: silent; the closed source: closed" in message
        assert "`deepcredit fetch mnist`" in message
        assert f"put the unpacked files {', '.join(contents)} into {data_root}/MNIST/raw" in message

    def test_data_that_is_there_is_not_fetched_again(self, sources, write, data_root: Path) -> None:
        sources(failing("silent"))
        folder = write(data_root / "MNIST" / "raw")
        assert fetch("mnist") == folder

    def test_a_damaged_file_is_replaced(self, sources, working: Made, write, data_root: Path) -> None:
        sources(working)
        (write(data_root / "MNIST" / "raw") / idx.TEST_IMAGES).write_bytes(b"")
        assert whole(fetch("mnist"))

    def test_a_place_that_cannot_be_written_is_named(
        self, sources, working: Made, data_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sources(working)
        (data_root / "file").touch()
        monkeypatch.setenv(files.ROOT_VARIABLE, str(data_root / "file"))
        with pytest.raises(UserError, match=f"cannot write mnist to {data_root}/file/MNIST/raw"):
            fetch("mnist")


def test_unknown_dataset_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown data set 'mnis' \(did you mean 'mnist'\?\); allowed: fashion_mnist"):
        fetch("mnis")


def test_there_is_nothing_to_fetch_for_a_users_own_file() -> None:
    assert fetch("npz") is None


class TestClients:
    def test_a_client_that_is_not_installed_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ClientError, match="no-such-client is not installed"):
            fetching._run(["no-such-client"], tmp_path, limit=10)

    def test_a_client_that_hangs_is_ended(self, tmp_path: Path) -> None:
        with pytest.raises(ClientError, match=r"sleep took longer than 0 s"):
            fetching._run(["sleep", "200"], tmp_path, limit=0.05)

    def test_a_failing_clients_last_line_is_the_reason(self, tmp_path: Path) -> None:
        with pytest.raises(ClientError, match=r"sh failed \(no such package\)"):
            fetching._run(["sh", "-c", "echo context >&2; echo no such package >&2; exit 3"], tmp_path, limit=10)


@pytest.fixture
def restored_timeout() -> Iterator[None]:
    """Puts back the process-wide time-out that a download sets."""
    before = socket.getdefaulttimeout()
    yield
    socket.setdefaulttimeout(before)


@pytest.mark.usefixtures("restored_timeout")
class TestMirrors:
    def test_files_come_through_torchvision(
        self, contents: dict[str, bytes], tiny: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mirror on this machine that serves the tiny data set packed with gzip, as the real ones do."""
        served, received = tmp_path / "served", tmp_path / "received"
        served.mkdir()
        for name, content in contents.items():
            (served / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(served.iterdir())]
        handler = partial(QuietHandler, directory=str(served))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            point_torchvision_to(server.server_address[1], monkeypatch)
            monkeypatch.setattr("torchvision.datasets.MNIST.resources", sums)
            mirrors.download("MNIST", str(received))
            server.shutdown()
        assert tiny.files is not None
        assert files.is_whole(tiny.files, received / tiny.files.folder)

    def test_a_mirror_that_never_answers_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It accepts connections and stays silent, which torchvision alone waits for without end."""
        monkeypatch.setattr(mirrors, "SILENCE", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            point_torchvision_to(silent.getsockname()[1], monkeypatch)
            with pytest.raises((TimeoutError, RuntimeError), match="timed out"):
                mirrors.download("MNIST", str(tmp_path))


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def point_torchvision_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a port of this machine MNIST's only mirror."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"http://127.0.0.1:{port}/"])


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_registry_brings_the_real_files(name: str, tmp_path: Path) -> None:
    wanted = DATASETS[name].files
    assert wanted is not None
    registry = wanted.sources[-1]
    try:
        folder = registry.bring(wanted, tmp_path)
    except ClientError as reason:
        pytest.skip(f"the {registry.label} cannot be reached from here: {reason}")
    assert files.is_whole(wanted, folder)
