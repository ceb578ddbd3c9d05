// Which problems are shown. The filters live in `filters`, in the form and in the address, and always agree.

const NOTHING = { q: '', pattern: '', steps: '', x: '', relation: 'differ', y: '' };
const filters = { ...NOTHING, outcomes: {} };
let matches = []; // positions of the problems shown, in order
let hits = null; // where the search found its text; null without a search
let searching = null; // an AbortController while a search runs
let stopped = false; // whether the search was stopped before its end

function stepsTest(label) {
  if (label === 'unknown') return (steps) => steps === null;
  const group = facts.groups.find((candidate) => candidate.label === label);
  if (!group) return () => false;
  return (steps) => steps !== null && steps >= group.low && (group.high === null || steps <= group.high);
}

// Build one test from all filters: only those in use cost time.
function accepting() {
  const tests = [];
  if (hits) tests.push((i) => hits[i] === 1);
  if (filters.pattern) tests.push((i) => index.solved[i] === filters.pattern);
  if (filters.steps) {
    const fits = stepsTest(filters.steps);
    tests.push((i) => fits(index.steps[i]));
  }
  for (const [letter, outcome] of Object.entries(filters.outcomes)) {
    const system = place[letter];
    tests.push((i) => index.marks[i][system] === outcome);
  }
  if (filters.x && filters.y) {
    const [x, y] = [place[filters.x], place[filters.y]];
    const only = filters.relation === 'only';
    tests.push((i) => index.solved[i][x] !== index.solved[i][y] && (!only || index.solved[i][x] === '1'));
  }
  return (i) => tests.every((test) => test(i));
}

function select() {
  const accepts = accepting();
  matches = [];
  for (let i = 0; i < index.ids.length; i++) if (accepts(i)) matches.push(i);
}

async function startSearch() {
  searching?.abort();
  searching = null;
  hits = null;
  stopped = false;
  if (filters.q) {
    const control = new AbortController();
    searching = control;
    hits = new Uint8Array(index.ids.length);
    showProgress(0);
    let shown = performance.now();
    await search(filters.q, hits, control.signal, (share) => {
      showProgress(share);
      if (performance.now() - shown < 250) return;
      shown = performance.now();
      select();
      showList();
    });
    if (control.signal.aborted) return;
  }
  endSearch();
}

function endSearch() {
  searching = null;
  showProgress(null);
  refresh();
}

function stopSearch() {
  searching?.abort();
  stopped = true;
  endSearch();
}

function showProgress(share) {
  byId('progress').hidden = byId('cancel').hidden = share === null;
  byId('progress').value = share ?? 0;
}

// Put the filters into the form, the list and the address.
function refresh(page = 0) {
  select();
  fillForm();
  writeAddress();
  showList(page);
}

function fillForm() {
  // Never under the hands of someone who is typing: a search may end between two letters.
  if (document.activeElement !== byId('search')) byId('search').value = filters.q;
  document.querySelectorAll('select[data-letter]').forEach((element) => {
    element.value = filters.outcomes[element.dataset.letter] ?? '';
  });
  const fields = { 'by-steps': 'steps', 'pair-x': 'x', 'pair-relation': 'relation', 'pair-y': 'y' };
  for (const [id, name] of Object.entries(fields)) if (byId(id)) byId(id).value = filters[name];
  showActive();
}

function showActive() {
  const any = filters.q || filters.pattern || filters.steps || (filters.x && filters.y)
    || Object.keys(filters.outcomes).length;
  const button = (text, attributes) => make('button', { type: 'button', ...attributes }, text);
  const parts = [];
  if (filters.pattern) {
    const line = document.querySelector(`[data-pattern="${CSS.escape(filters.pattern)}"] .label`);
    const label = line?.textContent ?? filters.pattern;
    const remove = () => change({ pattern: '' });
    parts.push(button(`${label} ✕`, { click: remove, 'aria-label': `Remove: ${label}` }));
  }
  if (any) parts.push(button('Clear all', { 'data-testid': 'clear', click: () => showOnly({}, false) }));
  byId('active').replaceChildren(...parts);
}

// Change some filters and keep the rest.
function change(some) {
  const before = filters.q;
  Object.assign(filters, some);
  if (filters.q !== before) startSearch();
  else refresh();
}

// Clear all filters but these, and bring the list into view.
function showOnly(some, scroll = true) {
  change({ ...NOTHING, outcomes: {}, ...some });
  if (scroll) byId('problems').scrollIntoView({ behavior: 'smooth' });
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const outcomes = {};
  for (const [name, value] of given) {
    const letter = name.startsWith('o.') ? name.slice(2) : '';
    if (Object.hasOwn(place, letter) && Object.hasOwn(OUTCOMES, value)) outcomes[letter] = value;
  }
  const read = (name) => [name, given.get(name) ?? NOTHING[name]];
  const some = Object.fromEntries(Object.keys(NOTHING).map(read));
  if (!Object.hasOwn(place, some.x) || !Object.hasOwn(place, some.y)) some.x = some.y = '';
  return { some: { ...some, outcomes }, problem: given.get('problem') };
}

function writeAddress() {
  const written = new URLSearchParams();
  for (const [name, value] of Object.entries(NOTHING)) {
    if (filters[name] !== value) written.set(name, filters[name]);
  }
  for (const [letter, outcome] of Object.entries(filters.outcomes)) written.set(`o.${letter}`, outcome);
  if (opened !== null) written.set('problem', index.ids[opened]);
  const hash = written.toString();
  // Leave the address alone while it names a section of the page.
  if (!hash && !location.hash.includes('=')) return;
  history.replaceState(null, '', hash ? `#${hash}` : location.pathname);
}

function setUpFilters() {
  const form = byId('filters');
  let typing = 0;
  form.addEventListener('submit', (event) => event.preventDefault());
  byId('search').addEventListener('input', (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ q: event.target.value.trim() }), 250);
  });
  form.addEventListener('change', (event) => {
    const { id, dataset, value } = event.target;
    if (dataset.letter) {
      const outcomes = { ...filters.outcomes, [dataset.letter]: value };
      if (!value) delete outcomes[dataset.letter];
      change({ outcomes });
    } else if (id === 'by-steps') change({ steps: value });
    else if (id === 'pair-relation') change({ relation: value });
    else if (id === 'pair-x') change({ x: value });
    else if (id === 'pair-y') change({ y: value });
  });
  byId('cancel').addEventListener('click', stopSearch);
}
