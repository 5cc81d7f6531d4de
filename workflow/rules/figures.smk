# One rule a figure, named by its id: `snakemake --cores 4 target_alignment_depth`. `drawn_from` is one string that
# changes whenever drawing code, style sheet or config of the figure do; changed arrays are seen as changed inputs.

FIGURES = f"{RESULTS}/figures"
CLAIMS = f"{RESULTS}/claims"

for figure in PLAN.figures.values():

    rule:
        name:
            figure.id
        input:
            PLAN.arrays(figure),
        output:
            multiext(f"{FIGURES}/{figure.name}", ".pdf", ".png", ".csv"),
            claims=f"{CLAIMS}/{figure.name}.json",
        log:
            f"results/logs/{PLAN.scale}/figures/{figure.name}.log",
        params:
            id=figure.id,
            scale=PLAN.scale,
            drawn_from=figure.fingerprint,
        conda:
            "../../environment.yml"
        shell:
            "deepcredit draw {params.id} --scale {params.scale} > {log} 2>&1"
