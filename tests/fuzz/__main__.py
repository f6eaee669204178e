"""Fuzzes one target after the other, guided by coverage: `python -m tests.fuzz [SECONDS_EACH] [TARGET ...]`.

Each target runs in a process of its own with libFuzzer's bound on memory. A defect ends the run with code 1 and leaves
the input that shows it as build/fuzz/<target>/crash-...; give it to `tests.fuzz.targets.run` to see it again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verification", "ingest", "cbor2"]):
    from tests.fuzz import targets

OUT = Path("build/fuzz")
MEMORY_MB = 1024  # of the whole process; numpy and the instrumented code take about a quarter of it


def main(seconds: int, names: list[str]) -> int:
    """Every target in turn; the number of those with a defect."""
    failed = 0
    for name in names or targets.TARGETS:
        folder = OUT / name / "corpus"
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(targets.seeds()):
            (folder / f"seed-{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", "-timeout=10", "-print_final_stats=1"]
        limits = ["-max_len=65536", f"-artifact_prefix={OUT / name}/"]
        command = [sys.executable, "-m", "tests.fuzz", "--one", name, *options, *limits, str(folder)]
        print(f"== {name}, {seconds} s", flush=True)
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


def fuzz_one(name: str, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    atheris.Setup([sys.argv[0], *options], lambda data: targets.run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", name, *options]:
            fuzz_one(name, options)
        case [seconds, *names]:
            sys.exit(main(int(seconds), names) > 0)
        case _:
            sys.exit(main(60, []) > 0)
