"""Which files a data set has, where they lie, and what is said when they are not right."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepcredit.core.errors import UserError
from deepcredit.core.files import checksum
from deepcredit.data import files, idx
from deepcredit.data.datasets import DataSet


def test_root_is_the_projects_data_folder_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(files.ROOT_VARIABLE, raising=False)
    assert files.root() == Path(__file__).parents[2] / "data"
    monkeypatch.setenv(files.ROOT_VARIABLE, str(tmp_path))
    assert files.root() == tmp_path


def test_whole_data_set_passes(tiny: DataSet, write, tmp_path: Path) -> None:
    files.verify(tiny, write(tmp_path))
    assert tiny.files is not None
    assert files.is_whole(tiny.files, tmp_path)


def test_missing_file_is_named_with_the_remedy(tiny: DataSet, write, tmp_path: Path) -> None:
    (write(tmp_path) / idx.TEST_LABELS).unlink()
    with pytest.raises(UserError) as error:
        files.verify(tiny, tmp_path)
    expected = f"mnist: no t10k-labels-idx1-ubyte in {tmp_path}; run `deepcredit fetch mnist` or `make data`"
    assert str(error.value) == expected


def test_one_changed_bit_is_noticed(tiny: DataSet, write, tmp_path: Path) -> None:
    path = write(tmp_path) / idx.TRAIN_IMAGES
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"mnist: wrong SHA-256 of train-images-idx3-ubyte in .*deepcredit fetch mnist"):
        files.verify(tiny, tmp_path)


def test_checksum_of_nothing_is_the_published_one(tmp_path: Path) -> None:
    """SHA-256 of the empty string, as FIPS 180-4's examples give it."""
    (tmp_path / "empty").touch()
    expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert checksum(tmp_path / "empty") == expected


def test_no_module_that_plans_or_reads_data_imports_torch() -> None:
    program = """
import sys
import deepcredit.data.fetch, deepcredit.data.npz, deepcredit.data.settings
from deepcredit.data.datasets import DATASETS
assert len(DATASETS.names) > 1
print(sorted({"torch", "torchvision"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
