// One problem in full, in a dialog over the list.

const CUT = 20_000; // characters in one piece of text: what follows the first waits for a click
let opened = null; // position of the problem shown

// Text with annotated calculations set back and the searched words marked.
function written(text) {
  return text.split(/(<<[^<>\n]{1,200}>>)/).flatMap((part, number) =>
    number % 2 ? make('span', { class: 'annotation' }, ...marked(part)) : marked(part));
}

function marked(text) {
  const needle = filters.q.toLowerCase();
  const lower = text.toLowerCase();
  // Lower case may be longer than the text in rare scripts; then the places would not fit.
  if (!needle || lower.length !== text.length) return [text];
  const parts = [];
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), make('mark', {}, text.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  return [...parts, text.slice(from)];
}

// Cut a long text at line ends, or anywhere but inside a character: one block of a megabyte takes seconds.
function pieces(text) {
  const found = [];
  for (let from = 0, to; from < text.length; from = to) {
    to = Math.min(from + CUT, text.length);
    const lineEnd = to < text.length ? text.lastIndexOf('\n', to) + 1 : 0;
    if (lineEnd > from) to = lineEnd;
    else if ((text.charCodeAt(to) & 0xfc00) === 0xdc00) to += 1;
    found.push(text.slice(from, to));
  }
  return found;
}

function textBlock(text, testid) {
  const block = make('div', { class: 'text', dir: 'auto', 'data-testid': testid });
  const [first = '', ...rest] = pieces(visible(text));
  block.append(make('div', {}, ...written(first)));
  if (rest.length) {
    const label = `Show all ${count(text.length)} characters`;
    const more = make('button', { type: 'button', 'data-testid': 'show-all' }, label);
    const showRest = () => more.replaceWith(...rest.map((piece) => make('div', {}, ...written(piece))));
    more.addEventListener('click', showRest);
    block.append(more);
  }
  return block;
}

function fact(name, value, testid) {
  const shown = value === null ? make('span', { class: 'quiet' }, 'none') : make('bdi', {}, visible(value));
  return make('div', {}, make('dt', {}, name), make('dd', { 'data-testid': testid }, shown));
}

// Completions often begin with the blank behind their prompt.
function responseView(response, failure) {
  if (response === null) return failure ? null : make('p', { class: 'quiet' }, 'No response.');
  const text = response.trim();
  return text ? textBlock(text, 'response') : make('p', { class: 'quiet' }, 'An empty response.');
}

function sampleView([response, extracted, how, seconds, more = {}], code, number, total) {
  const { failure, truncated, cost = {}, trace = [] } = more;
  const { word, sign } = OUTCOMES[code];
  const took = seconds === null ? null : fact('Graded in', `${(1000 * seconds).toPrecision(2)} ms`, 'seconds');
  return make('div', { class: 'sample', 'data-testid': 'sample' },
    make('header', {},
      make('span', { class: `verdict ${word}`, 'data-testid': 'verdict' }, `${sign} ${word}`),
      total > 1 ? make('span', { class: 'quiet' }, `sample ${number + 1} of ${total}`) : null,
      make('dl', { class: 'meta' }, fact('Extracted', extracted, 'extracted'), fact('Rule', how, 'how'), took)),
    failure ? make('p', { class: 'failure', 'data-testid': 'failure' }, visible(failure)) : null,
    truncated ? make('p', { class: 'quiet', 'data-testid': 'truncated' }, 'A limit cut it short.') : null,
    responseView(response, failure),
    traceView(trace),
    costView(cost));
}

function systemView(samples, prompt, position, system) {
  const codes = index.outcomes[position].split('|')[system];
  const views = samples.map((sample, number) => sampleView(sample, codes[number], number, samples.length));
  return make('section', { class: 'answers', 'data-testid': `answers-${facts.systems[system].letter}` },
    make('h4', {}, chip(system), ' ', make('bdi', {}, facts.systems[system].name)),
    promptView(prompt),
    ...(views.length ? views : [make('p', { class: 'quiet' }, 'No sample.')]));
}

function problemView(problem, position) {
  const worked = problem.solution === null ? null
    : make('div', {}, make('h4', {}, 'Worked solution'), textBlock(problem.solution, 'solution'));
  const steps = index.steps[position];
  return [
    make('div', { class: 'given' },
      make('div', {},
        make('h4', {}, 'Question'), textBlock(problem.question, 'question'),
        make('dl', { class: 'meta gold' }, fact('Gold answer', problem.answer, 'gold'),
          steps === null ? null : fact('Steps', String(steps), 'steps'))),
      worked ?? ''),
    make('div', { class: 'systems' },
      ...problem.systems.map((samples, system) => systemView(samples, problem.prompts[system], position, system))),
  ];
}

async function openProblem(position) {
  opened = position;
  const problem = await problemAt(position);
  if (opened !== position) return; // another was opened while this one was unpacked
  const at = matches.indexOf(position);
  byId('detail-title').replaceChildren(make('bdi', {}, visible(index.ids[position])));
  const where = at < 0 ? 'outside the list' : `${count(at + 1)} of ${count(matches.length)}`;
  byId('detail-place').textContent = where;
  byId('previous').disabled = at <= 0;
  byId('next').disabled = at < 0 || at === matches.length - 1;
  byId('detail-body').replaceChildren(...problemView(problem, position));
  byId('detail-body').scrollTop = 0;
  if (!byId('detail').open) byId('detail').showModal();
  writeAddress();
}

function move(by) {
  const at = matches.indexOf(opened) + by;
  if (at < 0 || at >= matches.length || opened === null) return;
  showList(Math.floor(at / PAGE));
  openProblem(matches[at]);
}

function closed() {
  const position = opened;
  opened = null;
  writeAddress();
  document.querySelector(`[data-position="${position}"]`)?.focus();
}

function setUpDetail() {
  const dialog = byId('detail');
  byId('previous').addEventListener('click', () => move(-1));
  byId('next').addEventListener('click', () => move(1));
  byId('close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', closed);
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) move(by);
  });
}
