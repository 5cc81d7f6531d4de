"""A small built project with four figures, a headless browser, and the accessibility checker axe-core."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.clones import Clone
from tests.page.browser import Browser, browser, executable

FIGURES = ("prospective/interference", "prospective/target_alignment_depth", "saxe/dln_loss", "saxe/dln_rsm")

AXE = "axe-core@4.14.1"
#: of the script inside the package
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


@pytest.fixture(scope="session")
def built(built_project: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone that has only `FIGURES` and what they read, built at scale=ci with its page."""
    clone = built_project.copy(tmp_path_factory.mktemp("page") / "clone")
    for experiment in _keep(clone.root / "conf"):
        store = Path("results", "store", experiment)
        shutil.copytree(built_project.root / store, clone.root / store)
    clone.snakemake()
    return clone


def _keep(conf: Path) -> set[str]:
    """Delete all but `FIGURES` and the experiments that they read, whose names it returns."""
    read: set[str] = set()
    for path in conf.glob("figure/*/*.yaml"):
        if f"{path.parent.name}/{path.stem}" in FIGURES:
            read.update(yaml.safe_load(path.read_text(encoding="utf-8"))["experiments"].values())
        else:
            path.unlink()
    for path in conf.glob("experiment/*.yaml"):
        if path.stem not in read:
            path.unlink()
    return read


@pytest.fixture
def project(built: Clone) -> Iterator[Clone]:
    """The built clone; its sources and results are put back afterwards."""
    saved = built.root.parent / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    folders = ("src", "conf", "results", ".snakemake")
    for name in folders:
        shutil.copytree(built.root / name, saved / name)
    yield built
    for name in folders:
        shutil.rmtree(built.root / name)
        shutil.move(saved / name, built.root / name)


def planned(clone: Clone, *arguments: str) -> set[str]:
    """The rules that Snakemake would run, without the target `all`."""
    return rules(clone.snakemake("--dry-run", *arguments))


def rules(done: subprocess.CompletedProcess[str]) -> set[str]:
    """The rules in the table of jobs that Snakemake prints, without the target `all`."""
    output = done.stdout + done.stderr
    if "Job stats:" not in output:
        return set()
    table = output.split("Job stats:")[1].split("total")[0]
    return set(re.findall(r"^(\w+)\s+\d+$", table, re.MULTILINE)) - {"all"}


def say(clone: Clone, *arguments: str, code: int = 0) -> str:
    """What a `deepcredit` command prints; it must end with this exit code."""
    done = clone.run("-m", "deepcredit", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- browser ------------------------------------------------------------------------------------------------------


def without(what: str) -> None:
    """Skip a test that lacks something, with the reason; where it is required (in CI), fail."""
    if os.environ.get("DEEPCREDIT_BROWSER") == "required":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A tab of a headless Chromium."""
    if executable() is None:
        without("no Chromium on this machine; as root, `make browser` installs Debian's")
    with browser(tmp_path_factory.mktemp("browser") / "profile") as found:
        yield found


@pytest.fixture
def page(request: pytest.FixtureRequest, tab: Browser) -> Browser:
    """The tab with a page opened in it, at a usual size: the one of `--page`, or else of the small project."""
    given = request.config.getoption("--page")
    path = given or request.getfixturevalue("built").root / "results" / "ci" / "index.html"
    tab.size(1400, 1000)
    tab.prefer("light")
    tab.open(path)
    return tab


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The script of axe-core, from its npm package, checked and kept in pytest's cache."""
    folder = request.config.cache.mkdir("axe-core")
    script = folder / f"{AXE}.js"
    if not script.is_file():
        try:
            _fetch_axe(folder, script)
        except (OSError, subprocess.SubprocessError) as error:
            without(f"cannot get {AXE} with npm: {error}")
    content = script.read_bytes()
    assert hashlib.sha256(content).hexdigest() == AXE_SHA256, f"{script} is not {AXE}; delete it"
    return content.decode("utf-8")


def _fetch_axe(folder: Path, script: Path) -> None:
    command = ["npm", "pack", AXE, "--silent", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, timeout=240, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        script.write_bytes(member.read())
    package.unlink()
