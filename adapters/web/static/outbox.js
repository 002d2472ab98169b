// What was written and has not surely arrived: kept in the browser, sent in order, again and again under one client_id.
const STORE = "messages";

function database() {
  return new Promise((resolve) => {
    let asked;
    try { asked = indexedDB.open("polydesk-chat", 1); } catch { return resolve(null); }
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "order", autoIncrement: true });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => resolve(null); // no place to keep anything: then it lives as long as the page
  });
}

const result = (request) => new Promise((resolve) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => resolve(undefined);
});

export class Outbox {
  // `deliver(item)` resolves to true (arrived), a number (seconds to wait, then again) or a sentence (never).
  // `changed(item, state, words)` draws it: "waiting", "late", "refused", "gone".
  constructor(deliver, changed) {
    this.deliver = deliver;
    this.changed = changed;
    this.items = [];
    this.running = false;
    this.nudge = () => {};
    this.ready = database().then(async (db) => {
      this.db = db;
      const kept = db ? await result(db.transaction(STORE).objectStore(STORE).getAll()) : [];
      this.items.push(...(kept || []));
      for (const item of this.items) this.changed(item, "waiting");
      this.run();
    });
    window.addEventListener("online", () => this.nudge());
  }

  async add(item) {
    this.changed(item, "waiting");
    await this.ready;
    if (this.db) {
      const order = await result(this.db.transaction(STORE, "readwrite").objectStore(STORE).add(item));
      if (order !== undefined) item.order = order;
    }
    this.items.push(item);
    this.run();
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    if (this.db && item.order !== undefined) this.db.transaction(STORE, "readwrite").objectStore(STORE).delete(item.order);
  }

  // What the server shows has arrived, whoever brought it there.
  arrived(client) {
    const item = this.items.find((one) => one.client === client);
    if (!item) return;
    this.remove(item);
    this.nudge(); // nobody need wait any longer for the answer that says so
  }

  async run() {
    if (this.running) return;
    this.running = true;
    let failures = 0;
    while (this.items.length) {
      const item = this.items[0];
      const outcome = await this.deliver(item);
      if (!this.items.includes(item)) continue; // it was seen to arrive meanwhile
      if (outcome === true) {
        failures = 0;
        this.remove(item);
        this.changed(item, "sent");
      } else if (typeof outcome === "string") {
        this.remove(item);
        this.changed(item, "refused", outcome);
      } else {
        failures += 1;
        if (failures > 1) this.changed(item, "late");
        await this.pause(Math.max(outcome, Math.min(0.6 * 2 ** failures, 15)));
      }
    }
    this.running = false;
  }

  // Waits, unless the connection comes back first.
  pause(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.nudge = () => { clearTimeout(timer); resolve(); };
    });
  }
}
