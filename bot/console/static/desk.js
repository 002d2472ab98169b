// The desk, live: refreshes what changed, counts in the tab, rings for a new waiting customer.
const title = document.title;
const open = document.querySelector(".desk").dataset.open;
const composer = document.getElementById("composer");
const transcript = document.getElementById("transcript");
let waiting = null;

const refresh = (id) => {
  const part = document.getElementById(id);
  if (part) htmx.trigger(part, "refresh");
};
const down = () => { if (transcript) transcript.scrollTop = transcript.scrollHeight; };

function ring() {
  try {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    tone.frequency.value = 660;
    loudness.gain.setValueAtTime(0.15, audio.currentTime);
    loudness.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.7);
    tone.connect(loudness).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.7);
  } catch { /* a browser without sound still shows the count */ }
  if (window.Notification?.permission === "granted") {
    new Notification("A customer is waiting", { body: "Open the desk to answer.", tag: "polydesk" });
  }
}

function count(now, newest) {
  document.title = now ? `(${now}) ${title}` : title;
  const badge = document.getElementById("count");
  badge.textContent = now;
  badge.hidden = !now;
  document.body.dataset.waiting = now;
  if (waiting !== null && newest > waiting) ring();
  waiting = Math.max(waiting ?? 0, newest);
}

const stream = new EventSource("/console/desk/stream");
stream.addEventListener("changed", (event) => {
  const { ids, waiting: now, newest } = JSON.parse(event.data);
  count(now, newest);
  refresh("list");
  if (open && (ids.includes(open) || ids.length === 0)) { refresh("head"); refresh("transcript"); }
});

document.body.addEventListener("htmx:afterSwap", (event) => { if (event.target === transcript) down(); });
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.target === composer && event.detail.successful) {
    composer.reset();
    for (const name of ["entry", "turn"]) composer.elements[name].value = "";
    document.getElementById("chosen").textContent = "";
  }
  if (event.detail.successful) document.getElementById("trouble").replaceChildren();
});
document.body.addEventListener("click", (event) => {
  if (window.Notification?.permission === "default") Notification.requestPermission();
  if (event.target.closest("[data-dismiss]")) document.getElementById("trouble").replaceChildren();
  const use = event.target.closest("[data-use]");
  if (use && composer) {
    composer.elements.text.value = use.dataset.use;
    composer.elements.entry.value = use.dataset.entry;
    composer.elements.turn.value = use.dataset.turn;
    composer.elements.text.focus();
  }
});
composer?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) composer.requestSubmit(composer.querySelector(".main"));
});
composer?.elements.photo.addEventListener("change", (event) => {
  document.getElementById("chosen").textContent = [...event.target.files].map((file) => file.name).join(", ");
});
down();
