// One picture a second for transports that carry no video.

const INTERVAL_MS = 1000;
const SIDE_PX = { normal: 640, hd: 1344 };
const QUALITY = 0.8;

/** Takes the newest picture of a track every second; none when there is no track. */
export class VideoFrames {
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #timer = 0;

  /**
   * @param {boolean} isHd
   * @param {(picture: string) => void} onPicture Takes a JPEG as a data URI.
   */
  constructor(isHd, onPicture) {
    this.maxSide = isHd ? SIDE_PX.hd : SIDE_PX.normal;
    this.onPicture = onPicture;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  /** @param {MediaStreamTrack | null} track */
  watch(track) {
    clearInterval(this.#timer);
    this.#video.srcObject = track === null ? null : new MediaStream([track]);
    if (track !== null) {
      this.#video.play().catch((error) => console.info("the picture does not play yet", error));
      this.#timer = window.setInterval(() => this.#take(), INTERVAL_MS);
    }
  }

  close() {
    this.watch(null);
  }

  #take() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width === 0 || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
      return;
    }
    const scale = Math.min(1, this.maxSide / Math.max(width, height));
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    context?.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    this.onPicture(this.#canvas.toDataURL("image/jpeg", QUALITY));
  }
}
