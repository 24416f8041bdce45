// The lines of a conversation, as they come.

import { make, setText } from "../dom.js";
import { t } from "../i18n.js";

/** @typedef {import("../transcript.js").Entry} Entry */

const NEAR_BOTTOM_PX = 48;

/** What an entry says. @param {Entry} entry */
export function words(entry) {
  if (entry.text) {
    return entry.text.trim();
  }
  if (entry.role !== "user") {
    return t("speaking");
  }
  if (entry.durationMs > 0) {
    return t("spoken", { seconds: (entry.durationMs / 1000).toFixed(1) });
  }
  return entry.status === "open" ? t("speaking") : t("spokenShort");
}

/** Who says it. @param {Entry} entry */
export function speaker(entry) {
  return t(entry.role === "user" ? "you" : entry.role === "assistant" ? "model" : "note");
}

/** A list that shows entries and keeps the newest in sight. */
export class Captions {
  /** @type {Map<string, HTMLElement>} */
  #lines = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} [box] What scrolls.
   */
  constructor(list, box = list) {
    this.list = list;
    this.box = box;
  }

  clear() {
    this.#lines.clear();
    this.list.replaceChildren();
  }

  /** @param {Entry} entry */
  show(entry) {
    const { list, box } = this;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM_PX;
    let line = this.#lines.get(entry.id);
    if (line === undefined) {
      line = make("li");
      line.append(make("b"), make("span"), make("em"));
      this.#lines.set(entry.id, line);
      list.append(line);
    }
    line.className = `${entry.role} ${entry.status}${entry.text ? "" : " wordless"}`;
    const [name, text, mark] = line.children;
    setText(name, entry.role === "note" ? "" : speaker(entry));
    setText(text, words(entry));
    const isCut = entry.status === "interrupted" && entry.role === "assistant";
    setText(mark, isCut ? t("interrupted") : "");
    if (isAtEnd) {
      box.scrollTop = box.scrollHeight;
    }
  }
}
