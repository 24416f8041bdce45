// How fast and how well a call goes, for the latency panel.

/** @typedef {import("./transports/transport.js").RealtimeEvent} RealtimeEvent */
/** @typedef {import("./transports/transport.js").TransportStats} TransportStats */
/**
 * @typedef {object} Figures All times in ms; null: not known yet.
 * @property {number | null} answerMs End of the caller's speech to the first sound of the answer.
 * @property {number | null} medianAnswerMs
 * @property {number | null} eouDelayMs
 * @property {number | null} ttftMs
 * @property {number | null} ttfaMs
 * @property {number | null} rtf
 * @property {number} units
 * @property {number} unitsLate
 * @property {number | null} unitMs Waiting and computing of the newest unit.
 * @property {number | null} contextTokens
 * @property {TransportStats | null} transport
 */
/** @typedef {"unknown" | "good" | "fair" | "poor"} Quality */

const FAIR = { rttMs: 150, jitterMs: 30, lossPercent: 1 };
const POOR = { rttMs: 400, jitterMs: 80, lossPercent: 5 };

export class CallMetrics {
  /** @type {Figures} */
  figures = {
    answerMs: null,
    medianAnswerMs: null,
    eouDelayMs: null,
    ttftMs: null,
    ttfaMs: null,
    rtf: null,
    units: 0,
    unitsLate: 0,
    unitMs: null,
    contextTokens: null,
    transport: null,
  };
  /** @type {number[]} */
  #answersMs = [];
  /** @type {number | null} */
  #speechEndedAtMs = null;
  #troubles = 0;

  /**
   * @param {RealtimeEvent} event
   * @param {number} nowMs
   * @param {(audioMs: number) => number | null} wallTimeOf
   * @param {number} patienceMs What the end of a turn waits at least.
   */
  apply(event, nowMs, wallTimeOf, patienceMs) {
    const { figures } = this;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#speechEndedAtMs = null;
        break;
      case "input_audio_buffer.speech_stopped":
        this.#speechEndedAtMs = wallTimeOf(event.audio_end_ms) ?? nowMs - patienceMs;
        break;
      case "output_audio_buffer.started":
        this.#answered(nowMs);
        break;
      case "response.timings":
        figures.eouDelayMs = event.eou_delay_ms;
        figures.ttftMs = event.ttft_ms;
        figures.ttfaMs = event.ttfa_ms;
        figures.rtf = event.rtf;
        break;
      case "unit.prefilled":
        figures.units += 1;
        figures.unitsLate += event.late ? 1 : 0;
        figures.unitMs = event.queue_ms + event.compute_ms;
        figures.contextTokens = event.context_tokens;
        break;
    }
  }

  /** @param {TransportStats} stats */
  observe(stats) {
    const before = this.figures.transport;
    this.figures.transport = stats;
    const isTroubled =
      before !== null && (stats.droppedMs > before.droppedMs || stats.gaps > before.gaps);
    this.#troubles = isTroubled ? 2 : Math.max(0, this.#troubles - 1);
  }

  /** @returns {Quality} */
  get quality() {
    const stats = this.figures.transport;
    if (stats === null) {
      return "unknown";
    }
    /** @param {typeof FAIR} bound */
    const exceeds = (bound) =>
      (stats.rttMs ?? 0) > bound.rttMs ||
      (stats.jitterMs ?? 0) > bound.jitterMs ||
      (stats.lossPercent ?? 0) > bound.lossPercent;
    if (exceeds(POOR)) {
      return "poor";
    }
    return exceeds(FAIR) || this.#troubles > 0 ? "fair" : "good";
  }

  /** @param {number} nowMs */
  #answered(nowMs) {
    if (this.#speechEndedAtMs === null) {
      return;
    }
    const answerMs = Math.max(0, nowMs - this.#speechEndedAtMs);
    this.#speechEndedAtMs = null;
    this.#answersMs.push(answerMs);
    const sorted = [...this.#answersMs].sort((a, b) => a - b);
    this.figures.answerMs = answerMs;
    this.figures.medianAnswerMs = sorted[Math.floor(sorted.length / 2)];
  }
}
