// How loud something is, for the eye.

const FLOOR_DB = -60;
const FALL_PER_FRAME = 0.08; // the needle falls more slowly than it rises

/** Reads an analyser; 0 is silence, 1 is full scale. */
export class LevelMeter {
  /** @param {AnalyserNode} analyser */
  constructor(analyser) {
    this.analyser = analyser;
    this.samples = new Float32Array(analyser.fftSize);
    this.shown = 0;
  }

  /** The level now, smoothed for display; call once per frame. */
  read() {
    this.analyser.getFloatTimeDomainData(this.samples);
    let power = 0;
    for (const sample of this.samples) {
      power += sample * sample;
    }
    const db = 10 * Math.log10(power / this.samples.length + 1e-12);
    const level = Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
    this.shown = Math.max(level, this.shown - FALL_PER_FRAME);
    return this.shown;
  }
}

/** The level of one microphone track. */
export class MicrophoneLevel {
  /** @type {LevelMeter} */
  #meter;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  #context = new AudioContext();

  constructor() {
    this.#meter = new LevelMeter(new AnalyserNode(this.#context, { fftSize: 1024 }));
  }

  /** @param {MediaStreamTrack | null} track */
  listenTo(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (track !== null) {
      this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
      this.#source.connect(this.#meter.analyser);
      // Without a gesture of the user the context stays asleep; the next click wakes it.
      void this.#context.resume();
    }
  }

  read() {
    return this.#source === null ? 0 : this.#meter.read();
  }

  wake() {
    void this.#context.resume();
  }
}
