"""What a page is measured by: contrast of its texts, and rules of accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
MINIMUM_CONTRAST = 4.5

CONTRASTS = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isSeeThrough = (colour) => colour === "transparent" || /, 0\\)$/.test(colour);
  const behind = (node) => {
    let at = node;
    while (at !== null && isSeeThrough(getComputedStyle(at).backgroundColor)) {
      at = at.parentElement;
    }
    return at === null ? "white" : getComputedStyle(at).backgroundColor;
  };
  const texts = [...document.body.querySelectorAll("*")].filter(
    (node) =>
      node.checkVisibility() &&
      [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()),
  );
  return texts.map((node) => {
    const shades = [getComputedStyle(node).color, behind(node)].map(luminance);
    const [dark, light] = shades.sort((a, b) => a - b);
    return [node.textContent.trim().slice(0, 40), (light + 0.05) / (dark + 0.05)];
  });
}
"""


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds of the kinds "serious" and "critical", with the elements."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci installs it")
    # As a script of the driver it is not subject to the page's policy.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    result: dict[str, Any] = page.evaluate("() => axe.run(document)")
    return [
        f"{violation['id']}: {node['html']}"
        for violation in result["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def faint_texts(page: Page) -> list[str]:
    """Texts that are hard to read on what is behind them."""
    return [
        f"{text!r}: {contrast:.1f}"
        for text, contrast in page.evaluate(CONTRASTS)
        if contrast < MINIMUM_CONTRAST
    ]
