// The microphone as a stream of frames.

const PROCESSOR_URL = new URL("../worklets/capture_processor.js", import.meta.url);

/** Frames of one microphone after another, 16-bit mono. */
export class Capture {
  /** @type {AudioContext} */
  #context;
  /** @type {AudioWorkletNode} */
  #node;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;

  /**
   * @param {AudioContext} context
   * @param {number} rateHz
   * @param {(samples: Int16Array) => void} onFrame
   */
  constructor(context, rateHz, onFrame) {
    this.#context = context;
    this.#node = new AudioWorkletNode(context, "capture", {
      processorOptions: { rateHz },
      channelCountMode: "max",
    });
    this.#node.port.onmessage = ({ data }) => onFrame(data);
    this.#node.connect(context.destination); // silence, but it keeps the node running
  }

  /**
   * @param {number} rateHz
   * @param {(samples: Int16Array) => void} onFrame
   */
  static async open(rateHz, onFrame) {
    // The device's own rate: Firefox connects a microphone to no other.
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(PROCESSOR_URL);
    await context.resume();
    return new Capture(context, rateHz, onFrame);
  }

  /** @param {MediaStreamTrack | null} track */
  listenTo(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (track !== null) {
      this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
      this.#source.connect(this.#node);
    }
  }

  close() {
    this.listenTo(null);
    this.#node.port.onmessage = null;
    void this.#context.close();
  }
}
