// What was said in a call, in order, and how it is written down.

/**
 * @typedef {object} Entry
 * @property {string} id The item's.
 * @property {"user" | "assistant" | "note"} role
 * @property {string} text Of a spoken turn of the caller: empty unless the server transcribes.
 * @property {"open" | "done" | "interrupted"} status
 * @property {boolean} isSpoken
 * @property {number} atMs Since the call began.
 * @property {number} durationMs Of a spoken turn of the caller; 0 until it is over.
 */
/** @typedef {import("./transports/transport.js").RealtimeEvent} RealtimeEvent */

export class Transcript {
  /** @type {Entry[]} */
  entries = [];
  /** @type {Map<string, Entry>} */
  #byId = new Map();
  /** @type {Map<string, string>} Item of each response. */
  #items = new Map();
  /** @type {Map<string, number>} Where a turn began in the session's audio. */
  #starts = new Map();
  #nNotes = 0;

  /**
   * Take in what the server says.
   * @param {RealtimeEvent} event
   * @param {number} atMs Since the call began.
   * @returns {Entry | null} The entry that changed.
   */
  apply(event, atMs) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#starts.set(event.item_id, event.audio_start_ms);
        return this.#entry(event.item_id, "user", atMs);
      case "input_audio_buffer.speech_stopped":
        return this.#stopped(event.item_id, event.audio_end_ms);
      case "conversation.item.input_audio_transcription.delta":
        return this.#extend(event.item_id, "user", event.delta ?? "", atMs);
      case "conversation.item.input_audio_transcription.completed":
        return this.#replace(event.item_id, event.transcript);
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        this.#items.set(event.response_id, event.item_id);
        return this.#extend(event.item_id, "assistant", event.delta, atMs);
      case "response.done":
        return this.#finished(event.response);
      case "output_audio_buffer.cleared":
        return this.#interrupted(this.#items.get(event.response_id) ?? "");
      default:
        return null;
    }
  }

  /**
   * A line the caller typed.
   * @param {string} id
   * @param {string} text
   * @param {number} atMs
   */
  addTyped(id, text, atMs) {
    const entry = this.#entry(id, "user", atMs);
    Object.assign(entry, { text, status: "done", isSpoken: false });
    return entry;
  }

  /**
   * Something that happened to the call.
   * @param {string} text
   * @param {number} atMs
   */
  addNote(text, atMs) {
    const entry = this.#entry(`note-${++this.#nNotes}`, "note", atMs);
    Object.assign(entry, { text, status: "done", isSpoken: false });
    return entry;
  }

  /** Nothing more comes for what is still open: the connection is gone. */
  closeOpenEntries() {
    const open = this.entries.filter((entry) => entry.status === "open");
    for (const entry of open) {
      entry.status = "interrupted";
    }
    return open;
  }

  /**
   * The transcript as text, a line for each entry.
   * @param {(entry: Entry) => string} speaker
   * @param {(entry: Entry) => string} words
   * @param {(ms: number) => string} clock
   */
  toText(speaker, words, clock) {
    return this.entries
      .map((entry) => `[${clock(entry.atMs)}] ${speaker(entry)}: ${words(entry)}\n`)
      .join("");
  }

  /**
   * @param {string} itemId
   * @param {number} audioEndMs
   */
  #stopped(itemId, audioEndMs) {
    const entry = this.#byId.get(itemId);
    if (entry === undefined) {
      return null;
    }
    entry.status = "done";
    entry.durationMs = Math.max(0, audioEndMs - (this.#starts.get(itemId) ?? audioEndMs));
    return entry;
  }

  /**
   * @param {string} itemId
   * @param {"user" | "assistant"} role
   * @param {string} text
   * @param {number} atMs
   */
  #extend(itemId, role, text, atMs) {
    const entry = this.#entry(itemId, role, atMs);
    entry.text += text;
    return entry;
  }

  /**
   * @param {string} itemId
   * @param {string} text
   */
  #replace(itemId, text) {
    const entry = this.#byId.get(itemId);
    if (entry === undefined) {
      return null;
    }
    entry.text = text.trim();
    return entry;
  }

  /** @param {{ id: string, status: string }} response */
  #finished(response) {
    const entry = this.#byId.get(this.#items.get(response.id) ?? "");
    if (entry === undefined || entry.status !== "open") {
      return null;
    }
    entry.status = response.status === "completed" ? "done" : "interrupted";
    return entry;
  }

  /** @param {string} itemId */
  #interrupted(itemId) {
    const entry = this.#byId.get(itemId);
    if (entry === undefined) {
      return null;
    }
    entry.status = "interrupted";
    return entry;
  }

  /**
   * @param {string} id
   * @param {Entry["role"]} role
   * @param {number} atMs
   */
  #entry(id, role, atMs) {
    let entry = this.#byId.get(id);
    if (entry === undefined) {
      entry = { id, role, text: "", status: "open", isSpoken: true, atMs, durationMs: 0 };
      this.#byId.set(id, entry);
      this.entries.push(entry);
    }
    return entry;
  }
}
