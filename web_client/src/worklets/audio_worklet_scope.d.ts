// What exists on the audio thread; TypeScript's libraries do not say.

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
  constructor();
}
declare const sampleRate: number;
declare function registerProcessor(
  name: string,
  processor: new (options: any) => AudioWorkletProcessor,
): void;
