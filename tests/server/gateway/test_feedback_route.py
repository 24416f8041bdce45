"""Feedback over real HTTP, into a real file."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.config import FeedbackConfig
from server.gateway.feedback_route import MAX_COMMENT_CHARACTERS, MAX_TRANSCRIPT_CHARACTERS
from server.gateway.feedback_store import FeedbackEntry, FeedbackStore
from tests.server.gateway.live_server import (
    LiveServer,
    live_server,
    local_config,
    next_event,
    send,
    until,
)

pytestmark = pytest.mark.integration

LIKE = {"call_id": "call_1", "rating": "like"}
WORDS = {"comment": "quick and kind", "transcript": "you: hello\nmodel: hello"}


class Kept:
    """A server, and the feedback it keeps."""

    def __init__(self, server: LiveServer, file: Path) -> None:
        self.server = server
        self.file = file

    async def give(self, body: Any, **headers: str) -> httpx.Response:
        async with self.server.http(headers=headers) as http:
            # Every character as an escape: also those that no valid text holds.
            content = json.dumps(body)
            return await http.post(
                "/v1/feedback", content=content, headers={"Content-Type": "application/json"}
            )

    def entries(self) -> list[FeedbackEntry]:
        return list(FeedbackStore(FeedbackConfig(database=self.file)).entries(time.time()))


@asynccontextmanager
async def keeping(folder: Path, key: str = "", **feedback: Any) -> AsyncIterator[Kept]:
    file = folder / "feedback.sqlite3"
    config = local_config(server={"api_key": key}, feedback={"database": file, **feedback})
    async with live_server(config=config) as server:
        yield Kept(server, file)


@pytest.mark.asyncio
async def test_a_rating_is_kept_and_words_are_not_unless_the_operator_says_so(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as kept:
        given = await kept.give(LIKE | WORDS)
        assert given.status_code == 201
        assert given.json() == {
            "object": "realtime.feedback",
            "call_id": "call_1",
            "stored": ["rating"],
        }
        (entry,) = kept.entries()
        assert (entry.call_id, entry.rating) == ("call_1", "like")
        assert entry.comment is None and entry.transcript is None
        assert abs(entry.created_at_s - time.time()) < 60
        assert b"quick and kind" not in kept.file.read_bytes()


@pytest.mark.asyncio
async def test_words_are_kept_where_the_operator_wants_them(tmp_path: Path) -> None:
    async with keeping(tmp_path, store_content=True) as kept:
        given = await kept.give(LIKE | WORDS)
        assert given.json()["stored"] == ["rating", "comment", "transcript"]
        (entry,) = kept.entries()
        assert (entry.comment, entry.transcript) == (WORDS["comment"], WORDS["transcript"])
        again = await kept.give({"call_id": "call_1", "rating": "dislike", "comment": ""})
        assert again.json()["stored"] == ["rating"]
        (entry,) = kept.entries()
        assert (entry.rating, entry.comment, entry.transcript) == ("dislike", None, None)


@pytest.mark.asyncio
async def test_the_longest_words_fit(tmp_path: Path) -> None:
    longest = {
        "comment": "好" * MAX_COMMENT_CHARACTERS,
        "transcript": "\N{GRINNING FACE}" * MAX_TRANSCRIPT_CHARACTERS,
    }
    async with keeping(tmp_path, store_content=True) as kept:
        assert (await kept.give(LIKE | longest)).status_code == 201
        for name, text in longest.items():
            refused = await kept.give(LIKE | {name: text + "x"})
            assert refused.status_code == 400
            assert name in refused.json()["error"]["param"]
        refused = await kept.give(LIKE | {"transcript": "x" * 3_000_000})
        assert refused.status_code == 413


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"rating": "like"}, "call_id"),
        ({"call_id": "call_1"}, "rating"),
        (LIKE | {"rating": "love"}, "rating"),
        (LIKE | {"rating": 5}, "rating"),
        (LIKE | {"call_id": ""}, "call_id"),
        (LIKE | {"call_id": "a" * 65}, "call_id"),
        (LIKE | {"call_id": "../x"}, "call_id"),
        (LIKE | {"call_id": "call_1\n"}, "call_id"),
        (LIKE | {"comment": ["x"]}, "comment"),
        (LIKE | {"comment": "\ud800"}, "comment"),
        (LIKE | {"stars": 5}, "stars"),
        ([LIKE], "body"),
    ],
)
async def test_what_is_no_feedback_is_refused_and_nothing_is_written(
    tmp_path: Path, body: Any, named: str
) -> None:
    async with keeping(tmp_path, store_content=True) as kept:
        refused = await kept.give(body)
        assert refused.status_code == 400
        assert named in refused.json()["error"]["param"]
        assert not kept.file.exists()


@pytest.mark.asyncio
async def test_a_server_can_take_none(tmp_path: Path) -> None:
    async with keeping(tmp_path, enabled=False) as kept:
        refused = await kept.give(LIKE)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "feedback_disabled"
        assert not kept.file.exists()


@pytest.mark.asyncio
async def test_a_secret_is_enough_and_strangers_and_foreign_pages_are_refused(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path, key="sesame") as kept:
        async with kept.server.http(headers={"Authorization": "Bearer sesame"}) as http:
            secret = (await http.post("/v1/realtime/client_secrets")).json()["value"]
        assert (await kept.give(LIKE)).status_code == 401
        assert (await kept.give(LIKE, Authorization="Bearer ek_invented")).status_code == 401
        assert (await kept.give(LIKE, Authorization=f"Bearer {secret}")).status_code == 201
    async with keeping(tmp_path) as kept:
        assert (await kept.give(LIKE, Origin="https://evil.example")).status_code == 403
        assert (await kept.give(LIKE, Origin=kept.server.http_url)).status_code == 201


@pytest.mark.asyncio
async def test_a_broken_file_is_a_clear_error_and_no_matter_of_a_call(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept, kept.server.call() as call:
        kept.file.write_bytes(b"broken" * 1000)
        await until(call, "session.created")
        refused = await kept.give(LIKE)
        assert refused.status_code == 503
        error = refused.json()["error"]
        assert error["code"] == "feedback_unavailable"
        assert str(tmp_path) not in error["message"]
        await send(call, "session.update", session={"type": "realtime", "language": "zh"})
        assert (await next_event(call))["session"]["language"] == "zh"
        kept.file.unlink()
        assert (await kept.give(LIKE)).status_code == 201
