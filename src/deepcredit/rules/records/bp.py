"""Backpropagation. Imports no torch."""

from deepcredit.rules.rule import Implementation, Rule

ROOM = "deepcredit.rules"

RECORD = Rule(
    name="bp",
    label="BP",
    color="#000000",
    linestyle="--",
    implements={
        "mlp": Implementation(code=f"{ROOM}.backprop:Engine"),
        "direction": Implementation(code=f"{ROOM}.backprop:SummedLearner"),
        "linear_errors": Implementation(code=f"{ROOM}.linear_backprop:Learner", linear=True),
        "affine": Implementation(code=f"{ROOM}.affine_backprop:Learner", cost=f"{ROOM}.costs:affine_backpropagation"),
    },
)
