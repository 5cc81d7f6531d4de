"""Download through torchvision.datasets, from its mirrors.

Run as `python -m deepcredit.data.mirrors MNIST FOLDER`; the files end up in `FOLDER/MNIST/raw`. A program of its own,
so that `deepcredit.data.fetch` needs no torch and can end a download that hangs where no time-out reaches.
"""

import socket
import sys

from deepcredit.data import torchvision_ops  # noqa: F401  (before torchvision)

#: seconds without an answer after which a mirror counts as not reachable; torchvision itself sets no limit
SILENCE = 10.0


def download(folder: str, data_root: str) -> None:
    """Download one data set, named by torchvision's class (`MNIST`, `FashionMNIST`), to below `data_root`."""
    socket.setdefaulttimeout(SILENCE)
    from torchvision import datasets

    getattr(datasets, folder)(data_root, download=True)


if __name__ == "__main__":
    download(*sys.argv[1:])
