// <voice-note src="...">: a small player for a recording, whatever the browser thinks of its length.
import { say } from "./words.js";

const PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M8 5v14l11-7z"/></svg>';
const PAUSE = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 5h3.6v14H7zM13.4 5H17v14h-3.6z"/></svg>';
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

class VoiceNote extends HTMLElement {
  static observedAttributes = ["src"];

  connectedCallback() {
    if (this.audio) return;
    this.audio = new Audio();
    this.audio.preload = "metadata";
    this.button = document.createElement("button");
    this.button.type = "button";
    this.slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1000, value: 0 });
    this.slider.setAttribute("aria-label", say("Position in the voice note"));
    this.time = document.createElement("span");
    this.append(this.button, this.slider, this.time);
    this.button.addEventListener("click", () => (this.audio.paused ? this.play() : this.audio.pause()));
    this.slider.addEventListener("input", () => {
      if (this.length) this.audio.currentTime = (this.slider.value / 1000) * this.length;
    });
    for (const event of ["play", "pause", "timeupdate", "ended", "durationchange"]) {
      this.audio.addEventListener(event, () => this.draw());
    }
    this.audio.addEventListener("loadedmetadata", () => this.measure());
    this.audio.addEventListener("error", () => this.fail());
    this.draw();
    this.load();
  }

  disconnectedCallback() {
    this.audio?.pause();
  }

  attributeChangedCallback() {
    if (this.audio) this.load();
  }

  load() {
    const source = this.getAttribute("src");
    if (source) this.audio.src = source;
  }

  // What browsers record carries no length: it is known once one has been at the end.
  measure() {
    if (Number.isFinite(this.audio.duration)) return this.draw();
    const back = () => {
      if (!Number.isFinite(this.audio.duration)) return;
      this.audio.removeEventListener("durationchange", back);
      this.audio.currentTime = 0;
      this.draw();
    };
    this.audio.addEventListener("durationchange", back);
    this.audio.currentTime = 1e7;
  }

  get length() {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : 0;
  }

  play() {
    for (const other of document.querySelectorAll("voice-note")) if (other !== this) other.audio?.pause();
    this.audio.play().catch(() => this.fail());
  }

  draw() {
    const playing = !this.audio.paused;
    if (this.playing !== playing) {
      this.playing = playing;
      this.button.innerHTML = playing ? PAUSE : PLAY;
      this.button.setAttribute("aria-label", playing ? say("Pause") : say("Play the voice note"));
    }
    const at = this.length ? Math.min(this.audio.currentTime, this.length) : 0;
    this.slider.value = this.length ? (at / this.length) * 1000 : 0;
    this.style.setProperty("--played", `${this.slider.value / 10}%`);
    this.time.textContent = minutes(at > 0 ? at : this.length);
  }

  fail() {
    if (!this.audio.error) return;
    const link = Object.assign(document.createElement("a"), { href: this.getAttribute("src"), download: "voice-note" });
    link.textContent = say("This browser cannot play it: download");
    this.replaceChildren(link);
  }
}

customElements.define("voice-note", VoiceNote);
