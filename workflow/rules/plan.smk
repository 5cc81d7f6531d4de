# The plan of the scale asked for (`--config scale=quick|paper|ci`). Plain data: nothing here imports torch.

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from deepcredit.core.errors import UserError
from deepcredit.plan.plan import plan

try:
    PLAN = plan(str(config.get("scale", "quick")))
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{PLAN.scale}"

# jobs find the `deepcredit` command of the environment that Snakemake runs in
shell.prefix(f"PATH={Path(sys.executable).parent}:$PATH; ")
