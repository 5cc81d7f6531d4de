# Two rules a figure: `draw_<id>` draws it, and `<id>` is the target that a person asks for by name. `drawn_from` is one
# string that changes whenever drawing code, style sheet or config of the figure do; changed arrays are changed inputs.
#
# Snakemake makes a missing file again only if something asks for it by name: an array that was deleted from under a
# figure that stands is therefore asked for by the target.

from pathlib import Path

from deepcredit.config.studies import studies

FIGURES = f"{RESULTS}/figures"
CLAIMS = f"{RESULTS}/claims"
DRAWN = f"{RESULTS}/drawn"


def files_of(figure):
    drawn = [f"{FIGURES}/{figure.name}{suffix}" for suffix in (".pdf", ".png", ".csv")]
    return [*drawn, f"{CLAIMS}/{figure.name}.json", f"{DRAWN}/{figure.name}.json"]


def reported(figure, file):
    """The file, marked for `snakemake --report` if it is the picture."""
    if not file.endswith(".png"):
        return file
    return report(
        file,
        caption="../report/figure.rst",
        category=studies()[figure.study].title,
        labels={"figure": figure.id, "title": figure.config["title"]},
    )


def deleted_arrays(figure):
    if not all(Path(file).is_file() for file in files_of(figure)):
        return []
    return [array for array in PLAN.arrays(figure) if not Path(array).is_file()]


for figure in PLAN.figures.values():

    rule:
        name:
            f"draw_{figure.id}"
        input:
            PLAN.arrays(figure),
        output:
            [reported(figure, file) for file in files_of(figure)],
        log:
            f"results/logs/{PLAN.scale}/figures/{figure.name}.log",
        params:
            id=figure.id,
            scale=PLAN.scale,
            drawn_from=figure.fingerprint,
            caption=figure.config["caption"],
        resources:
            style=STYLE,
        conda:
            "../../environment.yml"
        shell:
            "deepcredit draw {params.id} --scale {params.scale} {resources.style} > {log} 2>&1"

    rule:
        name:
            figure.id
        input:
            files_of(figure),
            deleted_arrays(figure),
