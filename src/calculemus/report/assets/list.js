// The list of problems, fifty to a page, and its download.

const PAGE = 50;
let page = 0;

function mark(position, system) {
  const { word, sign } = OUTCOMES[index.marks[position][system]];
  const letters = index.outcomes[position].split('|')[system];
  const correct = letters.split('c').length - 1;
  const share = letters.length > 1 ? ` (${correct} of ${letters.length} correct)` : '';
  const text = `${facts.systems[system].name}: ${word}${share}`;
  const partly = word === OUTCOMES.m.word;
  const element = make('span',
    { class: `mark ${word.replaceAll(' ', '-')}`, role: 'img', 'aria-label': text, title: text },
    partly ? String(correct) : sign);
  // How far the mark is filled, like a glass.
  if (partly) element.style.setProperty('--share', `${(100 * correct) / letters.length}%`);
  return element;
}

function row(position) {
  const steps = index.steps[position];
  const marks = facts.systems.map((_, system) => mark(position, system));
  const names = { class: 'row', 'data-testid': 'problem-row', 'data-position': position };
  const button = make('button', { type: 'button', ...names, click: () => openProblem(position) },
    make('bdi', { class: 'id' }, visible(index.ids[position])),
    make('span', { class: 'preview', dir: 'auto' }, visible(index.previews[position])),
    make('span', { class: 'number steps' }, steps === null ? '–' : String(steps)),
    make('span', { class: 'outcomes' }, ...marks));
  return make('li', {}, button);
}

function showList(wanted = page) {
  const pages = Math.max(1, Math.ceil(matches.length / PAGE));
  page = Math.min(Math.max(wanted, 0), pages - 1);
  const shown = matches.slice(page * PAGE, (page + 1) * PAGE);
  byId('list').replaceChildren(...shown.map(row));
  const some = matches.length === facts.n ? '' : `${count(matches.length)} of `;
  const found = `${some}${count(facts.n)} problems`;
  byId('count').textContent = stopped ? `${found} (search stopped early)` : found;
  byId('page').textContent = `Page ${count(page + 1)} of ${count(pages)}`;
  byId('earlier').disabled = page === 0;
  byId('later').disabled = page === pages - 1;
}

function turn(by) {
  showList(page + by);
  byId('filters').scrollIntoView({ block: 'start' });
}

// Write the list as it is filtered: ids, steps and outcomes; the texts stay in the page.
function download() {
  const quote = (value) => `"${String(value ?? '').replaceAll('"', '""')}"`;
  const lines = [['id', 'steps', 'question', ...facts.systems.map(({ name }) => name)].map(quote).join(',')];
  for (const i of matches) {
    const outcomes = [...index.marks[i]].map((code) => OUTCOMES[code].word);
    lines.push([index.ids[i], index.steps[i], index.previews[i], ...outcomes].map(quote).join(','));
  }
  const link = make('a', { download: 'problems.csv' });
  link.href = URL.createObjectURL(new Blob([lines.join('\r\n')], { type: 'text/csv' }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function setUpList() {
  byId('earlier').addEventListener('click', () => turn(-1));
  byId('later').addEventListener('click', () => turn(1));
  byId('download').addEventListener('click', download);
  byId('list').addEventListener('keydown', (event) => {
    const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
    if (!step) return;
    event.preventDefault();
    event.target.closest('li')?.[step]?.firstElementChild.focus();
  });
}
