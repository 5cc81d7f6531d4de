"""The study's record: what it is called, and what stands in this room. Imports no torch."""

from deepcredit.config.studies import Kind, Study

ROOM = "deepcredit.studies.targetprop"

RECORD = Study(
    name="targetprop",
    title="Target propagation",
    source=("Difference target propagation, after Lee, Zhang, Fischer & Bengio (2015)."),
    figures=f"{ROOM}.figures",
    kinds=(
        Kind(
            "tp_linear",
            schema=f"{ROOM}.schemas.tp_linear:TpLinear",
            run=f"{ROOM}.experiments.tp_linear:run",
            cost=f"{ROOM}.costs:tp_linear",
        ),
        Kind(
            "tp_learned_inverse",
            schema=f"{ROOM}.schemas.tp_learned_inverse:TpLearnedInverse",
            run=f"{ROOM}.experiments.tp_learned_inverse:run",
            cost=f"{ROOM}.costs:tp_learned_inverse",
        ),
    ),
    order=3,
)
