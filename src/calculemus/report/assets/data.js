// The problems: an index that is read at once, and texts that are unpacked when they are needed.

const index = { ids: [], steps: [], previews: [], outcomes: [], marks: [], solved: [] };
const chunks = []; // { start, element }
const unpacked = new Map(); // chunk number -> promise of its rows, the most recently used last
const KEPT = 24; // unpacked chunks kept in memory

async function unpack(element) {
  const binary = atob(element.textContent);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).json();
}

async function readIndex() {
  for (const element of document.querySelectorAll('script.text')) {
    chunks.push({ start: Number(element.dataset.start), element });
  }
  for (const element of document.querySelectorAll('script.index')) {
    const part = await unpack(element);
    for (const column of Object.keys(index)) {
      for (const value of part[column]) index[column].push(value);
    }
  }
}

function rowsOf(number) {
  const rows = unpacked.get(number) ?? unpack(chunks[number].element);
  unpacked.delete(number);
  unpacked.set(number, rows);
  if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
  return rows;
}

// Read one problem's texts.
async function problemAt(position) {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (chunks[middle].start <= position) low = middle;
    else high = middle - 1;
  }
  const rows = await rowsOf(low);
  const [question, answer, solution, systems, prompts = []] = rows[position - chunks[low].start];
  return { question, answer, solution, systems, prompts };
}

function mentions([question, , , systems], id, needle) {
  const has = (text) => text !== null && text.toLowerCase().includes(needle);
  const inTrace = ({ trace = [], failure = null }) => has(failure) || trace.some(([, text]) => has(text));
  const inSample = ([response, , , , more = {}]) => has(response) || inTrace(more);
  return has(id) || has(question) || systems.some((samples) => samples.some(inSample));
}

// Mark in `hits` the problems whose id, question, responses or traces hold the text; tell after every chunk.
async function search(text, hits, signal, tell) {
  const needle = text.toLowerCase();
  for (let number = 0; number < chunks.length; number++) {
    const rows = await rowsOf(number);
    if (signal.aborted) return;
    const { start } = chunks[number];
    rows.forEach((row, offset) => {
      if (mentions(row, index.ids[start + offset], needle)) hits[start + offset] = 1;
    });
    tell((number + 1) / chunks.length);
  }
}
