// Server-sent events with a bearer token, which EventSource cannot send: yields {event, data} until the stream ends.
export async function* events(url, token, signal) {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal, cache: "no-store" });
  if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const found = { event: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) found.event = line.slice(7);
        if (line.startsWith("data: ")) found.data += line.slice(6);
      }
      yield found;
    }
  }
}
