"""`retroproof up`: the stack with a live plant and the web page, until Ctrl-C; the next start goes on from there."""

from __future__ import annotations

import signal
import threading
import webbrowser
from collections.abc import Sequence

import click

from deploy.local.errors import DeployError
from deploy.local.home import home_folder
from deploy.local.process import Supervisor
from deploy.local.progress import Progress
from deploy.local.servers import ensure_servers
from deploy.stack import ROLES, Stack
from deploy.story import PROJECT, Narrator, collect, judge, lock_the_plan, meter_the_baseline, retrofit

FIRST_STAGES, LATER_STAGES = 6, 2
WATCH_S = 1.0


def run_up(plant: Sequence[str], *, browser: bool) -> None:
    """Start everything, tell the story if this folder has not heard it, and stay until SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    progress = Progress()
    home = home_folder()
    told = home / "up" / "story-told"
    narrator = Narrator(LATER_STAGES if told.exists() else FIRST_STAGES, progress)
    servers = ensure_servers(home, progress)
    with Supervisor() as supervisor:
        stack = Stack(home / "up", servers, supervisor, progress, plant)
        with narrator.stage("Servers and platform", "服务器与平台启动"):
            stack.start_servers()
            stack.start_platform()
        if told.exists():
            with narrator.stage("The plant goes on, live", "产线继续运行"):
                stack.start_plant("now")
                stack.start_agent()
        else:
            _tell(stack, narrator)
            told.touch()
        _say_where(stack, progress, browser=browser)
        _watch(supervisor, stopped)
        progress.step("Stopping; nothing that was collected is lost. 正在停止……")
        for name in ("plant", "agent", "api", "ingest"):
            stack.stop(name)
    progress.step("Stopped. `make up` goes on from here. 已停止。")


def _tell(stack: Stack, narrator: Narrator) -> None:
    """The story up to its first verdict, so that the page has something to show."""
    with narrator.stage("Baseline: 120 days collected, signed, stored", "基准期采集"):
        meter_the_baseline(stack, narrator)
    with narrator.stage("Plan locked: plan and baseline into the log", "方案锁定、基准托管"):
        lock_the_plan(stack, narrator)
    with narrator.stage("Retrofit", "实施改造"):
        retrofit(stack, narrator)
    with narrator.stage("Reporting period: 120 days collected, then live", "报告期采集"):
        collect(stack, narrator)
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


def _watch(supervisor: Supervisor, stopped: threading.Event) -> None:
    """Stay until asked to stop. Raises DeployError when a part ends by itself: half a stack must not pass for one."""
    while not stopped.wait(WATCH_S):
        for child in supervisor.ended():
            raise DeployError(f"{child.name} ended by itself with code {child.exit_code}.{child.log_tail()}")
