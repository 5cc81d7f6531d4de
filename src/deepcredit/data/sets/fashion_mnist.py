"""Articles of clothing, 28 × 28 pixels (Xiao, Rasul & Vollgraf 2017)."""

from deepcredit.data import idx
from deepcredit.data.datasets import DataSet, RawFiles, Sizes
from deepcredit.data.fetch import DebianPackage, Mirrors

RECORD = DataSet(
    name="fashion_mnist",
    title="Fashion-MNIST",
    load="deepcredit.data.idx:load",
    sizes=Sizes(n_train=60_000, n_test=10_000, n_inputs=784, n_classes=10),
    # not its pixels' moments, but what the sources normalise with
    normalisation=(0.5, 0.5),
    files=RawFiles(
        folder="FashionMNIST/raw",
        sha256={
            idx.TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            idx.TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            idx.TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            idx.TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
        sources=(Mirrors("FashionMNIST"), DebianPackage("dataset-fashion-mnist")),
    ),
)
