"""Whether the pipeline recovers from kill -9 in every stage, with the bytes of an undisturbed run.

Each stage runs once undisturbed. In a second clone it is killed at several points: first with all
its processes, then only the `dvc` that started it, so that its script keeps running during the next
run. After each kill, `dvc repro` must succeed. One thing is repaired here, and reported: DVC writes
its own `.dvc/tmp/rwlock` and `dvc.lock` in place, and a kill at that moment leaves a truncated
file that DVC then refuses to read. The first is removed, the second restored, as from Git.

    python -m benchmarks.interrupt
    python -m benchmarks.interrupt --survey data/gz2 --at 0.1 0.5 0.9
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.clones import add_options, lock, make_clone, results, run, start
from benchmarks.repeat import compare
from galaxies.base.outputs import write_json

REPRO = ("dvc", "repro", "--no-run-cache")


def wait_for_script(process: "subprocess.Popen[bytes]") -> None:
    """Wait until DVC has started the script of a stage, or has ended."""
    while process.poll() is None:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            # Processes may end while they are inspected.
            with contextlib.suppress(OSError):
                of_ours = os.getpgid(int(command.parent.name)) == process.pid
                if of_ours and b"\0-m\0stages." in command.read_bytes():
                    return
        time.sleep(0.01)


def time_stage(clone: Path, stage: str) -> float:
    """Run a stage; returns the seconds from the start of its script to the end of DVC."""
    process = start(clone, *REPRO, stage, output=subprocess.DEVNULL)
    wait_for_script(process)
    began = time.perf_counter()
    if status := process.wait():
        raise RuntimeError(f"{stage}: status {status}")
    return time.perf_counter() - began


def kill_stage(clone: Path, stage: str, after: float, *, alone: bool) -> bool:
    """Run a stage and kill it.

    Parameters
    ----------
    clone, stage
        What to run; the stages before it are done.
    after
        Seconds from the start of its script.
    alone
        Whether to kill only DVC, so that the script keeps running.

    Returns
    -------
    bool
        Whether there was still something to kill.
    """
    # A pipe would break under a script that goes on.
    process = start(clone, *REPRO, stage, output=subprocess.DEVNULL)
    wait_for_script(process)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def recover(clone: Path, stage: str, known: bytes | None) -> str:
    """Run a stage that was killed.

    Parameters
    ----------
    clone, stage
        What to run.
    known
        The content of `dvc.lock` before the stage, if there was one.

    Returns
    -------
    str
        The files of DVC that had to be repaired; empty if none.
    """
    try:
        run(clone, *REPRO, stage)
    except RuntimeError as error:
        if "Unable to read RWLock-file" in str(error):
            broken = ".dvc/tmp/rwlock"
            (clone / broken).unlink()
        elif re.search(r"dvc.lock' (validation failed|is invalid)", str(error)):
            broken = "dvc.lock"
            (clone / broken).write_bytes(known) if known else (clone / broken).unlink()
        else:
            raise
        run(clone, *REPRO, stage)
        return broken
    return ""


def main() -> None:
    """Run the benchmark; the exit status is 1 if anything differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    parser.add_argument(
        "--at", type=float, nargs="+", default=[0.3, 0.8], help="shares of a stage's time"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/interrupt.json"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed, killed = (
            make_clone(Path(scratch, name), dict(options.set), options.survey)
            for name in ("undisturbed", "killed")
        )
        for stage in run(undisturbed, "dvc", "stage", "list", "--name-only").split():
            seconds = time_stage(undisturbed, stage)
            file = killed / "dvc.lock"
            known = file.read_bytes() if file.exists() else None
            kills = [
                kill_stage(killed, stage, share * seconds, alone=alone)
                for share in options.at
                for alone in (False, True)
            ]
            mended = recover(killed, stage, known)
            one, other = (lock(clone)[stage] for clone in (undisturbed, killed))
            rows.append(
                {
                    "stage": stage,
                    "seconds": seconds,
                    "kills": sum(kills),
                    "mended": mended,
                    "identical": one == other,
                }
            )
            print(rows[-1], flush=True)
        different = compare(results(undisturbed), results(killed))["different"].sum()
    write_json(options.output, {"stages": rows, "different": different})
    print(pd.DataFrame(rows).round(1).to_string(index=False))
    print("different:", different or "nothing")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
