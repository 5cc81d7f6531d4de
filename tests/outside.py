"""A package from outside the project, as pip would install one: its modules, and what brings its records to light."""

import os
from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, package: str, modules: Mapping[str, str], points: Mapping[str, Mapping[str, str]]) -> Path:
    """Write `package` with `modules` (name → text) into `folder`, which is returned and belongs on `sys.path`.

    `points` maps an entry-point group to names and what they lead to.
    """
    home, info = folder / package, folder / f"{package}-1.dist-info"
    for made in (home, info):
        made.mkdir(parents=True)
    for name, text in {"__init__": "", **modules}.items():
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in named.items())
        for group, named in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """That of a process that finds what is installed in `folder`."""
    found = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
