// Files for a form: chosen, dropped or pasted, kept by the server at once, so that the form only names them.
import { headers, refused, settled, shown, trouble } from "./trouble.js";

const LARGEST = 20 * 1024 * 1024;
const READABLE = { photo: "send JPEG, PNG, WebP or GIF", voice: "send a recording such as OGG, MP3, M4A, WAV or WebM" };
const pending = new Map(); // form -> uploads on their way

function zoneOf(target) {
  if (!(target instanceof Element)) return null;
  return target.closest("[data-upload]") || target.closest("#talk")?.querySelector("[data-upload]") || null;
}

function zoneOfPaste(target) {
  return zoneOf(target) || (target instanceof Element ? target.closest("form")?.querySelector("[data-upload][data-kind=photo]") : null);
}

function fits(zone, file) {
  return zone.dataset.kind === "photo" ? file.type.startsWith("image/") : /^(audio|video)\//.test(file.type);
}

export function thumb(zone, { sha = "", url = "", name = "" }) {
  const figure = document.createElement("figure");
  figure.className = "thumb";
  const shown = document.createElement(zone.dataset.kind === "photo" ? "img" : "voice-note");
  shown.src = url || `/console/files/${sha}`;
  if (shown.tagName === "IMG") shown.alt = name || "Photo"; else shown.setAttribute("src", shown.src);
  const input = Object.assign(document.createElement("input"), { type: "hidden", name: zone.dataset.name, value: sha });
  const off = Object.assign(document.createElement("button"), { type: "button", className: "round", textContent: "×", ariaLabel: "Remove" });
  off.dataset.remove = "";
  figure.append(shown, input, off);
  const place = zone.querySelector("[data-thumbs]");
  if (!("many" in zone.dataset)) place.replaceChildren();
  place.append(figure);
  changed(zone);
  return { figure, input };
}

function changed(zone) {
  zone.dispatchEvent(new CustomEvent("files", { bubbles: true }));
}

export function add(zone, files) {
  for (const file of files) {
    if (!fits(zone, file)) trouble(`${file.name} cannot be read: ${READABLE[zone.dataset.kind]}.`);
    else if (file.size > LARGEST) trouble(`${file.name} is too large: send at most 20 MB.`);
    else send(zone, file);
  }
}

function send(zone, file) {
  const { figure, input } = thumb(zone, { url: URL.createObjectURL(file), name: file.name });
  figure.classList.add("loading");
  const before = shown();
  const form = new FormData();
  form.set("file", file, file.name || "recording.webm");
  const work = fetch(`/console/uploads?kind=${zone.dataset.kind}`, { method: "POST", body: form, headers: headers() })
    .then(async (answer) => {
      if (!answer.ok) { await refused(answer); figure.remove(); return false; }
      input.value = (await answer.json()).sha;
      figure.classList.remove("loading");
      settled(before);
      return true;
    })
    .catch(() => { figure.remove(); trouble(`${file.name} did not reach the server; add it again.`); return false; })
    .finally(() => changed(zone));
  const owner = zone.closest("form");
  pending.set(owner, [...(pending.get(owner) || []), work]);
  work.finally(() => pending.set(owner, pending.get(owner).filter((one) => one !== work)));
}

document.addEventListener("change", ({ target }) => {
  const zone = target.type === "file" ? zoneOf(target) : null;
  if (!zone) return;
  add(zone, [...target.files]);
  target.value = "";
});
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-remove]");
  if (!button) return;
  const zone = zoneOf(button);
  button.closest(".thumb").remove();
  changed(zone);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault(); // a file dropped beside its place must not replace the page
  for (const zone of document.querySelectorAll("[data-upload].over")) zone.classList.remove("over");
  zoneOf(event.target)?.classList.add("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const zone = zoneOf(event.target);
  for (const one of document.querySelectorAll("[data-upload].over")) one.classList.remove("over");
  if (zone) add(zone, [...event.dataTransfer.files]);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) for (const zone of document.querySelectorAll("[data-upload].over")) zone.classList.remove("over");
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  const zone = files.length ? zoneOfPaste(event.target) : null;
  if (!zone) return;
  event.preventDefault();
  add(zone, files);
});
// A form that is sent while a photo is still on its way waits for it, and is not sent without it.
document.addEventListener("htmx:confirm", (event) => {
  const waits = pending.get(event.target) || [];
  if (!waits.length) return;
  event.preventDefault();
  Promise.all(waits).then((good) => { if (good.every(Boolean)) event.detail.issueRequest(true); });
});
