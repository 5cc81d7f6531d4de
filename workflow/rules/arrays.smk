# One rule an experiment, one job a cell. An array's name says what it was computed from, so a missing name is all
# that makes a job; data files are never younger in a way that matters (their content is fixed), hence `ancient`.

COMMANDS = {cell.path: cell.command for cells in PLAN.cells.values() for cell in cells}
DATASETS_READ = {cell.path: cell.datasets for cells in PLAN.cells.values() for cell in cells}


def array(experiment, wildcards):
    return f"results/store/{experiment}/{wildcards.cell}.nc"


for experiment in PLAN.cells:

    rule:
        name:
            f"compute_{experiment}"
        input:
            lambda wildcards, e=experiment: [
                ancient(f) for name in DATASETS_READ.get(array(e, wildcards), ()) for f in raw_files(name)
            ],
        output:
            f"results/store/{experiment}/{{cell}}.nc",
        log:
            f"results/logs/store/{experiment}/{{cell}}.log",
        params:
            command=lambda wildcards, e=experiment: COMMANDS.get(array(e, wildcards), "false"),
        threads: 1
        conda:
            "../../environment.yml"
        shell:
            "{params.command} trainer.threads={threads} > {log} 2>&1"
