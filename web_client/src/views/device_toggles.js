// Buttons that turn microphone and camera off and on; the same in the lobby and the call.

import { setLabelKey } from "../i18n.js";

/** @typedef {import("../i18n.js").TextKey} TextKey */

/**
 * Show a toggle's state in its icon, its name and its pressed state.
 * @param {HTMLElement} button
 * @param {{ isOff: boolean, icon: string, offKey: TextKey, onKey: TextKey }} state `offKey` names
 *   what a click does while the device is on.
 */
export function showToggle(button, { isOff, icon, offKey, onKey }) {
  button.setAttribute("aria-pressed", String(isOff));
  button.querySelector("use")?.setAttribute("href", isOff ? `#${icon}-off` : `#${icon}`);
  setLabelKey(button, isOff ? onKey : offKey);
}

/**
 * Let a video element show a track.
 * @param {HTMLVideoElement} video
 * @param {MediaStreamTrack | null} track
 */
export function showTrack(video, track) {
  const shown = video.srcObject instanceof MediaStream ? video.srcObject.getTracks()[0] : null;
  if (shown !== track) {
    video.srcObject = track === null ? null : new MediaStream([track]);
  }
}
