"""The `deepcredit` command: every job of the workflow is one of its lines. Each command imports what it needs."""

import argparse
import sys
from collections.abc import Callable, Sequence

from deepcredit.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one line on standard error for a mistake of the user."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except UserError as error:
        print(f"deepcredit: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deepcredit", description=sys.modules["deepcredit"].__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    computing = _add(commands, "compute", _compute, "compute cells into the store")
    computing.add_argument(
        "overrides", nargs="*", help="Hydra overrides, e.g. experiment=target_alignment_depth model.num_layers=4"
    )
    computing.add_argument(
        "--also", nargs="+", action="append", default=[], help="a further cell: these overrides on top of the first's"
    )
    running = commands.add_parser("run", help="train or compute one network, or a sweep of them", add_help=False)
    running.set_defaults(run=_run)
    running.add_argument("overrides", nargs="*")
    running.add_argument("-m", "--multirun", action="store_true")
    running.add_argument("-c", "--cfg", choices=["job"])
    running.add_argument("-h", "--help", action="store_true", dest="usage")
    drawing = _add(commands, "draw", _draw, "draw one figure from the arrays in the store")
    drawing.add_argument("figure", help="id of the figure")
    _add_scale(drawing)
    _add_scale(_add(commands, "claims", _claims, "gather the answered claims of all figures in claims.json"))
    fetching = _add(commands, "fetch", _fetch, "fetch a data set into data/ and verify it")
    fetching.add_argument("dataset", help="mnist or fashion_mnist")
    return parser


def _add(commands: argparse._SubParsersAction, name: str, run: Callable, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _add_scale(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scale", default="quick", help="quick (default), paper or ci")


def _compute(options: argparse.Namespace) -> None:
    from deepcredit.pipeline.compute import compute
    from deepcredit.pipeline.paths import relative

    for path in compute(options.overrides, options.also):
        print(relative(path), flush=True)


def _run(options: argparse.Namespace) -> None:
    from deepcredit.pipeline import run

    if options.usage or not options.overrides:
        print(run.usage(options.overrides))
    elif options.cfg:
        print(run.job_config(options.overrides), end="")
    else:
        run.run(options.overrides, options.multirun)


def _draw(options: argparse.Namespace) -> None:
    from deepcredit.pipeline.draw import draw
    from deepcredit.pipeline.paths import relative
    from deepcredit.pipeline.plan import plan

    planned = plan(options.scale)
    for path in draw(planned, planned.figure(options.figure)):
        print(relative(path))


def _claims(options: argparse.Namespace) -> None:
    from deepcredit.pipeline.draw import collect_claims
    from deepcredit.pipeline.paths import relative
    from deepcredit.pipeline.plan import plan

    print(relative(collect_claims(plan(options.scale))))


def _fetch(options: argparse.Namespace) -> None:
    from deepcredit.data.fetch import fetch

    fetch(options.dataset)


if __name__ == "__main__":
    sys.exit(main())
