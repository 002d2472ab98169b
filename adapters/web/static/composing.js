// Tells the gateway while a message is typed or recorded, so that what was sent before it is not answered too early.
const EVERY = 2000; // ms between two signs while it goes on; the gateway forgets one after four seconds
const MATTERS = 10_000; // ms after one's own last words; nobody waits longer than this for more of them
const REGRET = 500; // ms for which a box is empty that was emptied for good, and not to write something else

export class Composing {
  // `tell(client, stopped)` sends a sign for the message that will have this client_id, or returns false; `newId()`
  // makes such an id.
  constructor(tell, newId) {
    this.tell = tell;
    this.newId = newId;
    this.last = 0; // when a sign was given for the present message; 0: none that still stands
    this.said = 0;
    this.client = newId();
  }

  // Something of one's own is on its way or has arrived: from now on signs matter, for a while.
  spoke() {
    this.said = Date.now();
  }

  // A key was pressed, or the recording runs.
  goesOn() {
    clearTimeout(this.regret);
    const now = Date.now();
    if (now - this.said > MATTERS || now - this.last < EVERY) return;
    if (this.tell(this.client, false)) this.last = now;
  }

  // The box was emptied, or the recording thrown away.
  stops() {
    clearTimeout(this.regret);
    this.regret = setTimeout(() => {
      if (this.last) this.tell(this.client, true);
      this.last = 0;
    }, REGRET);
  }

  // The message is sent, which ends it: returns the client_id that it was announced by.
  sent() {
    clearTimeout(this.regret);
    const { client } = this;
    this.client = this.newId();
    this.last = 0;
    this.spoke();
    return client;
  }
}
