/* global document */
/**
 * The tables of the page. A row stays the same element as long as its key is shown, and a text that has not changed
 * is not written again, so that neither the keyboard's focus nor a selection is lost.
 */
const count = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const rowsOf = new WeakMap();

/**
 * @param make builds the row's cells, and returns the function that writes an item into them.
 * @param context what all rows are written with.
 */
function keyed(body, items, keyOf, make, context) {
  const known = rowsOf.get(body) ?? new Map();
  rowsOf.set(body, known);
  const keys = new Set(items.map(keyOf));
  const focused = document.activeElement;
  for (const [key, { row }] of known) {
    if (keys.has(key)) continue;
    row.remove();
    known.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!known.has(key)) {
      const row = document.createElement('tr');
      known.set(key, { row, write: make(row) });
    }
    const { row, write } = known.get(key);
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    write(item, context);
  });
  if (body.contains(focused)) focused.focus(); // a row that was moved has lost it
}

function add(parent, tag, className = '') {
  const child = document.createElement(tag);
  if (className !== '') child.className = className;
  parent.append(child);
  return child;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setNumber(cell, number) {
  setText(cell, number < 1e6 ? count.format(number) : short.format(number));
  cell.title = count.format(number);
  cell.classList.toggle('zero', number === 0);
}

function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** In one unit: "3 s", "12 min", "5 h", "40 d". */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const waitingOf = ({ jobs }) => jobs.scheduled + jobs.pending;
const runningOf = ({ jobs }) => jobs['in-progress'];

/** The bars are as long as the queues compared with the longest. */
export function renderQueues(body, queues) {
  const longest = Math.max(1, ...queues.map((queue) => waitingOf(queue) + runningOf(queue)));
  const share = (jobs) => `${(100 * jobs) / longest}%`;
  keyed(
    body,
    queues,
    ({ type }) => type,
    (row) => {
      const head = add(row, 'th');
      head.scope = 'row';
      head.className = 'type';
      const name = add(head, 'span');
      head.append(' ');
      const paused = add(head, 'span', 'paused');
      const bar = add(add(row, 'td', 'bars'), 'div', 'bar');
      bar.setAttribute('role', 'img');
      const runningBar = add(bar, 'span', 'running');
      const waitingBar = add(bar, 'span', 'waiting');
      const cells = ['', '', '', '', ' roomy', ' roomy'].map((more) => add(row, 'td', `number${more}`));
      return (queue, widthOf) => {
        const { jobs, type } = queue;
        setText(name, type);
        setText(paused, queue.paused ? 'paused' : '');
        setAttribute(bar, 'aria-label', `${runningOf(queue)} run, ${waitingOf(queue)} wait`);
        runningBar.style.width = widthOf(runningOf(queue));
        waitingBar.style.width = widthOf(waitingOf(queue));
        const numbers = [waitingOf(queue), runningOf(queue), jobs.completed, jobs.failed, jobs.cancelled];
        numbers.forEach((number, index) => setNumber(cells[index], number));
        setText(cells[5], jobs.pending > 0 ? age(1000 * queue.oldestAgeSeconds) : '–');
      };
    },
    share,
  );
}

/** What is worth knowing of a job right now: how far it is, what it waits for, or what went wrong. */
function remarkOf(job, now) {
  if (job.status === 'in-progress') return job.progress?.message ?? '';
  if (job.status === 'completed') return '';
  if (job.held) return `waits for a place of key ${job.concurrencyKey}`;
  const error = job.error ? `${job.error.code}: ${job.error.message}` : '';
  if (job.status !== 'scheduled') return error;
  const due = `in ${age(Date.parse(job.runAt) - now)}`;
  return error === '' ? due : `${due}, after ${error}`;
}

export function renderJobs(body, jobs, now) {
  keyed(
    body,
    jobs,
    ({ id }) => id,
    (row) => {
      const status = add(add(row, 'td'), 'span');
      const type = add(row, 'td', 'type');
      const link = add(add(row, 'td', 'job'), 'a');
      const note = add(row, 'td', 'note');
      const bar = add(note, 'progress');
      const remark = add(note, 'span', 'remark');
      const attempt = add(row, 'td', 'number roomy');
      const created = add(row, 'td', 'number');
      return (job, now) => {
        setText(status, job.status);
        status.className = `status ${job.status}`;
        setText(type, job.type);
        // The end of an id tells jobs apart: its beginning is the time.
        setText(link, `…${job.id.slice(-8)}`);
        setAttribute(link, 'href', `v1/jobs/${encodeURIComponent(job.id)}`);
        setAttribute(link, 'aria-label', `job ${job.id}`);
        link.title = job.id;
        bar.hidden = job.status !== 'in-progress' || job.progress === undefined;
        bar.value = job.progress?.fraction ?? 0;
        setAttribute(bar, 'aria-label', 'progress');
        const text = remarkOf(job, now);
        setText(remark, text.length > 160 ? `${text.slice(0, 159)}…` : text);
        remark.title = text;
        setText(attempt, `${job.attempt}/${job.maxAttempts}`);
        setText(created, age(now - Date.parse(job.createdAt)));
      };
    },
    now,
  );
}

/** Inline tasks run in the server's own process, so that their workers have none to show. */
function executorsOf({ slots, executors }) {
  if (slots > 0 && executors.length === 0) return 'none: in the server';
  const memory = executors.reduce((sum, executor) => sum + executor.memory, 0);
  const processes = executors.length === 1 ? 'process' : 'processes';
  return `${executors.length} ${processes}, ${Math.round(memory / 1e6)} MB`;
}

export function renderWorkers(body, workers) {
  keyed(
    body,
    workers,
    ({ id }) => id,
    (row) => {
      const head = add(row, 'th');
      head.scope = 'row';
      const busy = add(row, 'td', 'bars');
      const bar = add(busy, 'progress');
      const figure = add(busy, 'span', 'remark');
      const pool = add(row, 'td');
      const executors = add(row, 'td', 'note');
      return (worker) => {
        setText(head, worker.id);
        setText(pool, worker.pool);
        bar.max = Math.max(1, worker.slots);
        bar.value = worker.busy;
        setAttribute(bar, 'aria-label', 'busy slots');
        setText(figure, `${worker.busy} of ${worker.slots}${worker.stopping ? ', stopping' : ''}`);
        setText(executors, executorsOf(worker));
      };
    },
  );
}
