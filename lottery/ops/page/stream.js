// The stream of events, opened again whenever it is lost.

const KINDS = ["history", "central", "agencies"];
/** A stream that says nothing for so long is as good as cut; or for so many times what it said. */
const SILENT_MS = 10_000, SILENT_TIMES = 4;
const AGAIN_MS = 2_000;

/** Listen to a stream for ever.
 *
 * The browser would try again by itself, but not after every kind of failure, and not if the
 * stream only falls silent. So there is one way for all: close it, wait, open another one.
 *
 * @param listener opened(), heard(kind, data) and lost(), called as it goes
 */
export function listen(address, listener) {
  let source, movedAt, every = 0;

  function open() {
    movedAt = performance.now();
    source = new EventSource(address);
    source.addEventListener("open", listener.opened);
    source.addEventListener("error", lose);
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        movedAt = performance.now();
        const data = JSON.parse(event.data);
        every = data.every ?? every;
        listener.heard(kind, data);
      });
    }
  }

  function lose() {
    source.close();
    listener.lost();
    setTimeout(open, AGAIN_MS);
  }

  function watch() {
    const waiting = source.readyState !== EventSource.CLOSED;
    const silent = Math.max(SILENT_MS, SILENT_TIMES * 1000 * every);
    if (waiting && performance.now() - movedAt > silent) lose();
  }

  open();
  setInterval(watch, 1000);
}
