// The microphone as a voice note, in whatever format the browser records.
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const LONGEST = 300; // seconds

export const canRecord = () => Boolean(window.MediaRecorder && navigator.mediaDevices?.getUserMedia);

// Starts at once; `done` is the recording, or null when it was discarded. Throws when the microphone is not to be had.
export async function record({ tick = () => {}, level = () => {} } = {}) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const pieces = [];
  const began = Date.now();
  let wanted = true;
  recorder.addEventListener("dataavailable", ({ data }) => { if (data.size) pieces.push(data); });
  const quiet = listen(stream, level);
  const timer = setInterval(() => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    tick(seconds);
    if (seconds >= LONGEST) stop();
  }, 200);
  const done = new Promise((resolve) => {
    recorder.addEventListener("stop", () => {
      clearInterval(timer);
      quiet();
      for (const track of stream.getTracks()) track.stop();
      resolve(wanted && pieces.length ? new Blob(pieces, { type: recorder.mimeType.split(";")[0] }) : null);
    });
  });
  const stop = () => { if (recorder.state !== "inactive") recorder.stop(); };
  recorder.start(1000);
  tick(0);
  return { done, stop, discard: () => { wanted = false; stop(); } };
}

// How loud it is, between 0 and 1, so that people see that they are heard.
function listen(stream, level) {
  const audio = new AudioContext();
  const ear = audio.createAnalyser();
  ear.fftSize = 512;
  audio.createMediaStreamSource(stream).connect(ear);
  const wave = new Uint8Array(ear.fftSize);
  const timer = setInterval(() => {
    ear.getByteTimeDomainData(wave);
    level(Math.min(1, Math.max(...wave.map((value) => Math.abs(value - 128))) / 64));
  }, 80);
  return () => { clearInterval(timer); audio.close(); };
}

export const extension = (type) => ({ "audio/mp4": "m4a", "audio/ogg": "ogg" })[type] || "webm";
