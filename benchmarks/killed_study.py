"""Kills the `quick` study by SIGKILL at three random moments, and compares its results with an undisturbed one's.

python benchmarks/killed_study.py [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from teachrl.studies.tables import TIMES


def command(out: Path) -> list[str]:
    """Returns the command that runs the study there."""
    return [sys.executable, "-m", "teachrl", "ablate", "quick", "--out", str(out), "--progress", "none"]


def rows(out: Path) -> list[dict[str, Any]]:
    """Returns a study's results, times left out."""
    return pq.read_table(out / "results.parquet").drop_columns(list(TIMES)).to_pylist()  # type: ignore[no-any-return]


def main() -> None:
    """Runs both; exits with 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    chance = random.Random(parser.parse_args().seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        began = time.monotonic()
        subprocess.run(command(whole), check=True)
        print(f"undisturbed, with its report: {time.monotonic() - began:.0f} s")
        for _ in range(3):
            process = subprocess.Popen(command(killed))
            time.sleep(chance.uniform(4, 14))
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(command(killed), check=True)
        same = rows(whole) == rows(killed)
        print(f"killed three times: {len(rows(killed))} rows, {'the same' if same else 'DIFFERENT'}")
    sys.exit(not same)


if __name__ == "__main__":
    main()
