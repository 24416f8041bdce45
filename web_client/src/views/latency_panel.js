// The figures of a call.

import { element, make, setText } from "../dom.js";
import { t } from "../i18n.js";

/** @typedef {import("../call_metrics.js").Figures} Figures */
/** @typedef {import("../i18n.js").TextKey} TextKey */

const UNKNOWN = "–";

/**
 * @param {number | null | undefined} value
 * @param {TextKey} unit
 * @param {number} [digits]
 */
function withUnit(value, unit, digits = 0) {
  return value === null || value === undefined
    ? UNKNOWN
    : t(unit, { value: value.toFixed(digits) });
}

/**
 * Rows of the panel: name and value.
 * @param {Figures} figures
 * @param {string} transportName
 * @returns {[TextKey, string][]}
 */
export function rows(figures, transportName) {
  const { transport } = figures;
  const { units, unitsLate } = figures;
  return [
    ["figureAnswer", withUnit(figures.answerMs, "ms")],
    ["figureMedian", withUnit(figures.medianAnswerMs, "ms")],
    ["figureEou", withUnit(figures.eouDelayMs, "ms")],
    ["figureTtft", withUnit(figures.ttftMs, "ms")],
    ["figureTtfa", withUnit(figures.ttfaMs, "ms")],
    ["figureRtf", withUnit(figures.rtf === null ? null : 100 * figures.rtf, "percent")],
    ["figureUnit", withUnit(figures.unitMs, "ms")],
    ["figureUnits", units === 0 ? UNKNOWN : t("ratio", { part: unitsLate, whole: units })],
    ["figureContext", withUnit(figures.contextTokens, "tokens")],
    ["figureTransport", transportName],
    ["figureRtt", withUnit(transport?.rttMs, "ms")],
    ["figureJitter", withUnit(transport?.jitterMs, "ms", 1)],
    ["figureLoss", withUnit(transport?.lossPercent, "percent", 1)],
    ["figureGaps", transport === null ? UNKNOWN : String(transport.gaps)],
    ["figureDropped", withUnit(transport?.droppedMs, "ms")],
  ];
}

/** Shows the figures while it is open. */
export class LatencyPanel {
  /** @type {[TextKey, string][]} */
  #shown = [];
  #panel = element("latency", HTMLElement);
  #list = element("figures", HTMLElement);
  #button = element("quality", HTMLButtonElement);

  constructor() {
    this.#button.addEventListener("click", () => this.toggle(Boolean(this.#panel.hidden)));
    element("latency-close", HTMLElement).addEventListener("click", () => {
      this.toggle(false);
      this.#button.focus();
    });
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.toggle(false);
        this.#button.focus();
      }
    });
  }

  /** @param {boolean} isOpen */
  toggle(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      this.#draw();
      element("latency-close", HTMLElement).focus();
    }
  }

  /**
   * @param {Figures} figures
   * @param {string} transportName
   */
  show(figures, transportName) {
    this.#shown = rows(figures, transportName);
    if (!this.#panel.hidden) {
      this.#draw();
    }
  }

  #draw() {
    const shown = this.#shown;
    if (this.#list.children.length !== shown.length * 2) {
      this.#list.replaceChildren(...shown.flatMap(() => [make("dt"), make("dd")]));
    }
    shown.forEach(([key, value], i) => {
      setText(this.#list.children[2 * i], t(key));
      setText(this.#list.children[2 * i + 1], value);
    });
  }
}
