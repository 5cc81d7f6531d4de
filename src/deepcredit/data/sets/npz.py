"""A user's own file, at the path in `data.path`: see `deepcredit.data.npz`."""

from deepcredit.data.datasets import DataSet

RECORD = DataSet(
    name="npz",
    title="a file of one's own",
    load="deepcredit.data.npz:load",
    measure="deepcredit.data.npz:measure",
)
