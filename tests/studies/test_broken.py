"""A study that cannot take part is one line that names it, before anything is planned.

Expectations: what the test broke.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.studies.conftest import EXAMPLE, OWN, Extended, put

pytestmark = pytest.mark.xdist_group("broken studies")


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace the first `old` in a file of the study's package."""
    return lambda package: replaced(package / file, old, new)


def rename(old: str, new: str) -> Callable[[Path], None]:
    """Give a file of the study's package another name; a folder that is missing is made."""

    def moved(package: Path) -> None:
        (package / new).parent.mkdir(parents=True, exist_ok=True)
        (package / old).rename(package / new)

    return moved


#: what is done to a study → what the line says
BROKEN: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "an import that fails": (
        edit("study.py", "from pathlib", "import no_such_module\nfrom pathlib"),
        ["study 'my_paper' of the package my_paper", "No module named 'no_such_module'", "study.py, line 3"],
    ),
    "a record that fails": (
        edit("study.py", "title=", "subtitle="),
        ["study 'my_paper' of the package my_paper", "unexpected keyword argument 'subtitle'"],
    ),
    "no record": (
        edit("study.py", "RECORD = Study", "OTHER = Study"),
        ["study 'my_paper' of the package my_paper", "my_paper.study has no 'RECORD'"],
    ),
    "something else for a record": (
        edit("study.py", "RECORD = Study", "RECORD = dict"),
        ["study 'my_paper' of the package my_paper", "is no Study"],
    ),
    "a schema that fails": (
        edit("schema.py", "lr: float = 0.1", "lr: float = no_such_name"),
        ["study 'my_paper', kind of experiment 'my_paper'", "name 'no_such_name' is not defined", "schema.py, line"],
    ),
    "a schema of another kind": (
        edit("schema.py", 'kind: str = "my_paper"', 'kind: str = "your_paper"'),
        ["study 'my_paper'", "my_paper.schema:Training", "kind: str = 'my_paper'"],
    ),
    "a cost that fails": (
        edit("cost.py", "from deepcredit.plan.cost import Cost", "from deepcredit.plan.cost import Costs"),
        ["study 'my_paper', kind of experiment 'my_paper'", "cannot import name 'Costs'"],
    ),
    "no function that runs it": (
        edit("experiment.py", "def run(", "def runs("),
        ["study 'my_paper', kind of experiment 'my_paper'", "no function run in my_paper.experiment"],
    ),
    "code that is not Python": (
        edit("experiment.py", "def run(", "def run)"),
        ["my_paper.experiment: experiment.py, line", "not valid Python"],
    ),
    "another version": (
        edit("study.py", "api=1", "api=99"),
        ["study 'my_paper' of the package my_paper", "was written for version 99", "has version 1"],
    ),
    "no version": (
        edit("study.py", "    api=1,\n", ""),
        ["study 'my_paper' of the package my_paper", "does not say for which version", "write api=1"],
    ),
    "no configs": (
        rename("conf", "configs"),
        ["study 'my_paper' of the package my_paper has no folder", "package data"],
    ),
    "the name of a study": (
        edit("study.py", 'name="my_paper"', 'name="mupc"'),
        ["study 'mupc' is there twice: from deepcredit and the package my_paper"],
    ),
    "the name of a kind": (
        edit("study.py", 'Kind(\n            "my_paper"', 'Kind(\n            "deep_linear"'),
        ["kind of experiment 'deep_linear' is there twice", "'saxe'", "'my_paper'"],
    ),
    "the name of an experiment": (
        rename(f"conf/experiment/{EXAMPLE}.yaml", f"conf/experiment/{OWN}.yaml"),
        [f"experiment '{OWN}' is there twice", f"my_paper/conf/experiment/{OWN}.yaml"],
    ),
    "the name of a figure": (
        rename(f"conf/figure/my_paper/{EXAMPLE}.yaml", f"conf/figure/my_paper/{OWN}.yaml"),
        [f"figure '{OWN}' is there twice", f"my_paper/{OWN}.yaml", f"prospective/{OWN}.yaml"],
    ),
    "a name of the project's settings": (
        rename(f"conf/experiment/{EXAMPLE}.yaml", "conf/model/mupc.yaml"),
        ["model 'mupc' is there twice", "my_paper/conf/model/mupc.yaml"],
    ),
    "a setting that there is not": (
        edit(f"conf/experiment/{EXAMPLE}.yaml", "width: 16", "widht: 16"),
        [
            EXAMPLE,
            "unknown setting model.widht (did you mean 'width'?)",
            "init, input_size, width, n_hidden, output_size",
        ],
    ),
    "a value out of range": (
        edit(f"conf/experiment/{EXAMPLE}.yaml", "lr: 0.1", "lr: -0.1"),
        [EXAMPLE, "optimizer.lr=-0.1 is not valid; allowed: a positive number"],
    ),
    "a function that there is not": (
        edit(f"conf/figure/my_paper/{EXAMPLE}.yaml", "draw: example.losses", "draw: example.loses"),
        [f"figure {EXAMPLE}", "my_paper.figures.example has no function 'loses'"],
    ),
    "an option of the figure that there is not": (
        edit(f"conf/figure/my_paper/{EXAMPLE}.yaml", "yscale: log", "yscal: log"),
        [f"figure {EXAMPLE}", "unknown option 'yscal' (did you mean 'yscale'?)"],
    ),
    "an option of the claim that there is not": (
        edit(f"conf/figure/my_paper/{EXAMPLE}.yaml", "n_steps: 200", "steps: 200"),
        [f"figure {EXAMPLE}", "claim 1 (learns)", "unknown option 'steps'"],
    ),
    "a figure's module that fails": (
        edit("figures/example.py", "def losses(", "no_such_name\n\n\ndef losses("),
        [f"figure {EXAMPLE}", "my_paper.figures.example", "name 'no_such_name' is not defined"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_study_is_one_line_that_names_it(what: str, unbuilt: Path, tmp_path: Path) -> None:
    break_it, words = BROKEN[what]
    clone = Extended(unbuilt, tmp_path)
    break_it(put("my_paper", clone.packages))
    (line,) = clone.say("explain", OWN, "--scale", "ci", code=2).splitlines()
    assert [word for word in words if word not in line] == [], line
    assert not (unbuilt / "results" / "store").exists()


def test_two_studies_from_outside_of_one_name_are_named_with_their_packages(unbuilt: Path, tmp_path: Path) -> None:
    put("my_paper", tmp_path)
    replaced(put("your_paper", tmp_path) / "study.py", 'name="your_paper"', 'name="my_paper"')
    (line,) = Extended(unbuilt, tmp_path).say("list", code=2).splitlines()
    assert "study 'my_paper' is there twice: from the package my_paper and the package your_paper" in line


def test_snakemake_says_the_same_line(unbuilt: Path, tmp_path: Path) -> None:
    clone = Extended(unbuilt, tmp_path)
    replaced(put("my_paper", tmp_path) / "study.py", "api=1", "api=99")
    done = clone.run("-m", "snakemake", "--cores", "1", "--dry-run", "--config", "scale=ci")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "study 'my_paper' of the package my_paper was written for version 99" in said
    assert "Traceback" not in said


def test_two_studies_from_outside_stand_side_by_side(unbuilt: Path, tmp_path: Path) -> None:
    for name in ("my_paper", "your_paper"):
        put(name, tmp_path)
    said = Extended(unbuilt, tmp_path).say("list", "--scale", "ci")
    assert {f"{name}_example" for name in ("my_paper", "your_paper")} <= {
        line.split(" ")[0] for line in said.split("\n")
    }
