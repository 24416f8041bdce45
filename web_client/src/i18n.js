// The language of the page: its texts, where they go, and who wants to know of a change.

import { en } from "./texts/en.js";
import { zh } from "./texts/zh.js";

/** @typedef {"en" | "zh"} Language */
/** @typedef {keyof typeof en} TextKey */

const LANGUAGE_KEY = "omnicall.language";
/** @type {Record<Language, Record<TextKey, string>>} */
const TEXTS = { en, zh };
/** Attributes of an element that name a text, and what they set. */
const TARGETS = /** @type {const} */ ({
  "data-text": ["textContent"],
  "data-label": ["aria-label", "title"],
  "data-placeholder": ["placeholder"],
});

/** @type {Language} */
let current = firstLanguage();
/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Language} */
function firstLanguage() {
  const stored = localStorage.getItem(LANGUAGE_KEY);
  if (stored === "en" || stored === "zh") {
    return stored;
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** @returns {Language} */
export function language() {
  return current;
}

/**
 * A text in the page's language; `{name}` in it is replaced.
 * @param {TextKey} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return TEXTS[current][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * @param {string | null} key
 * @returns {key is TextKey}
 */
export function isTextKey(key) {
  return key !== null && Object.hasOwn(en, key);
}

/** @param {Language} chosen */
export function setLanguage(chosen) {
  current = chosen;
  localStorage.setItem(LANGUAGE_KEY, chosen);
  translatePage();
  for (const listener of listeners) {
    listener();
  }
}

/**
 * Call `listener` after every change of language.
 * @param {() => void} listener
 */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Put every text of the page in place. */
export function translatePage() {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const [attribute, targets] of Object.entries(TARGETS)) {
    for (const node of document.querySelectorAll(`[${attribute}]`)) {
      const key = node.getAttribute(attribute);
      if (!isTextKey(key)) {
        throw new Error(`there is no text ${key}`);
      }
      for (const target of targets) {
        if (target === "textContent") {
          node.textContent = t(key);
        } else {
          node.setAttribute(target, t(key));
        }
      }
    }
  }
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-language") === current));
  }
}

/** Make the language buttons work. */
export function bindLanguageButtons() {
  for (const button of document.querySelectorAll("button[data-language]")) {
    button.addEventListener("click", () => {
      setLanguage(button.getAttribute("data-language") === "zh" ? "zh" : "en");
    });
  }
}

/**
 * Change the text an element shows, for good: it follows the language.
 * @param {Element} node
 * @param {TextKey} key
 */
export function setTextKey(node, key) {
  if (node.getAttribute("data-text") !== key || node.textContent !== t(key)) {
    node.setAttribute("data-text", key);
    node.textContent = t(key);
  }
}

/**
 * Change what a control is called.
 * @param {Element} node
 * @param {TextKey} key
 */
export function setLabelKey(node, key) {
  if (node.getAttribute("data-label") !== key) {
    node.setAttribute("data-label", key);
    node.setAttribute("aria-label", t(key));
    node.setAttribute("title", t(key));
  }
}
