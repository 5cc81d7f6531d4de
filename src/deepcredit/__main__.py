"""`python -m deepcredit` is the `deepcredit` command."""

import sys

from deepcredit.cli import main

sys.exit(main())
