"""Items as clients send them and as the server shows them."""

from __future__ import annotations

import pytest

from server.protocol.items import (
    AssistantMessage,
    InputAudio,
    InputImage,
    InputText,
    OutputText,
    SystemMessage,
    UserMessage,
    shown,
)

pytestmark = pytest.mark.unit


def test_an_item_is_shown_without_its_sounds_and_pictures() -> None:
    message = UserMessage(
        type="message",
        role="user",
        content=[
            InputText(type="input_text", text="look"),
            InputAudio(type="input_audio", audio="AAAA", transcript="listen"),
            InputImage(type="input_image", image_url="data:image/png;base64,AAAA", detail="high"),
        ],
    )
    item = shown(message, "item_1").model_dump(mode="json")
    assert item == {
        "id": "item_1",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_audio", "transcript": "listen"},
            {"type": "input_image", "detail": "high"},
        ],
    }


def test_system_and_assistant_messages_keep_their_role() -> None:
    system = SystemMessage(
        type="message", role="system", content=[InputText(type="input_text", text="be kind")]
    )
    assistant = AssistantMessage(
        type="message", role="assistant", content=[OutputText(type="output_text", text="hi")]
    )
    assert shown(system, "a").role == "system"
    assert shown(assistant, "b").content[0].type == "output_text"
