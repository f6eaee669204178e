"""`retroproof up`: the stack with a live plant and the web page, until Ctrl-C; the next start goes on from there."""

from __future__ import annotations

import signal
import time
import webbrowser
from collections.abc import Sequence

import click

from deploy.line import Line
from deploy.local.errors import DeployError
from deploy.local.home import home_folder
from deploy.local.lock import only_one
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers
from deploy.stack import ROLES, Stack
from deploy.story import PROJECT, Chapter, Narrator, chapter, demonstration_line, judge, live_on, meter_before_and_after

STAGES = {Chapter.NOTHING: 4, Chapter.REGISTERED: 4, Chapter.LOCKED: 2, Chapter.JUDGED: 1}
WATCH_S = 1.0


def run_up(plant: Sequence[str], *, browser: bool) -> None:
    """Start everything, tell the story as far as this folder has not heard it, and stay until Ctrl-C or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # also where a shell started us with SIGINT ignored
    progress = Progress()
    home = home_folder()
    servers = ensure_servers(home, progress)
    with only_one(home / "up"), Supervisor() as supervisor:
        try:
            stack = Stack(home / "up", servers, supervisor, progress)
            _start(stack, demonstration_line(stack, plant), progress)
            _say_where(stack, progress, browser=browser)
            _watch(supervisor)
        except KeyboardInterrupt:
            # A second Ctrl-C must not cut the orderly stop short: everything here ends by itself within seconds.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            progress.step("\nStopping; nothing that was collected is lost. 正在停止……")
    progress.step("Stopped. `make up` goes on from here. 已停止。")


def _start(stack: Stack, line: Line, progress: Progress) -> None:
    """Servers and platform, then whatever the story still lacks, so that the page has something to show."""
    progress.step("Starting servers and platform 服务器与平台启动")
    stack.start_servers()
    stack.start_platform()
    line.enrol()
    reached = chapter(stack)
    narrator = Narrator(STAGES[reached], progress)
    if reached is Chapter.JUDGED:
        with narrator.stage("The plant goes on, live", "产线继续运行"):
            live_on(line, narrator)
        return
    meter_before_and_after(line, narrator)
    with narrator.stage("Verdict", "核证结论"):
        judge(stack, narrator)


def _say_where(stack: Stack, progress: Progress, *, browser: bool) -> None:
    progress.step(click.style(f"\nRunning 运行中:  {stack.url}/projects/{PROJECT}", bold=True))
    progress.step("Sign in with one of these access tokens 登录令牌:")
    for role in ROLES:
        progress.step(f"  {role:<12}{stack.token(role)}")
    progress.step(f"Logs 日志: {stack.folder / 'logs'}    Ctrl-C stops everything 停止。")
    if browser:
        webbrowser.open(stack.url)


def _watch(supervisor: Supervisor) -> None:
    """Stay until interrupted. Raises DeployError when a part ends by itself: half a stack must not pass for one."""
    while True:
        for child in supervisor.ended():
            raise DeployError(
                f"{child.name} ended by itself with code {child.exit_code}, so all was stopped; `make up` goes on from "
                f"here, nothing that was collected is lost.{child.log_tail()}"
            )
        time.sleep(WATCH_S)
