# Every figure of five works on credit assignment, from config to page. What there is to build comes from the plan
# (src/deepcredit/plan/plan.py); the rules only say how. `deepcredit --help` and README.md explain the commands.

from snakemake.utils import min_version

min_version("9.19")


report: "workflow/report/workflow.rst"


include: "workflow/rules/plan.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/arrays.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"


rule all:
    default_target: True
    input:
        rules.claims.output,
        rules.page.output,
        [array for figure in PLAN.figures.values() for array in deleted_arrays(figure)],
