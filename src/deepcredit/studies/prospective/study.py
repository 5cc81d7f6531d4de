"""The study's record: what it is called, and what stands in this room. Imports no torch."""

from deepcredit.config.studies import Kind, Study

ROOM = "deepcredit.studies.prospective"

RECORD = Study(
    name="prospective",
    title="Target alignment and interference",
    source=(
        "Song, Millidge, Salvatori, Lukasiewicz, Xu & Bogacz (2024), Inferring neural activity before "
        "plasticity as a foundation for learning beyond backpropagation. Nature Neuroscience."
    ),
    figures=f"{ROOM}.figures",
    kinds=(
        Kind(
            "target_alignment",
            schema=f"{ROOM}.schemas.target_alignment:TargetAlignment",
            run=f"{ROOM}.experiments.target_alignment:run",
            cost=f"{ROOM}.costs:target_alignment",
        ),
        Kind(
            "interference",
            schema=f"{ROOM}.schemas.interference:Interference",
            run=f"{ROOM}.experiments.interference:run",
            cost=f"{ROOM}.costs:interference",
        ),
    ),
    order=1,
)
