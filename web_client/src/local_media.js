// The caller's microphone, camera and screen. The one owner of their tracks.

import { CallError, deviceError } from "./call_errors.js";

/** @typedef {import("./i18n.js").TextKey} TextKey */
/**
 * @typedef {object} Wish
 * @property {boolean} camera
 * @property {string} microphoneId
 * @property {string} cameraId
 */

const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const SPEECH = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Dispatches `change` when a track comes, goes or is muted. */
export class LocalMedia extends EventTarget {
  /** @type {MediaStreamTrack | null} */
  microphone = null;
  /** @type {MediaStreamTrack | null} */
  camera = null;
  /** @type {MediaStreamTrack | null} */
  screen = null;

  /** What the model is shown: the screen goes before the camera. */
  get picture() {
    return this.screen ?? this.camera;
  }

  get isMuted() {
    return this.microphone !== null && !this.microphone.enabled;
  }

  /**
   * Get what the call needs. A missing camera is not an error, the call goes on with the voice.
   * @param {Wish} wish
   * @returns {Promise<TextKey[]>} What the caller should know.
   */
  async open(wish) {
    checkOrigin();
    /** @type {TextKey[]} */
    const notices = [];
    if (this.microphone === null && wish.camera && this.camera === null) {
      await this.#openBoth(wish, notices); // one question instead of two
    } else if (this.microphone === null) {
      await this.#openMicrophone(wish.microphoneId, notices);
    } else if (wish.camera && this.camera === null) {
      await this.#openCamera(wish.cameraId, notices);
    }
    this.#changed();
    return notices;
  }

  /**
   * Use another microphone, by its id.
   * @param {string} microphoneId
   */
  async chooseMicrophone(microphoneId) {
    const wasMuted = this.isMuted;
    const track = await getTrack("microphone", microphoneId);
    this.#stop("microphone");
    this.#adopt("microphone", track);
    track.enabled = !wasMuted;
    this.#changed();
  }

  /**
   * Use another camera; the old one is let go first, as phones open one at a time.
   * @param {string} cameraId
   */
  async chooseCamera(cameraId) {
    this.#stop("camera");
    try {
      this.#adopt("camera", await getTrack("camera", cameraId));
    } finally {
      this.#changed();
    }
  }

  /** The camera after the one in use. @returns {Promise<string>} Its id. */
  async nextCamera() {
    const cameras = await devices("videoinput");
    const used = this.camera?.getSettings().deviceId;
    const at = cameras.findIndex((camera) => camera.deviceId === used);
    const next = cameras[(at + 1) % cameras.length];
    if (next === undefined) {
      throw new CallError("noticeNoCamera");
    }
    await this.chooseCamera(next.deviceId);
    return next.deviceId;
  }

  /** @param {boolean} isMuted */
  setMuted(isMuted) {
    if (this.microphone !== null) {
      this.microphone.enabled = !isMuted;
      this.#changed();
    }
  }

  /** Let the camera go: its light goes out. */
  closeCamera() {
    this.#stop("camera");
    this.#changed();
  }

  async openScreen() {
    checkOrigin();
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
      this.#adopt("screen", stream.getVideoTracks()[0]);
    } catch (error) {
      throw deviceError(error, "screen");
    }
    this.#changed();
  }

  closeScreen() {
    this.#stop("screen");
    this.#changed();
  }

  /** Let everything go. */
  close() {
    this.#stop("microphone");
    this.#stop("camera");
    this.#stop("screen");
    this.#changed();
  }

  /**
   * @param {Wish} wish
   * @param {TextKey[]} notices
   */
  async #openBoth(wish, notices) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { ...SPEECH, ...exactly(wish.microphoneId) },
        video: { ...PICTURE, ...exactly(wish.cameraId) },
      });
      this.#adopt("microphone", stream.getAudioTracks()[0]);
      this.#adopt("camera", stream.getVideoTracks()[0]);
    } catch (error) {
      console.info("camera and microphone together were not given; asking one by one", error);
      await this.#openMicrophone(wish.microphoneId, notices);
      await this.#openCamera(wish.cameraId, notices);
    }
  }

  /**
   * @param {string} microphoneId
   * @param {TextKey[]} notices
   */
  async #openMicrophone(microphoneId, notices) {
    try {
      this.#adopt("microphone", await getTrack("microphone", microphoneId));
    } catch (error) {
      if (!(error instanceof CallError) || error.key !== "noticeMicrophoneGone") {
        throw error;
      }
      notices.push(error.key);
      this.#adopt("microphone", await getTrack("microphone", ""));
    }
  }

  /**
   * @param {string} cameraId
   * @param {TextKey[]} notices
   */
  async #openCamera(cameraId, notices) {
    try {
      this.#adopt("camera", await getTrack("camera", cameraId));
    } catch (error) {
      if (!(error instanceof CallError)) {
        throw error;
      }
      if (error.key === "noticeCameraGone" && cameraId !== "") {
        notices.push(error.key);
        await this.#openCamera("", notices);
      } else {
        notices.push(error.key === "errorPermission" ? "noticeCameraDenied" : error.key);
      }
    }
  }

  /**
   * @param {"microphone" | "camera" | "screen"} device
   * @param {MediaStreamTrack} track
   */
  #adopt(device, track) {
    this[device] = track;
    track.addEventListener("ended", () => {
      if (this[device] === track) {
        this[device] = null; // unplugged, or sharing was ended by the browser's own button
        this.dispatchEvent(new CustomEvent("lost", { detail: device }));
        this.#changed();
      }
    });
  }

  /** @param {"microphone" | "camera" | "screen"} device */
  #stop(device) {
    this[device]?.stop();
    this[device] = null;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * Devices of a kind. Their names are empty until the caller allowed one.
 * @param {MediaDeviceKind} kind
 */
export async function devices(kind) {
  if (!navigator.mediaDevices) {
    return [];
  }
  const all = await navigator.mediaDevices.enumerateDevices();
  return all.filter((device) => device.kind === kind);
}

/** Whether the browser would give devices without asking. @returns {Promise<boolean>} */
export async function isAllowedAlready() {
  try {
    const names = /** @type {PermissionName[]} */ (["microphone", "camera"]);
    const states = await Promise.all(names.map((name) => navigator.permissions.query({ name })));
    return states.every((status) => status.state === "granted");
  } catch (error) {
    console.info("this browser does not tell about permissions", error);
    return false;
  }
}

function checkOrigin() {
  if (!navigator.mediaDevices) {
    throw new CallError("errorInsecure", { isFinal: true });
  }
}

/** @param {string} id */
function exactly(id) {
  return id ? { deviceId: { exact: id } } : {};
}

/**
 * @param {"microphone" | "camera"} device
 * @param {string} id
 */
async function getTrack(device, id) {
  const constraints =
    device === "microphone"
      ? { audio: { ...SPEECH, ...exactly(id) } }
      : { video: { ...PICTURE, ...exactly(id) } };
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    return stream.getTracks()[0];
  } catch (error) {
    throw deviceError(error, device);
  }
}
