# The plan of the scale asked for (`--config scale=quick|paper|ci style=my.mplstyle`). Plain data: nothing here imports torch.

import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from deepcredit.core.errors import UserError
from deepcredit.plan.plan import plan

try:
    PLAN = plan(str(config.get("scale", "quick")), str(config["style"]) if config.get("style") else None)
except UserError as error:
    raise WorkflowError(str(error)) from None

# of a rule's `resources`, not its `params`: what the style sheet says makes figures stale, not where it is
STYLE = f"--style {shlex.quote(PLAN.style)}" if PLAN.style else ""
RESULTS = f"results/{PLAN.scale}"

# jobs find the `deepcredit` command of the environment that Snakemake runs in
shell.prefix(f"PATH={Path(sys.executable).parent}:$PATH; ")
