/* global document, EventSource, location, setInterval */
/**
 * The page at `/`: reads /v1/queues, /v1/jobs and /v1/workers when an event says that something has changed, and now
 * and then without one. What it shows comes from clients, so it enters the page as text and never as markup.
 */
import { renderJobs, renderQueues, renderWorkers } from './page-tables.js';

/** Readings are at least this far apart, in ms, however many events come. */
const leastMs = 500;
/** While events come, what none of them tells (rates, memory) is read this often. */
const liveMs = 10_000;
/** Without events. */
const pollMs = 2_000;
const answerWithinMs = 10_000;
/** Above so many events between two readings, polling tells as much and costs less. */
const flood = 2_000;
const afterFloodMs = 30_000;

const element = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What was read last, and by how much the server's clock is ahead of this one's, in ms. */
let seen;
let ahead = 0;

/** The stream of events: it says only that it is time to read again. */
const events = {
  source: undefined,
  open: false,
  /** Since the last reading. */
  count: 0,
  notBefore: 0,
  /** True where something has happened since the last reading, and the function that ends the wait for it. */
  dirty: false,
  wake: () => undefined,

  changed() {
    this.dirty = true;
    this.wake();
  },

  start() {
    if (this.source || Date.now() < this.notBefore) return;
    const source = new EventSource('v1/events');
    this.source = source;
    source.onopen = () => {
      this.open = true;
      this.changed();
    };
    source.onerror = () => {
      this.open = false;
      this.changed();
      // An answer that is no stream, such as 503 for too many of them, is final for this object.
      if (source.readyState === EventSource.CLOSED) this.stop(pollMs);
    };
    const onEvent = () => {
      this.count += 1;
      if (this.count > flood) this.stop(afterFloodMs);
      this.changed();
    };
    source.addEventListener('job', onEvent);
    source.addEventListener('lost', onEvent);
  },

  stop(pauseMs) {
    this.source?.close();
    this.source = undefined;
    this.open = false;
    this.notBefore = Date.now() + pauseMs;
  },

  /** Resolves when something has changed, or after some time in which nothing has. */
  async next() {
    if (!this.dirty) {
      const woken = new Promise((resolve) => (this.wake = resolve));
      await Promise.race([woken, sleep(this.open ? liveMs : pollMs)]);
    }
    this.dirty = false;
    this.count = 0;
  },
};

class Refusal extends Error {}

async function read(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(answerWithinMs), cache: 'no-store' });
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds, so a smaller difference says nothing.
  if (Number.isFinite(date)) ahead = Math.abs(date - Date.now()) > 2_000 ? date - Date.now() : 0;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(body.detail ?? `${response.status} at ${path}`);
  return body;
}

/** The newest jobs, and those that run however old they are. */
async function readAll() {
  const [queues, running, newest, workers] = await Promise.all(
    ['v1/queues', 'v1/jobs?status=in-progress&limit=10', 'v1/jobs?limit=20', 'v1/workers'].map(read),
  );
  const jobs = new Map([...running.jobs, ...newest.jobs].map((job) => [job.id, job]));
  return { queues: queues.queues, jobs: [...jobs.values()], workers: workers.workers };
}

function render() {
  if (!seen) return;
  const now = Date.now() + ahead;
  renderQueues(element('queues'), seen.queues);
  renderJobs(element('jobs'), seen.jobs, now);
  renderWorkers(element('workers'), seen.workers);
  element('no-jobs').hidden = seen.jobs.length > 0;
  element('no-workers').hidden = seen.workers.length > 0;
}

const words = { live: 'live', polling: 'up to date', away: 'no answer' };

function say(state, notice) {
  const link = element('link');
  if (link.dataset.state !== state) {
    link.dataset.state = state;
    link.textContent = words[state];
  }
  const box = element('notice');
  if (box.textContent !== notice) box.textContent = notice;
  box.hidden = notice === '';
  document.body.classList.toggle('stale', state === 'away');
}

function noticeOf(error, since) {
  const before = since ? ` This is how it was at ${since.toLocaleTimeString()}.` : '';
  if (error instanceof Refusal) return `The server refuses: ${error.message}.${before}`;
  return `The server at ${location.host} does not answer; trying again.${before}`;
}

const visible = () =>
  new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { once: true });
  });

async function follow() {
  let since;
  for (;;) {
    while (document.hidden) {
      events.stop(0); // a browser opens few connections to one server, and hidden pages must not hold them
      await visible();
    }
    try {
      seen = await readAll();
      since = new Date();
      events.start();
      render();
      say(events.open ? 'live' : 'polling', '');
    } catch (error) {
      say('away', noticeOf(error, since));
    }
    await sleep(leastMs);
    await events.next();
  }
}

// Ages grow between two readings; those of a server that is away stand still.
setInterval(() => {
  if (!document.hidden && element('link').dataset.state !== 'away') render();
}, 1_000);
await follow();
