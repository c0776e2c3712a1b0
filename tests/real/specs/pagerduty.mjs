// Events of the kind `pagerduty` against the types of the vendor's own client (npm `@pagerduty/pdjs`): the vendor's
// OpenAPI document is in no package. The types know no `client`, which the documentation of the Events API has, and
// ask for a payload even of a resolve, of which the documentation does not.

/** An exported interface as { name: { optional, type } }, objects nested. */
function members(text, name) {
  const at = text.indexOf(`interface ${name} {`);
  if (at < 0) throw new Error(`no interface ${name} in the types of the client`);
  const words = text.slice(text.indexOf('{', at)).match(/\{|\}|[\w]+\??:|[^\s;{}][^;{}]*;/g);
  const read = () => {
    const found = {};
    words.shift();
    for (let word = words.shift(); word !== '}'; word = words.shift()) {
      const [, key, optional] = /^(\w+)(\??):$/.exec(word) ?? [];
      if (!key) continue;
      found[key] = { optional: optional === '?', type: words[0] === '{' ? read() : words.shift().slice(0, -1).trim() };
    }
    return found;
  };
  return read();
}

function union(text, name) {
  const [, words] = new RegExp(`type ${name} = ([^;]+);`).exec(text) ?? [];
  return words?.split('|').map((word) => JSON.parse(word.trim().replaceAll("'", '"')));
}

/** A check by the text of the client's `events.d.ts`. */
export function events(text) {
  const event = { ...members(text, 'EventPayloadV2'), client: { optional: true, type: 'string' } };
  return function wrong({ method, path, body }) {
    if (method !== 'POST' || path !== '/v2/enqueue') return undefined;
    const walk = (types, value, at) => {
      const missing = Object.entries(types).filter(([name, one]) => !one.optional && !(name in value));
      const unknown = Object.keys(value).filter((name) => !(name in types));
      return [...missing.map(([name]) => `${at}${name} is missing`), ...unknown.map((name) => `${at}${name} is unknown`),
        ...Object.entries(value).flatMap(([name, one]) => fits(types[name]?.type, one, `${at}${name}`))];
    };
    const fits = (type, value, at) => {
      if (type === undefined) return [];
      if (typeof type === 'object') return walk(type, value ?? {}, `${at}/`);
      const words = union(text, type);
      if (words ? words.includes(value) : type.startsWith('Array') ? Array.isArray(value) : typeof value === type) return [];
      return [`${at} is ${JSON.stringify(value)}, not ${type}`];
    };
    const types = body.event_action === 'trigger' ? event
      : { ...event, payload: { ...event.payload, optional: true }, dedup_key: { type: 'string' } };
    // The key of the integration is put in where the request leaves.
    return walk(types, { ...body, routing_key: body.routing_key ?? '' }, '');
  };
}
