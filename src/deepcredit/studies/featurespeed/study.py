"""The study's record: what it is called, and what stands in this room. Imports no torch."""

from deepcredit.config.studies import Kind, Study

ROOM = "deepcredit.studies.featurespeed"

RECORD = Study(
    name="featurespeed",
    title="The feature speed formula",
    source=(
        "Chizat & Netrapalli (2023, 2024), The feature speed formula: a flexible approach to scale hyper- "
        "parameters of deep neural networks."
    ),
    figures=f"{ROOM}.figures",
    kinds=(
        Kind(
            "feature_speed",
            schema=f"{ROOM}.schemas.feature_speed:FeatureSpeed",
            run=f"{ROOM}.experiments.feature_speed:run",
            cost=f"{ROOM}.costs:feature_speed",
        ),
        Kind(
            "feature_speed_depth",
            schema=f"{ROOM}.schemas.feature_speed_depth:FeatureSpeedDepth",
            run=f"{ROOM}.experiments.feature_speed_depth:run",
            cost=f"{ROOM}.costs:feature_speed_depth",
        ),
    ),
    order=4,
)
