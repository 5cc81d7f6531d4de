"""Points of the plane, on a ring or off it: see `deepcredit.data.ring`."""

from deepcredit.data.datasets import DataSet, Sizes

RECORD = DataSet(
    name="ring",
    title="ring",
    load="deepcredit.data.ring:arrays",
    sizes=Sizes(n_train=2500, n_test=0, n_inputs=2, n_classes=2),
    own_targets=True,
)
