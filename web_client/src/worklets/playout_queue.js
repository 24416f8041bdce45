// Speech waiting to be played, counted sample by sample.

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {Float32Array[]} chunks
 * @property {number} waiting Samples in the chunks.
 * @property {number} offset Samples of the first chunk that were played.
 * @property {number} played
 * @property {boolean} isComplete Nothing more comes.
 */
/**
 * @typedef {{ kind: "started" | "finished" | "starved", id: string, played: number }} Report
 */

const FADE_SAMPLES = 128; // the end of a speech that was stopped

/**
 * Plays items one after another. An item begins once `leadSamples` of it are there or it is
 * complete; one that runs dry waits again. The sender paces what it sends, so the queue is bounded
 * by `maxSamples`; what would exceed it is refused.
 */
export class PlayoutQueue {
  /**
   * @param {number} leadSamples
   * @param {number} maxSamples
   * @param {(report: Report) => void} report
   */
  constructor(leadSamples, maxSamples, report) {
    this.leadSamples = leadSamples;
    this.maxSamples = maxSamples;
    this.report = report;
    /** @type {Item[]} */
    this.items = [];
    this.isPlaying = false;
    this.waiting = 0;
  }

  /**
   * @param {string} id
   * @param {Float32Array} samples
   * @returns {boolean} False: there is no room.
   */
  push(id, samples) {
    if (this.waiting + samples.length > this.maxSamples) {
      return false;
    }
    const item = this.#item(id);
    item.chunks.push(samples);
    item.waiting += samples.length;
    this.waiting += samples.length;
    return true;
  }

  /** Nothing more comes for an item. @param {string} id */
  complete(id) {
    this.#item(id).isComplete = true;
  }

  /**
   * Stop: forget everything after a last short fade.
   * @returns {{ id: string, played: number, tail: Float32Array } | null} The item that was under
   *   way, how much of it was played with the fade, and the fade, to be played next.
   */
  clear() {
    const item = this.items[0];
    if (item === undefined) {
      return null;
    }
    const tail = new Float32Array(FADE_SAMPLES);
    const n = this.isPlaying ? this.#take(item, tail) : 0;
    for (let i = 0; i < n; i++) {
      tail[i] *= 1 - i / FADE_SAMPLES;
    }
    this.items = [];
    this.waiting = 0;
    this.isPlaying = false;
    return { id: item.id, played: item.played, tail };
  }

  /**
   * Fill `output` with what comes next, and with silence where nothing does.
   * @param {Float32Array} output
   */
  pull(output) {
    let filled = 0;
    while (filled < output.length) {
      const item = this.items[0];
      if (item === undefined || !this.#mayPlay(item)) {
        break;
      }
      filled += this.#take(item, output.subarray(filled));
      if (item.waiting === 0 && item.isComplete) {
        this.items.shift();
        this.isPlaying = false;
        this.report({ kind: "finished", id: item.id, played: item.played });
      }
    }
    output.fill(0, filled);
  }

  /** @param {Item} item */
  #mayPlay(item) {
    if (this.isPlaying) {
      if (item.waiting > 0 || item.isComplete) {
        return true;
      }
      this.isPlaying = false;
      this.report({ kind: "starved", id: item.id, played: item.played });
      return false;
    }
    if (item.waiting < this.leadSamples && !item.isComplete) {
      return false;
    }
    this.isPlaying = true;
    if (item.played === 0) {
      this.report({ kind: "started", id: item.id, played: 0 });
    }
    return true;
  }

  /**
   * @param {Item} item
   * @param {Float32Array} output
   */
  #take(item, output) {
    let filled = 0;
    while (filled < output.length && item.chunks.length > 0) {
      const chunk = item.chunks[0];
      const n = Math.min(output.length - filled, chunk.length - item.offset);
      output.set(chunk.subarray(item.offset, item.offset + n), filled);
      filled += n;
      item.offset += n;
      if (item.offset === chunk.length) {
        item.chunks.shift();
        item.offset = 0;
      }
    }
    item.waiting -= filled;
    item.played += filled;
    this.waiting -= filled;
    return filled;
  }

  /** @param {string} id @returns {Item} */
  #item(id) {
    let item = this.items.find((waiting) => waiting.id === id);
    if (item === undefined) {
      item = { id, chunks: [], waiting: 0, offset: 0, played: 0, isComplete: false };
      this.items.push(item);
    }
    return item;
  }
}
