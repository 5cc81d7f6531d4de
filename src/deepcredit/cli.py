"""The `deepcredit` command: every job of the workflow is one of its lines. Each command imports what it needs."""

import argparse
import contextlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence

from deepcredit.core.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0, or 2 with one line on standard error for a mistake of the user; `verify`, `diff` and `adopt` return 1 for what
    they found.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    try:
        if words[:1] == ["run"]:
            return _run(words[1:])
        if words[:1] in (["-sc"], ["--shell-completion"]):
            return _complete(words)
        options = parser.parse_args(words)
        return options.run(options) or 0
    except UserError as error:
        print(f"deepcredit: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output wanted no more of it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deepcredit", description=sys.modules["deepcredit"].__doc__)
    parser.add_argument("--version", action="version", version=importlib.metadata.version("deepcredit"))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    computing = _add(commands, "compute", _compute, "compute cells into the store")
    computing.add_argument("overrides", nargs="*", help="Hydra overrides, for example experiment=NAME model.width=64")
    computing.add_argument(
        "--also", nargs="+", action="append", default=[], help="a further cell: these overrides on top of the first's"
    )
    # everything after `run` is Hydra's
    commands.add_parser("run", help="train or compute one network, or a sweep of them, as a Hydra application")
    drawing = _add(commands, "draw", _draw, "draw one figure from the arrays in the store")
    drawing.add_argument("figure", help="id of the figure")
    _add_scale(drawing)
    _add_scale(_add(commands, "claims", _claims, "gather the answered claims of all figures in claims.json"))
    _add_scale(_add(commands, "page", _page, "build the page that shows all figures and claims of a scale"))
    _add_adopt(commands)
    _add_questions(commands)
    beginning = _add(commands, "new-study", _new_study, "write a package with a study that works, to begin one's own")
    beginning.add_argument("name", metavar="NAME", help="of the package and of the study, for example my_paper")
    beginning.add_argument("--into", required=True, metavar="FOLDER", help="where its folder is made")
    fetching = _add(commands, "fetch", _fetch, "fetch a data set into data/ and verify it")
    fetching.add_argument("dataset", help="its name, e.g. mnist")
    parser.set_defaults(commands=list(commands.choices))
    return parser


def _add_adopt(commands: argparse._SubParsersAction) -> None:
    text = "take arrays of earlier code over where a sample, computed again, is equal bit by bit"
    adopting = _add(commands, "adopt", _adopt, text)
    adopting.add_argument("folder", metavar="FOLDER", help="a store, a clone, its results, or those of a scale")
    _add_scale(adopting)
    adopting.add_argument("--minutes", type=float, default=10.0, help="how long the sample may take (10)")
    adopting.add_argument("--seed", type=int, default=0, help="chooses the sample (0)")


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


def _run(words: Sequence[str]) -> int:
    from deepcredit.jobs import app

    app.main(words)
    return 0


def _complete(words: Sequence[str]) -> int:
    """Hydra's completion of a shell. A shell asks it about the whole command line, which begins with `deepcredit`."""
    before, run, after = os.environ.get("COMP_LINE", "").partition(" run ")
    asked = any(word.startswith("query=") for word in words)
    if asked and not run:
        print(*_parser().get_default("commands"))
        return 0
    os.environ["COMP_LINE"] = f"{before} {after}"
    with contextlib.suppress(UserError):  # half a command is no mistake yet
        return _run(words)
    return 0


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


def _adopt(options: argparse.Namespace) -> int:
    from pathlib import Path

    from deepcredit.jobs.adopt import adopt, table

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found = adopt(Path(options.folder), options.scale, options.minutes, options.seed, say=say)
    print("\n".join([*found.notes, *(table(found.rows) if found.rows else [])]))
    return int(bool(found.differing))


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


def _new_study(options: argparse.Namespace) -> None:
    from pathlib import Path

    from deepcredit.skeleton.new_study import example_of, new_study

    folder = new_study(options.name, Path(options.into))
    print(f"{folder}\n\n  pip install -e {folder}\n  pytest {folder}")
    print(f"  snakemake --cores 2 {example_of(options.name)} --config scale=ci")


def _fetch(options: argparse.Namespace) -> None:
    from deepcredit.data.fetch import fetch

    fetch(options.dataset)


if __name__ == "__main__":
    sys.exit(main())
