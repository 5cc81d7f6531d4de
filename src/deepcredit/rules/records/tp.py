"""Target propagation: every layer learns from a target of its own, sent down by inverses. Imports no torch."""

from deepcredit.rules.rule import Implementation, Rule
from deepcredit.rules.target_propagation.options import InverseOptions, TargetOptions

ROOM = "deepcredit.rules.target_propagation"

RECORD = Rule(
    name="tp",
    label="TP",
    color="#009E73",
    implements={
        "direction": Implementation(code=f"{ROOM}.exact:Learner", linear=True, max_batch=1),
        "linear_errors": Implementation(code=f"{ROOM}.linear:Learner", options=TargetOptions, linear=True),
        "affine": Implementation(
            code=f"{ROOM}.learned:Learner", options=InverseOptions, cost="deepcredit.rules.costs:affine_targets"
        ),
    },
)
