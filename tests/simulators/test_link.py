"""The disturbed link: what is passed on, what is lost, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from simulators.errors import SimulatorError
from simulators.link import Disturbance, Link, disturb

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


async def through(link: Link) -> Talk:
    return await asyncio.open_connection("127.0.0.1", link.port)


async def said_back(talk: Talk, words: bytes, deadline_s: float = 20.0) -> bytes:
    reader, writer = talk
    writer.write(words)
    async with asyncio.timeout(deadline_s):
        return await reader.readexactly(len(words))


def with_link(use: Callable[[Link], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, Link(server.sockets[0].getsockname()[1]) as link:
            await use(link)

    asyncio.run(run())


def test_link_passes_on_what_is_said():
    async def use(link: Link) -> None:
        talk = await through(link)
        assert await said_back(talk, b"a" * 100_000) == b"a" * 100_000
        talk[1].close()

    with_link(use)


def test_cut_link_resets_what_is_connected_and_refuses_until_it_is_mended():
    async def use(link: Link) -> None:
        talk = await through(link)
        assert await said_back(talk, b"hello") == b"hello"
        link.cut(refuse=True)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError, BrokenPipeError)):
            await said_back(talk, b"anyone?")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError, BrokenPipeError)):
            await said_back(await through(link), b"anyone?")
        link.mend()
        again = await through(link)
        assert await said_back(again, b"hello") == b"hello"
        again[1].close()

    with_link(use)


def test_black_hole_says_nothing_and_gives_everything_once_it_is_mended():
    async def use(link: Link) -> None:
        talk = await through(link)
        link.black_hole()
        with pytest.raises(TimeoutError):
            await said_back(talk, b"first ", deadline_s=0.3)
        link.mend()
        async with asyncio.timeout(20):
            assert await talk[0].readexactly(6) == b"first "
        talk[1].close()

    with_link(use)


def test_slow_link_takes_its_time():
    async def use(link: Link) -> None:
        talk = await through(link)
        link.to_delay_s = 0.2
        begun = time.monotonic()
        assert await said_back(talk, b"slow") == b"slow"
        assert time.monotonic() - begun >= 0.2
        talk[1].close()

    with_link(use)


@pytest.mark.parametrize("kind", ["cut", "black_hole", "slow"])
def test_disturbance_comes_and_goes(kind):
    async def use(link: Link) -> None:
        trouble = asyncio.create_task(disturb(link, Disturbance(kind, 0.05, 0.05)))
        heard = 0
        async with asyncio.timeout(20):
            while heard < 20:
                try:
                    talk = await through(link)
                    heard += await said_back(talk, b"hello") == b"hello"
                    talk[1].close()
                except (ConnectionError, asyncio.IncompleteReadError):
                    await asyncio.sleep(0.01)
        trouble.cancel()

    with_link(use)


def test_link_that_finds_its_port_taken_says_which_option_chooses_another():
    async def use(link: Link) -> None:
        with pytest.raises(SimulatorError, match=f"cannot listen on port {link.port}: .*choose another --opcua-port"):
            await Link(1, port=link.port).__aenter__()

    with_link(use)
