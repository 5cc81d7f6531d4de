# One rule a job, for the arrays that the store lacks; cheap cells of one experiment share a job. An array's name says
# what it was computed from, so only a missing name makes a job. The content of data files is fixed, hence `ancient`.

from deepcredit.plan import batches, devices


def shared_gpus():
    """How many devices here jobs share: so many as `--resources gpu=N` says, or all. Each job has one to itself."""
    if not batches.any_wants_gpu(PLAN):
        return 0
    asked = workflow.global_resources.get("gpu")
    try:
        found = devices.for_jobs(None if asked is None else asked.value)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    workflow.register_resource("gpu", found)
    return found


# on a cluster jobs are longer; jobs that want a GPU ask for one unless `--config gpu=0` says that there is none
CLUSTER = workflow.is_main_process and workflow.non_local_exec
WANTED = workflow.is_main_process and str(config.get("gpu", 1)) != "0"
GPUS = WANTED and (CLUSTER or shared_gpus() > 0)
BATCHES = batches.batches(PLAN, CLUSTER, GPUS) if workflow.is_main_process else batches.submitted(PLAN.scale)
DEFAULTS = {name: of.raw for name, of in (workflow.resource_settings.default_resources or {}).items()}
WITH_GPU = batches.gpu_resources(DEFAULTS)


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
            **(WITH_GPU if batch.gpu else {"gpu": 0}),
        # the longest first, so that no core is left with it at the end
        priority: round(batch.seconds)
        conda:
            "../../environment.yml"
        shell:
            "deepcredit compute trainer.threads={threads} {params.arguments} > {log} 2>&1"
