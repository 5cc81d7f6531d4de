"""A real SLURM of one node, in a folder of its own: `munged`, `slurmctld` and `slurmd` as children of this process.

They run as the user who starts them, without accounting and without control groups.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "srun", "scontrol")

CONFIG = """
ClusterName=deepcredit
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PlugStackConfig={folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What is missing to run SLURM here; empty where nothing is."""
    missing = [name for name in DAEMONS + COMMANDS if _find(name) is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)} missing): apt-get install slurm-wlm munge"
    return ""


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Slurm:
    """A running cluster; `environment` is what commands need to find it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a SLURM command."""
        command = [str(self.folder / "bin" / words[0]), *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def call(self, *words: str) -> str:
        """What a SLURM command prints."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.logs()}"
        return done.stdout

    def jobs(self) -> list[tuple[str, str]]:
        """Number and state of the jobs in the queue."""
        lines = self.call("squeue", "--noheader", "--format=%i %T").split("\n")
        return [(number, state) for number, state in (line.split() for line in lines if line)]

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(
            f"--- {p.name}\n" + "\n".join(p.read_text(errors="replace").splitlines()[-30:])
            for p in self.folder.glob("*.log")
        )


@contextlib.contextmanager
def slurm(cpus: int) -> Iterator[Slurm]:
    """Start a cluster of one node with this many CPUs; stop it at the end, with all that runs on it."""
    # a short path: sockets have no room for long ones
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    daemons: list[subprocess.Popen] = []
    try:
        _configure(folder, cpus)
        environment = {"PATH": f"{_commands(folder)}:{os.environ['PATH']}"}
        cluster = Slurm(folder, environment)
        daemons.append(_start_munge(folder))
        _wait(lambda: (folder / "munge.socket").exists(), "munged", cluster)
        for name in ("slurmctld", "slurmd"):
            daemons.append(_start(folder, name, "-D", "-f", f"{folder}/slurm.conf"))
        _wait(lambda: _idle(cluster), "the node", cluster)
        yield cluster
        cluster.run("scancel", "--user", str(os.getuid()))
        _wait(lambda: not cluster.jobs(), "the end of all jobs", cluster)
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(15)
            daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, cpus: int) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "plugstack.conf").touch()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    text = CONFIG.format(
        folder=folder,
        host=socket.gethostname().split(".")[0],
        user=os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip(),
        controller_port=_free_port(),
        node_port=_free_port(),
        cpus=cpus,
        memory=memory * 3 // 4,
    )
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)


def _commands(folder: Path) -> Path:
    """A folder of SLURM's commands that know where this cluster is, also where a job's environment was cleaned."""
    own = folder / "bin"
    own.mkdir()
    for name in COMMANDS:
        script = own / name
        script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_find(name)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return own


def _start_munge(folder: Path) -> subprocess.Popen:
    files = [f"--{what}-file={folder}/munge.{what}" for what in ("key", "pid", "seed")]
    words = [*files, f"--log-file={folder}/munge.log", f"--socket={folder}/munge.socket", "--foreground", "--force"]
    return _start(folder, "munged", *words)


def _start(folder: Path, name: str, *words: str) -> subprocess.Popen:
    command = _find(name)
    assert command is not None
    with (folder / f"{name}.out.log").open("w") as out:
        return subprocess.Popen([command, *words], stdout=out, stderr=out, start_new_session=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _idle(cluster: Slurm) -> bool:
    return cluster.run("sinfo", "--noheader", "--format=%T").stdout.strip() == "idle"


def _wait(holds, what: str, cluster: Slurm, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited for {what} in vain\n{cluster.logs()}"
        time.sleep(0.2)
