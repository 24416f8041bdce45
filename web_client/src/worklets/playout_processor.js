// Speech to the speaker on the audio thread; knows exactly what was played.

import { PlayoutQueue } from "./playout_queue.js";

const LEAD_S = 0.06; // hides the unevenness of the network when an answer begins
const MAX_S = 120;

/** Takes `push`, `complete` and `clear` messages; posts reports and the answer to `clear`. */
class PlayoutProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = new PlayoutQueue(LEAD_S * sampleRate, MAX_S * sampleRate, (report) => {
      this.port.postMessage(report);
    });
    /** @type {Float32Array | null} */
    this.tail = null;
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  /**
   * @param {Float32Array[][]} _
   * @param {Float32Array[][]} outputs
   */
  process(_, outputs) {
    const output = outputs[0][0];
    if (this.tail !== null) {
      output.set(this.tail.subarray(0, output.length));
      this.tail = null;
    } else {
      this.queue.pull(output);
    }
    return true;
  }

  /** @param {{ kind: string, id: string, samples: Float32Array }} message */
  #receive({ kind, id, samples }) {
    if (kind === "push") {
      if (!this.queue.push(id, samples)) {
        this.port.postMessage({ kind: "overflow", id, played: 0 });
      }
    } else if (kind === "complete") {
      this.queue.complete(id);
    } else {
      const stopped = this.queue.clear();
      this.tail = stopped?.tail ?? null;
      this.port.postMessage({
        kind: "cleared",
        id: stopped?.id ?? "",
        played: stopped?.played ?? 0,
      });
    }
  }
}

registerProcessor("playout", PlayoutProcessor);
