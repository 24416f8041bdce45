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

PAGES = ("index.html", "status.html")
SOURCES = WEB_CLIENT / "src"
MODULES = sorted(SOURCES.glob("**/*.js"))
TEXT_ATTRIBUTES = ("data-text", "data-label", "data-placeholder")


@pytest.fixture
def client() -> TestClient:
    app = Starlette()
    app.mount("/", WebClient(WEB_CLIENT))
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/status.html", "/src/main.js", "/nothing"])
def test_everything_is_served_with_a_policy_that_lets_nothing_else_run(
    client: TestClient, path: str
) -> None:
    response = client.get(path)
    if path == "/nothing":
        assert response.status_code == 404
        return
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy, "no other host is named"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"
    allowed = response.headers["permissions-policy"].split(", ")
    for feature in ("camera", "microphone", "display-capture", "screen-wake-lock", "autoplay"):
        assert f"{feature}=(self)" in allowed
    assert "geolocation=()" in allowed


@pytest.mark.parametrize("path", ["/style.css", "/src/main.js"])
def test_a_file_that_did_not_change_is_not_sent_again(client: TestClient, path: str) -> None:
    etag = client.get(path).headers["etag"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 304


def test_scripts_are_served_as_scripts(client: TestClient) -> None:
    media_type = client.get("/src/worklets/capture_processor.js").headers["content-type"]
    assert media_type.startswith(("text/javascript", "application/javascript"))


@pytest.mark.parametrize("path", ["/nothing", "/../pyproject.toml", "/%2e%2e/pyproject.toml"])
def test_nothing_outside_the_folder_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


class Page(HTMLParser):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed((WEB_CLIENT / name).read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]

    @property
    def texts(self) -> set[str]:
        return {
            str(attributes[name])
            for _, attributes in self.tags
            for name in TEXT_ATTRIBUTES
            if name in attributes
        }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_obeys_its_own_policy(name: str) -> None:
    page = Page(name)
    assert page.inline == []
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for attribute in ("src", "href"):
            address = attributes.get(attribute) or ""
            assert "//" not in address, "nothing is loaded from elsewhere"
            if tag in ("script", "link", "img") and address:
                assert (WEB_CLIENT / address).is_file()


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_what_is_referred_to_exists(name: str) -> None:
    page = Page(name)
    assert len(page.ids) == len(set(page.ids))
    for tag, attributes in page.tags:
        for attribute in ("for", "aria-labelledby", "aria-controls"):
            assert (attributes.get(attribute) or page.ids[0]) in page.ids, tag
        if tag == "use":
            assert str(attributes["href"]).removeprefix("#") in page.ids


def texts_of(module: Path) -> dict[str, str]:
    """Texts by key, one to a line or with the text on the next."""
    source = module.read_text(encoding="utf-8")
    return dict(re.findall(r'^  (\w+):\s+"(.+)",$', source, re.MULTILINE))


def test_every_text_exists_in_both_languages_with_the_same_places() -> None:
    english, chinese = (texts_of(SOURCES / "texts" / f"{name}.js") for name in ("en", "zh"))
    assert len(english) > 100
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
    assert Page("index.html").texts <= english.keys()


def test_no_text_is_left_over() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in MODULES if "texts" not in str(path)
    )
    used = Page("index.html").texts | set(re.findall(r'"(\w+)"', sources))
    computed = {f"quality_{quality}" for quality in ("unknown", "good", "fair", "poor")}
    assert texts_of(SOURCES / "texts" / "en.js").keys() <= used | computed


def test_every_text_of_the_status_page_exists_in_both_languages() -> None:
    script = (SOURCES / "status_page.js").read_text(encoding="utf-8")
    found = re.search(r"en: \{(.*?)\n  \},\n  zh: \{(.*?)\n  \},", script, re.DOTALL)
    assert found is not None
    english, chinese = (
        set(re.findall(r"^    (\w+):", block, re.MULTILINE)) for block in found.groups()
    )
    assert english == chinese
    assert Page("status.html").texts <= english


def test_every_element_a_script_looks_for_is_on_its_page() -> None:
    status = (SOURCES / "status_page.js").read_text(encoding="utf-8")
    wanted = set(re.findall(r'(?:element|setText)\("([\w-]+)"', status))
    assert wanted and wanted <= set(Page("status.html").ids)
    for module in MODULES:
        if module.name != "status_page.js":
            source = module.read_text(encoding="utf-8")
            wanted = set(re.findall(r'element\(\s*"([\w-]+)"', source))
            assert wanted <= set(Page("index.html").ids), module.name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_modules_are_small_say_what_they_are_for_and_load_only_their_own(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert source.startswith("// "), "a module says what it is for"
    assert len(source.splitlines()) <= 400
    for address in re.findall(r'^import .*? from "(.+?)";', source, re.MULTILINE | re.DOTALL):
        assert (module.parent / address).is_file(), address


def test_a_folder_without_pages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        WebClient(tmp_path / "missing")
