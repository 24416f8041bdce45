// Short messages over whatever is shown.

import { element, make } from "../dom.js";
import { onLanguage, t } from "../i18n.js";

/** @typedef {import("../i18n.js").TextKey} TextKey */

const SHOWN_MS = 7000;
const MAX_SHOWN = 3;

/** Shows messages; what is wrong stays until it is closed or the next call begins. */
export class Notices {
  #box = element("notices", HTMLElement);

  constructor() {
    onLanguage(() => {
      for (const text of this.#box.querySelectorAll("[data-notice]")) {
        const key = /** @type {TextKey} */ (text.getAttribute("data-notice"));
        text.textContent = t(key);
      }
    });
  }

  /**
   * @param {TextKey} key
   * @param {{ isProblem?: boolean, stays?: boolean, detail?: string }} [options]
   */
  show(key, { isProblem = false, stays = false, detail = "" } = {}) {
    this.#box.querySelector(`[data-key="${key}"]`)?.remove();
    const notice = make("div", isProblem ? "toast problem" : "toast");
    notice.setAttribute("data-key", key);
    const text = make("p", "", t(key));
    text.setAttribute("data-notice", key);
    notice.append(text);
    if (detail) {
      notice.append(make("p", "small", detail));
    }
    const close = make("button", "round small-round", "×");
    close.type = "button";
    close.setAttribute("aria-label", t("close"));
    close.addEventListener("click", () => notice.remove());
    notice.append(close);
    this.#box.append(notice);
    while (this.#box.children.length > MAX_SHOWN) {
      this.#box.firstElementChild?.remove();
    }
    if (!stays) {
      setTimeout(() => notice.remove(), SHOWN_MS);
    }
  }

  /** @param {TextKey} key */
  remove(key) {
    this.#box.querySelector(`[data-key="${key}"]`)?.remove();
  }

  clear() {
    this.#box.replaceChildren();
  }
}
