// After the call: what was said, and how it was.

import { CallError } from "../call_errors.js";
import { clockText, element, setText } from "../dom.js";
import { onLanguage, setTextKey, t } from "../i18n.js";
import { Captions, speaker, words } from "./captions.js";

/** @typedef {import("../call.js").Call} Call */
/** @typedef {import("../i18n.js").TextKey} TextKey */
/** @typedef {import("../server_api.js").ServerApi} ServerApi */
/** @typedef {import("../server_api.js").ServerFacts} ServerFacts */

export class EndView {
  /** @type {Call | null} */
  #call = null;
  #api;
  #keepsContent = false;
  /** @type {"like" | "dislike" | null} */
  #rating = null;
  #transcript = new Captions(element("end-transcript", HTMLElement));
  #state = element("feedback-state", HTMLElement);
  #address = "";

  /**
   * @param {ServerApi} api
   * @param {{ onAgain: () => void, onLobby: () => void }} actions
   */
  constructor(api, { onAgain, onLobby }) {
    this.#api = api;
    element("again", HTMLElement).addEventListener("click", onAgain);
    element("to-lobby", HTMLElement).addEventListener("click", onLobby);
    element("like", HTMLElement).addEventListener("click", () => void this.#rate("like"));
    element("dislike", HTMLElement).addEventListener("click", () => void this.#rate("dislike"));
    element("feedback-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send(true);
    });
    onLanguage(() => this.#showCall());
  }

  /**
   * @param {Call} call
   * @param {TextKey | null} reason
   * @param {ServerFacts} facts
   */
  show(call, reason, facts) {
    this.#call = call;
    this.#keepsContent = facts.keepsFeedbackContent;
    const box = element("end-reason", HTMLElement);
    box.hidden = reason === null;
    if (reason !== null) {
      setTextKey(box, reason);
    }
    element("feedback-form", HTMLElement).hidden = !facts.keepsFeedback || !call.callId;
    element("comment", HTMLTextAreaElement).value = "";
    element("with-transcript", HTMLInputElement).checked = false;
    this.#showRating(null);
    setText(this.#state, "");
    this.#showCall();
    element("end-title", HTMLElement).focus();
  }

  #showCall() {
    const call = this.#call;
    if (call === null) {
      return;
    }
    const { entries } = call.transcript;
    const turns = entries.filter(({ role }) => role === "user").length;
    const duration = clockText(call.durationMs);
    setText(element("end-summary", HTMLElement), t("endSummary", { duration, turns }));
    this.#transcript.clear();
    entries.forEach((entry) => this.#transcript.show(entry));
    element("end-transcript", HTMLElement).setAttribute("data-empty", t("transcriptEmpty"));
    this.#offerDownload(call);
  }

  /** @param {Call} call */
  #offerDownload(call) {
    URL.revokeObjectURL(this.#address);
    const text = call.transcript.toText(speaker, words, clockText);
    this.#address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    const link = element("download", HTMLAnchorElement);
    link.href = this.#address;
    link.download = `omnicall-${call.callId || "call"}.txt`;
    link.hidden = call.transcript.entries.length === 0;
  }

  /** A rating is sent at once; the comment may follow. @param {"like" | "dislike"} rating */
  async #rate(rating) {
    this.#showRating(rating);
    await this.#send(false);
  }

  /** @param {"like" | "dislike" | null} rating */
  #showRating(rating) {
    this.#rating = rating;
    element("like", HTMLElement).setAttribute("aria-pressed", String(rating === "like"));
    element("dislike", HTMLElement).setAttribute("aria-pressed", String(rating === "dislike"));
    element("feedback-more", HTMLElement).hidden = rating === null || !this.#keepsContent;
  }

  /** @param {boolean} withContent */
  async #send(withContent) {
    const call = this.#call;
    if (call === null || this.#rating === null) {
      return;
    }
    const comment = element("comment", HTMLTextAreaElement).value.trim();
    const isWanted = element("with-transcript", HTMLInputElement).checked;
    const transcript = call.transcript.toText(speaker, words, clockText);
    try {
      await this.#api.sendFeedback({
        call_id: call.callId,
        rating: this.#rating,
        ...(withContent && comment ? { comment } : {}),
        ...(withContent && isWanted && transcript ? { transcript } : {}),
      });
      setText(this.#state, t("feedbackThanks"));
    } catch (error) {
      const detail = error instanceof CallError && error.detail ? ` (${error.detail})` : "";
      setText(this.#state, t("errorFeedback") + detail);
    }
  }
}
