# One rule a job, for the arrays that the store lacks; cheap cells of one experiment share a job. An array's name says
# what it was computed from, so only a missing name makes a job. The content of data files is fixed, hence `ancient`.

from deepcredit.pipeline import batches

BATCHES = batches.batches(PLAN) if workflow.is_main_process else batches.submitted(PLAN.scale)


onstart:
    batches.write(PLAN.scale, BATCHES)


for batch in BATCHES:

    rule:
        name:
            batch.rule
        input:
            [ancient(file) for dataset in batch.datasets for file in raw_files(dataset)],
        output:
            batch.outputs,
        log:
            batch.log,
        params:
            arguments=batch.arguments,
        threads: 1
        # the longest first, so that no core is left with it at the end
        priority: round(batch.seconds)
        conda:
            "../../environment.yml"
        shell:
            "deepcredit compute trainer.threads={threads} {params.arguments} > {log} 2>&1"
