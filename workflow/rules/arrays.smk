# One rule a job, for the arrays that the store lacks; cheap cells of one experiment share a job. An array's name says
# what it was computed from, so only a missing name makes a job. The content of data files is fixed, hence `ancient`.

from deepcredit.plan import batches

# on a cluster jobs are longer, and those that want a GPU ask for one unless `--config gpu=0` says that there is none
CLUSTER = workflow.is_main_process and workflow.non_local_exec
BATCHES = batches.batches(PLAN, CLUSTER) if workflow.is_main_process else batches.submitted(PLAN.scale)
GPUS = CLUSTER and str(config.get("gpu", 1)) != "0"


onstart:
    batches.write(PLAN.scale, BATCHES)


for batch in BATCHES:

    rule:
        name:
            batch.rule
        input:
            [ancient(file) for dataset in batch.datasets for file in raw_files(dataset)],
        output:
            # not deleted before the job: another clone may share the store and have made them by now
            [update(array) for array in batch.outputs],
        log:
            batch.log,
        params:
            arguments=batch.arguments,
        threads: 1
        resources:
            runtime=lambda wildcards, attempt, batch=batch: batch.minutes(attempt),
            mem_mb=lambda wildcards, attempt, batch=batch: batch.memory(attempt),
            gpu=int(batch.gpu and GPUS),
        # the longest first, so that no core is left with it at the end
        priority: round(batch.seconds)
        conda:
            "../../environment.yml"
        shell:
            "deepcredit compute trainer.threads={threads} {params.arguments} > {log} 2>&1"
