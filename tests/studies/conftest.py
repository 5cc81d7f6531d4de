"""A clone with one figure of its own, and studies that are packages outside of it."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deepcredit.skeleton.new_study import new_study, rendered
from tests.clones import Clone, copy_project

#: the study that the tests write, and its figure and experiment
STUDY, EXAMPLE = "my_paper", "my_paper_example"

#: the clone's own figure and experiment
OWN = "interference"


@dataclass(frozen=True)
class Extended(Clone):
    """A clone, and the folder where packages from outside are installed."""

    packages: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of a command which finds the clone's own code and the packages."""
        found = super().environment
        return {**found, "PYTHONPATH": f"{found['PYTHONPATH']}:{self.packages}"}

    def say(self, *words: str, code: int = 0) -> str:
        """What a `deepcredit` command prints; it must end with this exit code."""
        done = self.run("-m", "deepcredit", *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def small_clone(folder: Path) -> Path:
    """A clone that has only the figure `OWN`; returns its root."""
    root = copy_project(folder).root
    for path in [*root.glob("conf/figure/*/*.yaml"), *root.glob("conf/experiment/*.yaml")]:
        if path.stem != OWN:
            path.unlink()
    return root


def put(name: str, packages: Path) -> Path:
    """Put a new study among the packages as an installation would leave it; returns its package's folder."""
    files = rendered(name)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = packages / f"{name}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n")
    points = [f"[{group}]\n{k} = {v}\n" for group, of in project["entry-points"].items() for k, v in of.items()]
    (info / "entry_points.txt").write_text("".join(points))
    for path, text in files.items():
        if path.startswith("src/"):
            target = packages / path.removeprefix("src/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return packages / name


@pytest.fixture(scope="session")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `deepcredit new-study` writes."""
    return new_study(STUDY, tmp_path_factory.mktemp("skeleton"))


@pytest.fixture(scope="session")
def built(skeleton: Path, tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """A clone with the study installed (not as editable), built at scale=ci with its page."""
    folder = tmp_path_factory.mktemp("outside")
    clone = Extended(small_clone(folder / "clone"), folder / "packages")
    source = shutil.copytree(skeleton, folder / "source")  # building leaves files in the source
    pip = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--disable-pip-version-check",
    ]
    subprocess.run([sys.executable, "-m", *pip, "--target", clone.packages, source], check=True, capture_output=True)
    clone.snakemake()
    return clone


@pytest.fixture
def extended(built: Extended) -> Iterator[Extended]:
    """The built clone; its code and the study's are put back afterwards."""
    saved = built.root.parent / "saved"
    folders = (built.packages, built.root / "src")
    for folder in folders:
        shutil.copytree(folder, saved / folder.name)
    yield built
    for folder in folders:
        shutil.rmtree(folder)
        shutil.move(saved / folder.name, folder)


@pytest.fixture(scope="session")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a clone in which nothing is built."""
    return small_clone(tmp_path_factory.mktemp("unbuilt") / "clone")
