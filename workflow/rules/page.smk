# What was reproduced: the answered claims of every figure.


rule claims:
    input:
        [f"{CLAIMS}/{name}.json" for name in PLAN.figures],
    output:
        f"{RESULTS}/claims.json",
    log:
        f"results/logs/{PLAN.scale}/claims.log",
    params:
        scale=PLAN.scale,
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "deepcredit claims --scale {params.scale} > {log} 2>&1"
