# What was reproduced: the answered claims of every figure, and the page that shows them.

from deepcredit.page.page import made_of


rule claims:
    input:
        [f"{CLAIMS}/{name}.json" for name in PLAN.figures],
    output:
        f"{RESULTS}/claims.json",
    log:
        f"results/logs/{PLAN.scale}/claims.log",
    params:
        scale=PLAN.scale,
    resources:
        style=STYLE,
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "deepcredit claims --scale {params.scale} {resources.style} > {log} 2>&1"


rule page:
    input:
        rules.claims.output,
        [f"{FIGURES}/{name}.png" for name in PLAN.figures],
    output:
        f"{RESULTS}/index.html",
    log:
        f"results/logs/{PLAN.scale}/page.log",
    params:
        scale=PLAN.scale,
        made_of=made_of(),
    resources:
        style=STYLE,
    localrule: True
    conda:
        "../../environment.yml"
    shell:
        "deepcredit page --scale {params.scale} {resources.style} > {log} 2>&1"
