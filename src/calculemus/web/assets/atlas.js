// Search as one types where no server answers: over the cards that the page holds.

const NAMES = { room: 'room', status: 'status', interface: 'interface', paper: 'paper' };
const plain = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

const cards = [...document.querySelectorAll('.cards > li')].map((element) => ({
  element,
  facts: element.dataset,
  head: plain(`${element.dataset.id} ${element.querySelector('header').textContent}`),
  text: plain(element.textContent),
}));

// Split what was typed into words and conditions, as the server does; a colon that is none of ours is text.
function read(typed) {
  const wanted = { words: [], conditions: [] };
  for (const part of typed.trim().split(/\s+/).filter(Boolean)) {
    const [kind, ...rest] = part.split(':');
    const value = rest.join(':');
    if (value && (kind in NAMES || kind === 'needs' || kind === 'after' || kind === 'before')) {
      wanted.conditions.push([kind, value.replaceAll('"', '')]);
    } else wanted.words.push(plain(part));
  }
  return wanted;
}

function holds(card, [kind, value]) {
  if (kind === 'after') return card.facts.date >= value;
  if (kind === 'before') return card.facts.date < value;
  if (kind === 'needs') return card.facts.tags.split(' ').includes(`needs-${value}`);
  const found = card.facts[NAMES[kind]];
  if (kind === 'status' && value === 'built') return found !== 'planned';
  return found === value || found.replaceAll(' ', '-') === value;
}

// A word in the title counts for more than one in the text; a card needs one of the words, more are better.
function weight(card, words) {
  if (!words.length) return 1;
  return words.reduce((sum, word) => sum + (card.head.includes(word) ? 3 : card.text.includes(word) ? 1 : 0), 0);
}

function search(form) {
  const typed = new FormData(form);
  const { words, conditions } = read(typed.get('q'));
  for (const kind of ['room', 'status']) if (typed.get(kind)) conditions.push([kind, typed.get(kind)]);
  const found = cards
    .filter((card) => conditions.every((condition) => holds(card, condition)))
    .map((card) => [weight(card, words), card])
    .filter(([score]) => score > 0)
    .sort(([a], [b]) => b - a);
  document.querySelector('.cards').replaceChildren(...found.map(([, card]) => card.element));
  document.querySelector('.count').textContent = found.length === cards.length
    ? `${cards.length} methods` : found.length ? `${found.length} of ${cards.length} methods`
      : 'No method fits. Try other words, or leave a filter out.';
}

const form = document.querySelector('.finder');
form.addEventListener('input', () => search(form));
form.addEventListener('submit', (event) => { event.preventDefault(); search(form); });
