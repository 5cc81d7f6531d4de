"""The study's record: what it is called, and what stands in this room. Imports no torch."""

from deepcredit.config.studies import Kind, Study

ROOM = "deepcredit.studies.mupc"

RECORD = Study(
    name="mupc",
    title="Predictive coding in deep networks",
    source=("Innocenti, Achour & Buckley (2025), μPC: scaling predictive coding to 100+ layer networks. NeurIPS."),
    figures=f"{ROOM}.figures",
    kinds=(
        Kind(
            "pc_training",
            schema=f"{ROOM}.schemas.pc_training:PcTraining",
            run=f"{ROOM}.experiments.pc_training:run",
            cost=f"{ROOM}.costs.pc_training:cost",
        ),
        Kind(
            "activity_hessian",
            schema=f"{ROOM}.schemas.activity_hessian:ActivityHessian",
            run=f"{ROOM}.experiments.activity_hessian:run",
            cost=f"{ROOM}.costs.theory:activity_hessian",
        ),
        Kind(
            "forward_pass",
            schema=f"{ROOM}.schemas.forward_pass:ForwardPass",
            run=f"{ROOM}.experiments.forward_pass:run",
            cost=f"{ROOM}.costs.theory:forward_pass",
        ),
        Kind(
            "equilibrium_training",
            schema=f"{ROOM}.schemas.equilibrium_training:EquilibriumTraining",
            run=f"{ROOM}.experiments.equilibrium_training:run",
            cost=f"{ROOM}.costs.theory:equilibrium_training",
        ),
    ),
    order=2,
)
