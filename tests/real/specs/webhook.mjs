// Requests of config/webhook.toml, which opens tasks in Asana, as they are with the templates filled in.
import fs from 'node:fs';
import path from 'node:path';

const SAMPLE = {
  priority: 'P1', title: 'sw-cph1-a07 down [I000123]', description: 'WHAT ...', key: 'cor-k7x2m9qd-123.1', id: '1201',
  text: 'RECOVERED 03:41 CET.',
};

/** Every request that the file describes. */
export function sample(root) {
  const text = fs.readFileSync(path.join(root, 'config/webhook.toml'), 'utf8');
  const value = (key) => {
    const found = new RegExp(`^${key} = (?:'''([\\s\\S]*?)'''|'([^'\\n]*)'|"([^"\\n]*)")`, 'm').exec(text);
    return found && (found[1] ?? found[2] ?? found[3]);
  };
  const filled = (template) => template.replace(/\{\{(\w+)\}\}/g, (_, name) => {
    if (!(name in SAMPLE)) throw new Error(`config/webhook.toml fills in ${name}, which no sample is known for`);
    return SAMPLE[name];
  });
  const base = new URL(value('url')).pathname;
  return ['create', 'update', 'note', 'resolve', 'find'].map((step) => {
    const [method, rest] = step === 'find' ? ['GET', value('find')] : value(step).split(' ');
    const url = new URL(`http://host${base}/${filled(rest)}`);
    const body = value(`${step}_body`);
    return { from: `config/webhook.toml, ${step}`, method, path: url.pathname, headers: {},
      query: Object.fromEntries(url.searchParams), body: body ? JSON.parse(filled(body)) : undefined };
  });
}
