// What our kinds send and are answered: the stories of tests/golden_itsm.rs, and the exchanges that the
// conformance kit leaves behind (one JSON object per line).
import fs from 'node:fs';
import path from 'node:path';

const METHOD = /^(GET|POST|PUT|PATCH|DELETE) (\S+)/;

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One request of the stories: its head, then `  name: value` for query and headers, then the body. */
function request(lines, from) {
  const method = METHOD.exec(lines[0]);
  const found = { from, method: method[1], path: `/${method[2]}`, query: {}, headers: {}, body: undefined };
  for (const line of lines.slice(1)) {
    const pair = /^ {2}([A-Za-z_-]+): (.*)$/.exec(line);
    if (!pair) found.body = json(line.trim()) ?? line.trim();
    else if (/^[A-Z]/.test(pair[1])) found.headers[pair[1]] = pair[2];
    else found.query[pair[1]] = pair[2];
  }
  return found;
}

/** An answer of the stories: `STATUS [Header: value]... BODY`. */
function answer(line) {
  const [, status, body] = /^(\d{3})(?: \[[^\]]*\])* ?(.*)$/.exec(line) ?? [];
  return status && { status: Number(status), body: json(body ?? '') };
}

/** Every exchange in the stories of a kind, in order. */
export function stories(root, kind) {
  const folder = path.join(root, 'tests/fixtures/itsm', kind);
  const all = [];
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.txt')).sort()) {
    const parts = fs.readFileSync(path.join(folder, file), 'utf8').split('====\n');
    parts.forEach((part, number) => {
      const [told, asked] = part.split('---\n');
      const answers = told.split('\n').map(answer).filter(Boolean);
      const lines = (asked ?? '').split('\n');
      const starts = lines.flatMap((line, at) => (METHOD.test(line) ? [at] : []));
      starts.forEach((start, nth) => {
        let end = start + 1;
        while (lines[end]?.startsWith('  ')) end += 1;
        const one = request(lines.slice(start, end), `${kind}/${file}, story ${number + 1}`);
        all.push({ ...one, answer: answers[nth] });
      });
    });
  }
  return all;
}

/** What a run of the conformance kit left in a folder; undefined if there is nothing. */
export function exchanges(folder, kind) {
  const file = path.join(folder, `${kind}.ndjson`);
  if (!fs.existsSync(file)) return undefined;
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line, nth) => ({ from: `conformance kit, ${kind} ${nth + 1}`, headers: {}, ...JSON.parse(line) }));
}
