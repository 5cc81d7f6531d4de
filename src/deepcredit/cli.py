"""The `deepcredit` command: every job of the workflow is one of its lines. Each command imports what it needs."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from deepcredit.core.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0, or 2 with one line on standard error for a mistake of the user; `verify` and `diff` return 1 for what they found.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except UserError as error:
        print(f"deepcredit: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output wanted no more of it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    _add_scale(_add(commands, "page", _page, "build the page that shows all figures and claims of a scale"))
    _add_questions(commands)
    fetching = _add(commands, "fetch", _fetch, "fetch a data set into data/ and verify it")
    fetching.add_argument("dataset", help="its name, e.g. mnist")
    return parser


def _add_questions(commands: argparse._SubParsersAction) -> None:
    """The commands that answer questions and compute nothing."""
    explaining = _add(commands, "explain", _explain, "say whether a figure is up to date and, if not, why")
    explaining.add_argument("figure", help="id of the figure")
    _add_scale(explaining)
    _add(commands, "verify", _verify, "check that every array in the store is whole and what its name says")
    collecting = _add(commands, "gc", _gc, "list the arrays that no figure reads at any scale")
    collecting.add_argument("--yes", action="store_true", help="remove them")
    comparing = _add(commands, "diff", _diff, "compare the numbers and verdicts in two folders of results")
    comparing.add_argument("folders", nargs=2, metavar="FOLDER", help="for example results/quick")
    asking = _add(commands, "whence", _whence, "say what a figure's file was drawn from, by its own metadata")
    asking.add_argument("file", help="a pdf, png or csv file, wherever it is and whatever its name")
    _add_scale(_add(commands, "list", _list, "list figures and experiments with state, cells and expected cost"))


def _add(commands: argparse._SubParsersAction, name: str, run: Callable, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _add_scale(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scale", default="quick", help="quick (default), paper or ci")
    command.add_argument("--style", metavar="FILE", help="a matplotlib style sheet over the project's own")


def _compute(options: argparse.Namespace) -> None:
    from deepcredit.core.paths import relative
    from deepcredit.jobs.compute import compute

    for path in compute(options.overrides, options.also):
        print(relative(path), flush=True)


def _run(options: argparse.Namespace) -> None:
    from deepcredit.jobs import run

    if options.usage or not options.overrides:
        print(run.usage(options.overrides))
    elif options.cfg:
        print(run.job_config(options.overrides), end="")
    else:
        run.run(options.overrides, options.multirun)


def _draw(options: argparse.Namespace) -> None:
    from deepcredit.core.paths import relative
    from deepcredit.jobs.draw import draw
    from deepcredit.plan.plan import plan

    planned = plan(options.scale, options.style)
    for path in draw(planned, planned.figure(options.figure)):
        print(relative(path))


def _claims(options: argparse.Namespace) -> None:
    from deepcredit.core.paths import relative
    from deepcredit.jobs.draw import collect_claims
    from deepcredit.plan.plan import plan

    print(relative(collect_claims(plan(options.scale, options.style))))


def _page(options: argparse.Namespace) -> None:
    from deepcredit.core.paths import relative
    from deepcredit.page.page import write_page
    from deepcredit.plan.plan import plan

    print(relative(write_page(plan(options.scale, options.style))))


def _explain(options: argparse.Namespace) -> None:
    from deepcredit.ask.explain import explain
    from deepcredit.plan.plan import plan

    planned = plan(options.scale, options.style)
    print("\n".join(explain(planned, planned.figure(options.figure))))


def _verify(_options: argparse.Namespace) -> int:
    from deepcredit.ask.verify import verify

    found = verify()
    for damage in found.damaged:
        print(f"{damage.path}: {'; '.join(damage.faults)}\n  {damage.remedy}")
    print(f"{found.arrays} arrays, {found.earlier} of them from earlier code; {len(found.damaged)} damaged")
    return int(bool(found.damaged))


def _gc(options: argparse.Namespace) -> None:
    from deepcredit.ask.garbage import remove, unread
    from deepcredit.config.scales import scale_names
    from deepcredit.core.paths import relative
    from deepcredit.core.words import size
    from deepcredit.plan.plan import plan

    found = unread(plan(scale) for scale in scale_names())
    for cell in found:
        print(f"{size(cell.size):>10}  {relative(cell.files[0])}")
    freed = size(sum(cell.size for cell in found))
    if options.yes:
        remove(found)
    outcome = "removed" if options.yes else "would be freed; remove them with `deepcredit gc --yes`"
    count = f"{len(found)} array{'s' if len(found) != 1 else ''} that no figure reads"
    print(f"{count}, {freed} {outcome}" if found else "every array is read by a figure")


def _diff(options: argparse.Namespace) -> int:
    from pathlib import Path

    from deepcredit.ask.compare import compare

    one, other = map(Path, options.folders)
    lines = compare(one, other)
    print("\n".join([f"A = {one}, B = {other}", *lines]) if lines else f"{one} and {other} differ in nothing")
    return int(bool(lines))


def _whence(options: argparse.Namespace) -> None:
    from pathlib import Path

    from deepcredit.ask.whence import described, whence

    print("\n".join(described(whence(Path(options.file)))))


def _list(options: argparse.Namespace) -> None:
    from deepcredit.ask.listing import listing
    from deepcredit.config.scales import scale_names
    from deepcredit.plan.plan import plan

    plans = {scale: plan(scale, options.style) for scale in dict.fromkeys([options.scale, *scale_names()])}
    print("\n".join(listing(options.scale, {name: plans[name] for name in scale_names()})))


def _fetch(options: argparse.Namespace) -> None:
    from deepcredit.data.fetch import fetch

    fetch(options.dataset)


if __name__ == "__main__":
    sys.exit(main())
