// Draws the lines of a chat, in their order, each once.
import "./voice-note.js";
import { say } from "./words.js";

const hours = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const SOON = 3 * 60 * 1000; // ms after which a line carries its own time

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export class Lines {
  // `file(sha)` resolves to an address for a picture or recording; `tap(key, label)` resolves once it is on its way.
  constructor(place, { file, tap, look }) {
    this.place = place;
    this.file = file;
    this.tap = tap;
    this.look = look;
    this.shown = new Map();
    this.own = new Map();
    this.arrived = new Set();
    this.tapped = new Set();
    place.addEventListener("scroll", () => { this.atEnd = this.nearEnd(); });
    this.atEnd = true;
    // A longer message box or a phone's keyboard must not hide the last line.
    new ResizeObserver(() => { if (this.atEnd) this.down(); }).observe(place);
  }

  clear() {
    this.shown.clear();
    this.own.clear();
    this.tapped.clear();
    this.place.replaceChildren();
  }

  nearEnd() {
    return this.place.scrollHeight - this.place.scrollTop - this.place.clientHeight < 140;
  }

  down() {
    this.place.scrollTop = this.place.scrollHeight;
  }

  // A line as the server keeps it; the same id again replaces it.
  show({ id, at, line }) {
    const stay = this.atEnd || line.from === "customer";
    const box = element("div", `line ${line.from}`);
    box.dataset.id = id;
    box.dataset.at = at;
    if (line.from === "agent" && line.name) box.append(element("span", "who", line.name));
    for (const sha of line.pictures || []) box.append(this.picture(this.file(sha)));
    for (const sha of line.voices || []) box.append(this.voice(this.file(sha)));
    for (const name of line.unread || []) box.append(element("div", "bubble unread", say("{name} (cannot be read)", name)));
    if (line.text) box.append(this.bubble(line));
    if (line.choices?.length) box.append(this.choices(line.choices));
    box.append(this.stamp(at));
    if (line.client_id) {
      this.arrived.add(line.client_id);
      this.own.get(line.client_id)?.remove();
      this.own.delete(line.client_id);
    }
    this.shown.get(id)?.remove();
    this.shown.set(id, box);
    this.place.insertBefore(box, this.after(id));
    if (line.tap) this.mark(line.tap);
    this.divide(box);
    if (stay) this.down();
    return box;
  }

  // Lines stand in the order of their ids; what is still on its way stands below them all.
  after(id) {
    let next = null;
    for (let box = this.place.lastElementChild; box; box = box.previousElementSibling) {
      if (box.dataset.id && Number(box.dataset.id) < id) break;
      if (box.dataset.id || box.dataset.client) next = box;
    }
    return next;
  }

  // Something of the customer's own that the server has not shown yet.
  pending(item, state, words = "") {
    let box = this.own.get(item.client);
    if (this.arrived.has(item.client)) return null;
    if (!box) {
      if (state === "sent") return null;
      box = element("div", "line customer waiting");
      box.dataset.client = item.client;
      for (const part of item.parts) {
        const address = Promise.resolve(URL.createObjectURL(part.blob));
        box.append(part.kind === "photo" ? this.picture(address) : this.voice(address));
      }
      if (item.text) box.append(this.bubble({ text: item.text, from: "customer" }));
      box.append(element("span", "fate"));
      this.own.set(item.client, box);
      this.place.append(box);
      this.down();
    }
    const fate = box.querySelector(".fate");
    fate.textContent = { waiting: "", sent: "", late: say("Not sent yet, trying again …"), refused: words }[state];
    box.classList.toggle("refused", state === "refused");
    box.classList.toggle("waiting", state !== "sent");
    if (state === "late" || state === "refused") this.down();
    return box;
  }

  bubble(line) {
    const box = element("div", "bubble");
    if (!line.html) {
      box.textContent = line.text === "/human" ? say("Talk to a person") : line.text;
      return box;
    }
    box.innerHTML = line.html; // rendered and escaped by the server
    for (const link of box.querySelectorAll("a")) { link.target = "_blank"; link.rel = "noopener noreferrer"; }
    return box;
  }

  picture(address) {
    const button = element("button", "photo");
    button.type = "button";
    const image = element("img");
    image.alt = say("Photo");
    button.append(image);
    address.then((url) => { image.src = url; }, () => button.replaceWith(element("div", "bubble unread", say("This photo was deleted"))));
    image.addEventListener("load", () => { if (this.atEnd) this.down(); });
    button.addEventListener("click", () => this.look(image.src));
    return button;
  }

  voice(address) {
    const note = document.createElement("voice-note");
    address.then((url) => note.setAttribute("src", url), () => note.replaceWith(element("div", "bubble unread", say("This recording was deleted"))));
    return note;
  }

  choices(list) {
    const row = element("div", list.length > 1 ? "choices" : "choices lone");
    for (const { key, label } of list) {
      const button = element("button", "", label);
      button.type = "button";
      button.dataset.key = key;
      button.addEventListener("click", () => { this.mark(key); this.tap(key, label); });
      row.append(button);
    }
    for (const { key } of list) if (this.tapped.has(key)) this.dim(row, key);
    return row;
  }

  // A choice was made, now or before the page was reloaded.
  mark(key) {
    this.tapped.add(key);
    const button = this.place.querySelector(`.choices [data-key="${CSS.escape(key)}"]`);
    if (button) this.dim(button.parentElement, key);
  }

  dim(row, key) {
    for (const button of row.children) {
      button.disabled = true;
      button.classList.toggle("tapped", button.dataset.key === key);
    }
  }

  stamp(at) {
    const moment = new Date(at);
    const time = element("time", "stamp", hours.format(moment));
    time.dateTime = moment.toISOString();
    time.title = moment.toLocaleString();
    return time;
  }

  // A day's name above its first line, and times only where some went by.
  divide(box) {
    for (const one of [box, this.neighbour(box, "nextElementSibling")]) {
      if (!one) continue;
      const before = this.neighbour(one, "previousElementSibling");
      const [at, was] = [Number(one.dataset.at), Number(before?.dataset.at || 0)];
      const newDay = new Date(at).toDateString() !== new Date(was).toDateString();
      const today = new Date(at).toDateString() === new Date().toDateString();
      if (newDay && !(today && !before)) one.dataset.day = today ? say("Today") : days.format(new Date(at)); else delete one.dataset.day;
      const near = at - was < SOON && !newDay;
      before?.classList.toggle("close", near);
      one.classList.toggle("joined", Boolean(before) && near && before.classList[1] === one.classList[1]);
    }
  }

  neighbour(box, way) {
    let other = box[way];
    while (other && !other.dataset.id) other = other[way];
    return other;
  }
}
