"""Predictive coding: infer activities that lower the energy, then lower it in the weights. Imports no torch."""

from deepcredit.rules.options import HalvingInference, SteppedInference
from deepcredit.rules.rule import Implementation, Rule

ROOM = "deepcredit.rules.predictive_coding"

RECORD = Rule(
    name="pc",
    label="PC",
    color="#D55E00",
    implements={
        "mlp": Implementation(
            code=f"{ROOM}.learner:Learner",
            options=SteppedInference,
            section="inference",
            observes={"condition_number": "deepcredit.theory.hessian:condition_number_at"},
            cost="deepcredit.rules.costs:stepped_inference",
        ),
        "direction": Implementation(code=f"{ROOM}.halving:Learner", options=HalvingInference, section="inference"),
    },
)
