"""The study's record: what it is called, and what stands in this room. Imports no torch."""

from deepcredit.config.studies import Explorer, Kind, Study

ROOM = "deepcredit.studies.saxe"

RECORD = Study(
    name="saxe",
    title="Deep linear networks",
    source=("After Saxe, McClelland & Ganguli (2013, 2019)."),
    figures=f"{ROOM}.figures",
    kinds=(
        Kind(
            "deep_linear",
            schema=f"{ROOM}.schemas.deep_linear:DeepLinear",
            run=f"{ROOM}.experiments.deep_linear:run",
            cost=f"{ROOM}.costs:deep_linear",
        ),
        Kind(
            "linear_regression",
            schema=f"{ROOM}.schemas.linear_regression:LinearRegression",
            run=f"{ROOM}.experiments.linear_regression:run",
            cost=f"{ROOM}.costs:linear_regression",
        ),
    ),
    explorers={
        "modes.representations": Explorer(f"{ROOM}.explorers:representations", also={"grid": "deep_linear_grid"}),
        "loss.loss_and_grid": Explorer(f"{ROOM}.explorers:loss_grid"),
    },
    order=5,
)
