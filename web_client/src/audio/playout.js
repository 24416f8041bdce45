// Speech to the speaker, and what of it was heard.

const PROCESSOR_URL = new URL("../worklets/playout_processor.js", import.meta.url);

/** @typedef {import("../worklets/playout_queue.js").Report} Report */

export class Playout {
  /** @type {AudioContext} */
  #context;
  /** @type {AudioWorkletNode} */
  #node;
  /** @type {((stopped: { id: string, heardMs: number }) => void)[]} */
  #clearing = [];

  /**
   * @param {AudioContext} context
   * @param {(report: Report | { kind: "overflow", id: string, played: number }) => void} onReport
   */
  constructor(context, onReport) {
    this.#context = context;
    this.analyser = new AnalyserNode(context, { fftSize: 1024 });
    this.#node = new AudioWorkletNode(context, "playout", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.connect(this.analyser);
    this.#node.connect(context.destination);
    this.#node.port.onmessage = ({ data }) => {
      if (data.kind === "cleared") {
        this.#clearing.shift()?.({ id: data.id, heardMs: this.#heardMs(data.played) });
      } else {
        onReport(data);
      }
    };
  }

  /**
   * @param {number} rateHz Of the speech; the browser brings it to the device's.
   * @param {(report: Report | { kind: "overflow", id: string, played: number }) => void} onReport
   */
  static async open(rateHz, onReport) {
    const context = new AudioContext({ sampleRate: rateHz, latencyHint: "interactive" });
    await context.audioWorklet.addModule(PROCESSOR_URL);
    await context.resume();
    return new Playout(context, onReport);
  }

  /**
   * @param {string} id
   * @param {Float32Array<ArrayBuffer>} samples
   */
  push(id, samples) {
    this.#node.port.postMessage({ kind: "push", id, samples }, [samples.buffer]);
  }

  /** Nothing more comes for an item. @param {string} id */
  complete(id) {
    this.#node.port.postMessage({ kind: "complete", id });
  }

  /**
   * Stop at once.
   * @returns {Promise<{ id: string, heardMs: number }>} The item that was under way, or "".
   */
  clear() {
    return new Promise((resolve) => {
      this.#clearing.push(resolve);
      this.#node.port.postMessage({ kind: "clear" });
    });
  }

  close() {
    this.#node.port.onmessage = null;
    void this.#context.close();
  }

  /** Played samples are ahead of the ear by the output's latency. @param {number} played */
  #heardMs(played) {
    const latencyMs = 1000 * (this.#context.outputLatency || this.#context.baseLatency || 0);
    return Math.max(0, Math.floor((1000 * played) / this.#context.sampleRate - latencyMs));
  }
}
