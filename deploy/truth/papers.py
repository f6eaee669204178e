"""What a scenario leaves for whoever asks why it came out as it did: one folder, readable with the servers gone.

`why.txt` (what is wrong, and the command that runs it again), the plan in force, the last result, the readings as the
database holds them, their plots, the plant's own ledger, and the logs of the four processes. A paper that cannot be had
(a scenario that crashed has no result) is named in `why.txt` and stops nothing.
"""

from __future__ import annotations

import csv
import datetime as dt
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.stack import RETROPROOF

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
WORST_VERDICT = 3  # `retroproof verify` ends with 0 to 3 for its verdicts and with more where it could not judge


def again(scenario: str, seed: int) -> str:
    """The command that runs this scenario alone."""
    return f"make truth SCENARIOS={scenario} SEED={seed}"


def keep_papers(line: Line, folder: Path, seed: int, wrong: Sequence[str]) -> None:
    """Put the papers of the scenario that `line` ran into `folder`, in place of those of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    papers: dict[str, Callable[[Line, Path], None]] = {
        "plan.yaml": _plan,
        "result.json": _result,
        "readings.csv": _readings,
        "plots": _plots,
        "plant-ledger.csv": _ledger,
        "logs": _logs,
    }
    why = [f"wrong: {one}" for one in wrong] or ["right"]
    for name, paper in papers.items():
        try:
            paper(line, folder / name)
        except (DeployError, OSError) as err:
            why.append(f"no {name}: {err}")
    why.append(f"again: {again(line.scenario, seed)}")
    (folder / "why.txt").write_text("\n".join(why) + "\n", encoding="utf-8")


def _plan(line: Line, path: Path) -> None:
    """The plan in force; of a scenario that never came to lock one, the one it would have locked."""
    try:
        text = line.stack.client("auditor").text(f"/api/v1/projects/{line.device}/plan.yaml")
    except DeployError:
        text = line.simulate("plan", "--project", line.device)
    path.write_text(text, encoding="utf-8")


def _result(line: Line, path: Path) -> None:
    auditor, runs = line.stack.client("auditor"), f"/api/v1/projects/{line.device}/runs"
    numbers = [run["number"] for run in auditor.json(runs)]
    if not numbers:
        raise DeployError("it was never judged")
    path.write_bytes(auditor.bytes(f"{runs}/{max(numbers)}/result"))


def _readings(line: Line, path: Path) -> None:
    """What the database holds of the device, as a table that `retroproof verify` reads."""
    export = line.stack.popen("db", "readings", "--device", line.device, "--out", "-")
    with export, path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("point", "time", "value", "status"))
        for row in csv.DictReader(export.stdout or ()):
            time = EPOCH + dt.timedelta(microseconds=int(row["time_us"]))
            table.writerow((row["point"], time.isoformat(), row["value"], row["status"]))
    if export.returncode != 0:
        raise DeployError(f"retroproof db readings ended with {export.returncode}")


def _plots(line: Line, folder: Path) -> None:  # noqa: ARG001 - every paper is made from a line
    """The plots of every measure, in folder/index.html, drawn from the plan and the readings beside them."""
    plan, readings = folder.with_name("plan.yaml"), folder.with_name("readings.csv")
    command = [*RETROPROOF, "verify", str(plan), "--readings", str(readings), "--plots", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode > WORST_VERDICT:
        raise DeployError(done.stderr.strip())


def _ledger(line: Line, path: Path) -> None:
    shutil.copyfile(line.ledger, path)


def _logs(line: Line, folder: Path) -> None:
    folder.mkdir()
    for name in ("ingest", "api", f"agent-{line.device}", f"plant-{line.device}"):
        log = line.stack.log_of(name)
        if log.exists():
            shutil.copyfile(log, folder / log.name)
