// Requests of the kind `jira` against a client that others made from Atlassian's present document (npm `jira.js`):
// asked for the same, it must send the same; its schemas, closed to names that they do not list, must take what we
// send and what the tool is said to answer. And texts against Atlassian's own schema of its document format.
import { isDeepStrictEqual } from 'node:util';
import Ajv from 'ajv';
import * as cloud from 'jira.js/cloud';
// The schemas of parameters are in the package but not among what it exports.
import * as schemas from './node_modules/jira.js/dist/cloud/parameters/index.js';

const list = (text) => text?.split(',');
const number = (text) => (text === undefined ? undefined : Number(text));
const issue = (at) => ({ issueIdOrKey: at[1] });

// What we ask, which function of the client that is, and what it is given.
const CALLS = [
  ['GET', /^\/rest\/api\/3\/myself$/, 'getCurrentUser', (at, q) => ({ ...q })],
  ['GET', /^\/rest\/api\/3\/search\/jql$/, 'searchAndReconsileIssuesUsingJql', (at, q) =>
    ({ ...q, fields: list(q.fields), maxResults: number(q.maxResults) })],
  ['GET', /^\/rest\/api\/3\/issue\/createmeta\/([^/]+)\/issuetypes$/, 'getCreateIssueMetaIssueTypes', (at, q) =>
    ({ projectIdOrKey: at[1], ...q, maxResults: number(q.maxResults) })],
  ['GET', /^\/rest\/api\/3\/issue\/createmeta\/([^/]+)\/issuetypes\/([^/]+)$/, 'getCreateIssueMetaIssueTypeId',
    (at, q) => ({ projectIdOrKey: at[1], issueTypeId: at[2], ...q, maxResults: number(q.maxResults) })],
  ['POST', /^\/rest\/api\/3\/issue$/, 'createIssue', (at, q, body) => ({ ...q, ...body })],
  ['GET', /^\/rest\/api\/3\/issue\/([^/]+)$/, 'getIssue', (at, q) =>
    ({ ...issue(at), ...q, fields: list(q.fields), properties: list(q.properties) })],
  ['PUT', /^\/rest\/api\/3\/issue\/([^/]+)$/, 'editIssue', (at, q, body) => ({ ...issue(at), ...q, ...body })],
  ['POST', /^\/rest\/api\/3\/issue\/([^/]+)\/comment$/, 'addComment', (at, q, body) =>
    ({ ...issue(at), ...q, ...body })],
  ['GET', /^\/rest\/api\/3\/issue\/([^/]+)\/transitions$/, 'getTransitions', (at, q) => ({ ...issue(at), ...q })],
  ['POST', /^\/rest\/api\/3\/issue\/([^/]+)\/transitions$/, 'doTransition', (at, q, body) =>
    ({ ...issue(at), ...q, ...body })],
  ['GET', /^\/rest\/api\/3\/issue\/([^/]+)\/remotelink$/, 'getRemoteIssueLinks', (at, q) => ({ ...issue(at), ...q })],
  ['POST', /^\/rest\/api\/3\/issue\/([^/]+)\/remotelink$/, 'createOrUpdateRemoteIssueLink', (at, q, body) =>
    ({ ...issue(at), ...q, ...body })],
  ['POST', /^\/rest\/api\/3\/issueLink$/, 'linkIssues', (at, q, body) => ({ ...q, ...body })],
];

const issues = (error) => error.issues.map((one) => `${one.path.join('/') || 'body'}: ${one.message}`);
const given = (object) => JSON.parse(JSON.stringify(object ?? {}));
const upper = (name) => name[0].toUpperCase() + name.slice(1);

function call({ method, path }) {
  return CALLS.find(([verb, pattern]) => verb === method && pattern.test(path));
}

/** What the client would send; the schema of the answer goes with it. */
async function sent(request) {
  const [, pattern, name, parameters] = call(request);
  let config;
  const client = { sendRequest: async (options) => { config ??= options; return {}; } };
  const all = parameters(pattern.exec(request.path), request.query, request.body);
  await cloud[name](client, all);
  return { name, all, config };
}

/** What is wrong with a request, one line each. */
export async function wrongRequest(request) {
  if (!call(request)) return [`the client knows no ${request.method} ${request.path}`];
  const { name, all, config } = await sent(request);
  const wrong = [];
  const taken = schemas[`${upper(name)}Schema`].safeParse(all);
  if (!taken.success) wrong.push(...issues(taken.error));
  if (config.url !== request.path) wrong.push(`the client asks ${config.url}`);
  if ((config.method ?? 'GET') !== request.method) wrong.push(`the client uses ${config.method}`);
  const query = Object.fromEntries(
    Object.entries(given(config.searchParams)).map(([key, value]) => [key, String(value)]));
  if (!isDeepStrictEqual(query, request.query)) wrong.push(`the client asks with ${JSON.stringify(query)}`);
  if (!isDeepStrictEqual(given(config.body), request.body ?? {})) {
    wrong.push(`the client sends ${JSON.stringify(config.body)}`);
  }
  return wrong;
}

/** What is wrong with an answer that the tool is said to give, one line each; undefined if no schema tells. */
export async function wrongAnswer(request) {
  const { status, body } = request.answer ?? {};
  if (!call(request) || !(status >= 200 && status < 300) || body === undefined || typeof body !== 'object') {
    return undefined;
  }
  const { config } = await sent(request);
  if (!config.schema) return undefined;
  const taken = config.schema.safeParse(body);
  return taken.success ? [] : issues(taken.error);
}

/** Checks texts by the schema of the document format. */
export function texts(schema) {
  const { $schema, ...rest } = schema;
  const validate = new Ajv({ strict: false, allErrors: false }).compile(rest);
  return function wrong(value, at = '') {
    if (value === null || typeof value !== 'object') return [];
    if (value.type === 'doc') return validate(value) ? [] : [`${at}: ${validate.errors[0].message} in a text`];
    return Object.entries(value).flatMap(([name, one]) => wrong(one, `${at}/${name}`));
  };
}
