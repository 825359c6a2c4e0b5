"""A SLURM of its own on this machine, for the tests: one node, in a folder of its own, with keys and ports of its own.

    python tests/slurm.py install         # slurm-wlm and munge by apt-get, where they are missing
    python tests/slurm.py start FOLDER    # ends when the node is idle; prints what to export
    python tests/slurm.py stop FOLDER     # ends it and all its jobs

Nothing of an existing cluster is read or changed, and to start needs no root: it serves only who started it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "squeue")
# As many jobs at once as the CPUs that the node says it has, which may be more than the machine's.
CONFIGURATION = """
ClusterName=pielab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# A job that is put back waits as long as its old credential is good.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.own.pid
SlurmdPidFile={folder}/slurmd.own.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
MinJobAge=3600
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:2
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE
"""
# SLURM hands out any file as a GPU, so that jobs that ask for one can be tested where there is none.
GPUS = "AutoDetect=off\nName=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


class SlurmError(Exception):
    """Says in one sentence why there is no SLURM."""


def environment(folder: Path) -> dict[str, str]:
    """The variables that its users need, beside their own."""
    path = os.environ.get("PATH", os.defpath).removeprefix(f"{folder}/bin:")
    return {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{path}"}


def missing() -> list[str]:
    """The commands of SLURM and munge that this machine lacks."""
    return [command for command in COMMANDS if not _program(command)]


def install() -> None:
    """Install what is missing, as root or by sudo without a password; SlurmError if that cannot be."""
    if not missing():
        return
    apt = ["apt-get"] if os.getuid() == 0 else ["sudo", "-n", "apt-get"]
    if not all(shutil.which(command) for command in {apt[0], "apt-get"}):
        raise SlurmError(f"there is no {', '.join(missing())}, and no apt-get that could install slurm-wlm and munge.")
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]):
        if subprocess.run([*apt, *arguments], check=False).returncode:
            raise SlurmError(f"{' '.join([*apt, *arguments])} failed: see above.")


def start(folder: Path, cpus: int = 4) -> dict[str, str]:
    """Start munged, slurmctld and slurmd, wait until the node is idle, and return `environment`.

    What an earlier start in this folder left is stopped first.

    Raises SlurmError if a command is missing or the node does not get idle.
    """
    if lacking := missing():
        raise SlurmError(f"there is no {', '.join(lacking)}: python tests/slurm.py install.")
    folder = folder.absolute()
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for each in ("state", "spool", "bin"):
        (folder / each).mkdir(parents=True)
    folder.chmod(0o755)
    controller_port, node_port = _free_ports(2)
    values = {"folder": folder, "cpus": cpus, "host": socket.gethostname().split(".")[0], "user": os.getuid()}
    text = CONFIGURATION.format(**values, controller_port=controller_port, node_port=node_port)
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(GPUS)
    # Snakemake's plugin takes every SLURM_ variable from the srun of a job, this one too.
    srun = folder / "bin" / "srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_program("srun")} "$@"\n')
    srun.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    try:
        files = {"key-file": "key", "socket": "socket", "log-file": "log", "seed-file": "seed", "pid-file": "own.pid"}
        options = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
        # A folder that others cannot enter makes it complain, but there are no others.
        _daemon(folder, "munged", "--foreground", "--force", *options)
        _wait("munged", lambda: (folder / "munge.socket").exists())
        _daemon(folder, "slurmctld", "-D", "-i")
        start_node(folder)
    except SlurmError:
        stop(folder)
        raise
    return environment(folder)


def start_node(folder: Path) -> None:
    """Start slurmd, the node, and wait until it takes jobs."""
    _daemon(folder, "slurmd", "-D")
    _wait("the node", lambda: ask(folder, "sinfo", "--noheader", "--format=%T") in {"idle", "mixed", "allocated"})


def stop(folder: Path) -> None:
    """End all jobs and daemons of this folder's SLURM; nothing if there is none."""
    folder = folder.absolute()
    if pid(folder, "slurmctld"):
        ask(folder, "scancel", "--user", str(os.getuid()))
        deadline = time.monotonic() + 10
        while ask(folder, "squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.2)
    for daemon in ("slurmd", "slurmctld", "munged"):
        _end(folder, [number] if (number := pid(folder, daemon)) else [])
    # What a job leaves when its node was killed has no pid file, but the mark.
    _end(folder, processes(folder))


def pid(folder: Path, daemon: str) -> int | None:
    """The process id of a daemon that runs."""
    try:
        number = int((folder / f"{daemon}.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return number if _marked(folder, number) else None


def processes(folder: Path) -> list[int]:
    """The daemons and the jobs of this folder's SLURM: all processes with its mark, but not the caller's own family."""
    family = set()
    number = os.getpid()
    while number > 1:
        family.add(number)
        number = parent(number) or 0
    everyone = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [each for each in everyone if each not in family and _marked(folder, each)]


def parent(number: int) -> int | None:
    """The process id of a process's parent; None if it is gone."""
    try:
        return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def ask(folder: Path, *command: str) -> str:
    """What a command of SLURM prints; "" if it fails."""
    options = {"capture_output": True, "text": True, "env": os.environ | environment(folder), "check": False}
    return subprocess.run(command, timeout=60, **options).stdout.strip()


def _marked(folder: Path, number: int) -> bool:
    """Whether a process runs and has the mark: process ids are given again, so a pid file alone says nothing."""
    try:
        values = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and f"SLURM_CONF={folder}/slurm.conf".encode() in values


def _daemon(folder: Path, name: str, *options: str) -> None:
    # By way of a shell, so that it is no child of ours and lives on.
    script = '"$@" > "$0" 2>&1 < /dev/null & echo $!'
    command = ["sh", "-c", script, f"{folder}/{name}.out", _program(name), *options]
    setting = {"env": os.environ | environment(folder), "cwd": folder, "start_new_session": True}
    started = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **setting)
    (folder / f"{name}.pid").write_text(started.stdout)
    time.sleep(0.1)
    if not pid(folder, name):
        raise SlurmError(f"{name} did not start: {(folder / f'{name}.out').read_text().strip()[-500:]}")


def _end(folder: Path, numbers: list[int]) -> None:
    for number, sign in ((number, sign) for sign in (signal.SIGTERM, signal.SIGKILL) for number in numbers):
        if _marked(folder, number):
            os.kill(number, sign)
            deadline = time.monotonic() + 5
            while _marked(folder, number) and time.monotonic() < deadline:
                time.sleep(0.05)


def _wait(what: str, there: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        if time.monotonic() > deadline:
            raise SlurmError(f"{what} was not there after {seconds:g} s.")
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["install"]:
            install()
        case ["start", folder]:
            start(Path(folder))
            print(f"export SLURM_CONF={Path(folder).absolute()}/slurm.conf PATH={Path(folder).absolute()}/bin:$PATH")
        case ["stop", folder]:
            stop(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SlurmError as error:
        sys.exit(f"error: {error}")
