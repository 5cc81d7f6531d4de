"""Images and labels as arrays: against the format's definition, published counts, and torchvision."""

from pathlib import Path

import numpy as np
import pytest

from deepcredit.core.errors import UserError
from deepcredit.data import files, mnist, torchvision_ops  # noqa: F401  (the last one before torchvision)

#: images of each class in the training and the test set, as the data sets' authors count them
MNIST_TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(params=sorted(files.DATASETS))
def real(request: pytest.FixtureRequest) -> mnist.Images:
    """A real data set, where it has been fetched."""
    dataset = files.lookup(request.param)
    if files.missing(dataset, files.raw_folder(dataset, files.root())):
        pytest.skip(f"{dataset.name} has not been fetched")
    return mnist.load(dataset.name)


@pytest.mark.usefixtures("tiny")
def test_pixels_are_in_rows_and_labels_in_order(write, tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw")
    images = mnist.load("mnist", tmp_path)
    assert images.train_images.tolist() == [[0, 255, 1, 2], [3, 4, 5, 6]]
    assert images.test_labels.tolist() == [7, 9]
    assert (images.train_images.dtype, images.train_labels.dtype) == (np.uint8, np.int64)


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `deepcredit fetch fashion_mnist` or `make data`"):
        mnist.load("fashion_mnist", tmp_path)


def test_unknown_dataset_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown dataset 'fashion' .*'fashion_mnist'"):
        mnist.load("fashion")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not images")
    with pytest.raises(UserError, match="not an IDX file"):
        mnist.read_idx(tmp_path / "text")


def test_a_file_cut_short_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(contents[files.TRAIN_IMAGES][:-1])
    with pytest.raises(UserError, match=r"7 bytes of data, its header says \(2, 2, 2\)"):
        mnist.read_idx(tmp_path / "short")


@pytest.mark.parametrize("dataset", sorted(files.DATASETS))
def test_normalisation_is_that_of_torchvision_transforms(dataset: str) -> None:
    from torchvision import transforms

    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    mean, std = mnist.NORMALISATION[dataset]
    expected = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])(pixels)
    np.testing.assert_array_equal(mnist.normalise(pixels[..., 0], dataset), expected[0].numpy())


def test_constants_of_mnist_are_its_own_mean_and_deviation(real: mnist.Images) -> None:
    """The constants are the moments of the training pixels, to the four digits they are given with."""
    if real.dataset != "mnist":
        pytest.skip("Fashion-MNIST is normalised with (0.5, 0.5), which are not its moments")
    pixels = real.train_images / 255
    assert (round(pixels.mean(), 4), round(pixels.std(), 4)) == mnist.NORMALISATION["mnist"]


def test_classes_are_as_frequent_as_published(real: mnist.Images) -> None:
    expected = {"mnist": (MNIST_TRAIN_COUNTS, MNIST_TEST_COUNTS), "fashion_mnist": ([6000] * 10, [1000] * 10)}
    train, test = expected[real.dataset]
    assert np.bincount(real.train_labels).tolist() == train
    assert np.bincount(real.test_labels).tolist() == test


def test_arrays_are_those_of_torchvision(real: mnist.Images) -> None:
    from torchvision import datasets

    for train, images, labels in [
        (True, real.train_images, real.train_labels),
        (False, real.test_images, real.test_labels),
    ]:
        theirs = getattr(datasets, files.lookup(real.dataset).folder)(files.root(), train=train)
        np.testing.assert_array_equal(images, theirs.data.numpy().reshape(len(images), 784))
        np.testing.assert_array_equal(labels, theirs.targets.numpy())
