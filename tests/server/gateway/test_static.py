"""The pages a browser gets."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from server.gateway.static import WEB_CLIENT, WebClient

pytestmark = pytest.mark.unit


@pytest.fixture
def client() -> TestClient:
    app = Starlette()
    app.mount("/", WebClient(WEB_CLIENT))
    return TestClient(app)


def test_the_front_page_is_served_with_a_policy_that_lets_nothing_else_run(
    client: TestClient,
) -> None:
    response = client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"


def test_a_page_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/style.css").headers["etag"]
    again = client.get("/style.css", headers={"If-None-Match": etag})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/nothing", "/../pyproject.toml", "/%2e%2e/pyproject.toml"])
def test_nothing_outside_the_folder_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.fixture
def page() -> Page:
    parser = Page()
    parser.feed((WEB_CLIENT / "index.html").read_text(encoding="utf-8"))
    return parser


def test_the_page_obeys_its_own_policy(page: Page) -> None:
    assert page.inline == []
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for name in ("src", "href"):
            address = attributes.get(name) or ""
            assert "//" not in address, "nothing is loaded from elsewhere"
            if tag in ("script", "link") and address and not address.startswith("data:"):
                assert (WEB_CLIENT / address).is_file()


def test_every_text_of_the_page_exists_in_both_languages(page: Page) -> None:
    script = (WEB_CLIENT / "src" / "status_page.js").read_text(encoding="utf-8")
    english, chinese = (
        set(re.findall(r"^    (\w+):", block, re.MULTILINE))
        for block in re.search(
            r"en: \{(.*?)\n  \},\n  zh: \{(.*?)\n  \},", script, re.DOTALL
        ).groups()
    )
    used = {attributes["data-text"] for _, attributes in page.tags if "data-text" in attributes}
    assert english == chinese
    assert used <= english


def test_every_element_the_script_looks_for_is_on_the_page(page: Page) -> None:
    script = (WEB_CLIENT / "src" / "status_page.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r'(?:element|setText)\("([\w-]+)"', script))
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert wanted
    assert wanted <= ids


def test_a_folder_without_pages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        WebClient(tmp_path / "missing")
