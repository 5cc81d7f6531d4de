"""Images and labels as arrays: against the format's definition, published counts, and torchvision."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepcredit.core.errors import UserError
from deepcredit.data import files, idx, samples, torchvision_ops  # noqa: F401  (the last one before torchvision)
from deepcredit.data.datasets import DATASETS, DataSet
from deepcredit.data.samples import Arrays, Chosen, Samples

#: images of each class in the training and the test set, as the data sets' authors count them
COUNTS = {
    "mnist": (
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ),
    "fashion_mnist": ([6000] * 10, [1000] * 10),
}


@pytest.fixture(params=sorted(COUNTS))
def real(request: pytest.FixtureRequest) -> DataSet:
    """A real data set, where it has been fetched."""
    dataset = DATASETS[request.param]
    if not all(path.is_file() for path in files.paths_of(dataset)):
        pytest.skip(f"{dataset.name} has not been fetched")
    return dataset


def read(dataset: DataSet) -> Arrays:
    return samples.load(Chosen(dataset.name)).arrays


def test_pixels_are_in_rows_and_labels_in_order(tiny: DataSet, write, data_root: Path) -> None:
    write(data_root / "MNIST" / "raw")
    images = read(tiny)
    assert images.train_x.tolist() == [[0, 255, 1, 2], [3, 4, 5, 6]]
    assert images.test_labels.tolist() == [7, 9]
    assert (images.train_x.dtype, images.train_labels.dtype) == (np.uint8, np.int64)


def test_missing_data_says_how_to_get_it(data_root: Path) -> None:
    with pytest.raises(UserError, match="run `deepcredit fetch fashion_mnist` or `make data`"):
        samples.load(Chosen("fashion_mnist"))


def test_unknown_dataset_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown data set 'fashion' .*'fashion_mnist'"):
        samples.load(Chosen("fashion"))


def test_arrays_that_are_not_of_the_sizes_said_are_refused(tiny: DataSet, stand_in, write, data_root: Path) -> None:
    write(data_root / "MNIST" / "raw")
    assert tiny.sizes is not None
    stand_in(replace(tiny, sizes=replace(tiny.sizes, n_test=3)))
    with pytest.raises(UserError, match=r"other sizes than said: test_x \(2, 4\) \(not \(3, 4\)\), test_labels"):
        read(tiny)


def test_labels_that_are_no_class_are_refused(tiny: DataSet, stand_in, write, data_root: Path) -> None:
    write(data_root / "MNIST" / "raw")
    assert tiny.sizes is not None
    stand_in(replace(tiny, sizes=replace(tiny.sizes, n_classes=9)))
    with pytest.raises(UserError, match=r"'mnist': .* brought labels from 7 to 9; allowed: 0 to 8"):
        read(tiny)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not images")
    with pytest.raises(UserError, match="not an IDX file"):
        idx.read_idx(tmp_path / "text")


def test_a_file_cut_short_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(contents[idx.TRAIN_IMAGES][:-1])
    with pytest.raises(UserError, match=r"7 bytes of data, its header says \(2, 2, 2\)"):
        idx.read_idx(tmp_path / "short")


@pytest.mark.parametrize("dataset", sorted(COUNTS))
def test_normalisation_is_that_of_torchvision_transforms(dataset: str) -> None:
    from torchvision import transforms

    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    mean, std = DATASETS[dataset].normalisation
    expected = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])(pixels)
    found = Samples(Arrays(pixels, np.zeros(16, dtype=np.int64)), 10, (mean, std)).normalised(pixels[..., 0])
    np.testing.assert_array_equal(found, expected[0].numpy())


def test_constants_of_mnist_are_its_own_mean_and_deviation(real: DataSet) -> None:
    """The constants are the moments of the training pixels, to the four digits they are given with."""
    if real.name != "mnist":
        pytest.skip("Fashion-MNIST is normalised with (0.5, 0.5), which are not its moments")
    pixels = read(real).train_x / 255
    assert (round(pixels.mean(), 4), round(pixels.std(), 4)) == real.normalisation


def test_classes_are_as_frequent_as_published(real: DataSet) -> None:
    train, test = COUNTS[real.name]
    images = read(real)
    assert np.bincount(images.train_labels).tolist() == train
    assert np.bincount(images.test_labels).tolist() == test


def test_arrays_are_those_of_torchvision(real: DataSet) -> None:
    from torchvision import datasets

    images, name = read(real), {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[real.name]
    for train, x, labels in [
        (True, images.train_x, images.train_labels),
        (False, images.test_x, images.test_labels),
    ]:
        theirs = getattr(datasets, name)(files.root(), train=train)
        np.testing.assert_array_equal(x, theirs.data.numpy().reshape(len(x), -1))
        np.testing.assert_array_equal(labels, theirs.targets.numpy())
