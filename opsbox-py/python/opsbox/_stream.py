"""Chunks that come asynchronously."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._opsbox import Batch, Feed


async def _asynchronous(chunks: Iterable[Buffer]) -> AsyncIterator[Buffer]:
    for chunk in chunks:
        yield chunk


async def astream(
    feed: Feed,
    chunks: AsyncIterable[Buffer] | Iterable[Buffer],
    batch_bytes: int,
    flush_seconds: float | None,
) -> AsyncIterator[Batch]:
    """The batches of chunks. What takes long happens in a thread of the loop's executor."""
    if isinstance(chunks, AsyncIterable):
        iterator = aiter(chunks)
    else:
        iterator = aiter(_asynchronous(chunks))
    waiting = 0
    task: asyncio.Future[Buffer] | None = None
    try:
        while True:
            if task is None:
                task = asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait({task}, timeout=flush_seconds)
            if not done:
                for batch in await asyncio.to_thread(feed.flush):
                    yield batch
                waiting = 0
                continue
            try:
                chunk = task.result()
            except StopAsyncIteration:
                break
            finally:
                task = None
            waiting += len(memoryview(chunk).cast("B"))
            if waiting < batch_bytes:
                # A copy of the chunk, and no more.
                batches = feed.push(chunk)
            else:
                batches = await asyncio.to_thread(feed.push, chunk)
                waiting = 0
            for batch in batches:
                yield batch
        for batch in await asyncio.to_thread(feed.close):
            yield batch
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
