"""Compile `requirements.lock` and `environment.yml` from pyproject.toml. Run as `make lock`.

The lock file holds every package but torch and torchvision with exact version and hashes, for all supported Pythons and
platforms. Those two, and the CUDA libraries that some of their wheels ask for, are left to `requirements-torch.txt`.
`environment.yml` lists the same versions for conda.
"""

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
COMPILE = ["pip", "compile", "pyproject.toml", "--extra", "dev", "--universal", "--python-version", "3.11"]
OPTIONS = ["--fork-strategy", "fewest", "--generate-hashes", "--no-header", "--upgrade", "--quiet"]
#: torch, and what only its CUDA wheels require
TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.+|cuda-.+)==")
HEADER = """\
# Exact versions and hashes of all packages but torch and torchvision (requirements-torch.txt).
# Made by `make lock` from pyproject.toml. Installed by `make env`.
"""
ENVIRONMENT = """\
# The environment for conda: `conda env create -f environment.yml && conda activate deepcredit`.
# Made by `make lock`: the versions of requirements.lock and requirements-torch.txt.
name: deepcredit
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
{pins}
      - -e .
"""


def blocks(compiled: str) -> list[str]:
    """One block of lines a package: its name and version, then hashes and comments, which are indented."""
    return [block for block in re.split(r"\n(?=\S)", compiled.strip()) if not block.startswith("#")]


def pins(requirements: str) -> list[str]:
    """The lines `name==version ; marker` of a requirements file, without hashes and comments."""
    lines = [line.split(" \\")[0].strip() for line in requirements.splitlines()]
    return [line for line in lines if re.match(r"[A-Za-z0-9._-]+==", line)]


def main() -> None:
    """Write both files."""
    compiled = subprocess.run(
        ["uv", *COMPILE, *OPTIONS], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout
    kept = [block for block in blocks(compiled) if not TORCH.match(block)]
    lock = HEADER + "\n".join(kept) + "\n"
    everything = sorted(pins(lock) + pins((PROJECT / "requirements-torch.txt").read_text()))
    (PROJECT / "requirements.lock").write_text(lock)
    (PROJECT / "environment.yml").write_text(
        ENVIRONMENT.format(pins="\n".join(f'      - "{pin}"' for pin in everything))
    )


if __name__ == "__main__":
    main()
