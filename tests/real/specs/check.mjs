// Checks what our kinds send by what others wrote. Started by `run` in a folder where the packages are:
//   node check.mjs ROOT [WIRE]     ROOT: this repository; WIRE: what a run of tests/conformance.rs left
// One line per check; exit code 1 if any request is refused, or if a request that is broken on purpose is not.
import fs from 'node:fs';
import { Document } from './openapi.mjs';
import { exchanges, stories } from './read.mjs';
import * as jira from './jira.mjs';
import { events } from './pagerduty.mjs';
import { sample } from './webhook.mjs';

const [root, wire] = process.argv.slice(2);
const read = (file) => fs.readFileSync(file, 'utf8');
let failed = false;

function tell(ok, text, lines = []) {
  failed ||= !ok;
  console.log(`${ok ? 'PASS' : 'FAIL'} ${text}${lines.slice(0, 20).map((line) => `\n     ${line}`).join('')}`);
}

/** Runs a check over requests; it answers what is wrong, or undefined if it has nothing to say. */
async function over(what, requests, check) {
  const wrong = [];
  let checked = 0;
  for (const request of requests) {
    const found = await check(request);
    if (found === undefined) continue;
    checked += 1;
    wrong.push(...found.map((line) => `${request.from}: ${request.method} ${request.path}: ${line}`));
  }
  tell(checked > 0 && wrong.length === 0, `${what}: ${checked} of ${requests.length} checked, ${wrong.length} wrong`, wrong);
}

/** Every broken request has to be refused by a check, else that check proves nothing. */
async function bites(what, check, broken) {
  const passed = [];
  for (const [how, request] of broken) {
    if (!((await check(request))?.length > 0)) passed.push(how);
  }
  tell(passed.length === 0, `${what}: ${broken.length} broken requests, ${passed.length} not refused`, passed);
}

/** A copy of the first request that fits, changed. */
function changed(requests, method, path, change) {
  const copy = structuredClone(requests.find((one) => one.method === method && path.test(one.path)));
  change(copy);
  return copy;
}

async function checkJira() {
  const document = new Document(JSON.parse(read('jira.json')));
  const texts = jira.texts(JSON.parse(read('adf.json')));
  const byDocument = (request) => document.check(request);
  const byTexts = ({ body }) => (JSON.stringify(body ?? null).includes('"doc"') ? texts(body) : undefined);
  const told = stories(root, 'jira');
  const played = wire ? exchanges(wire, 'jira') : undefined;
  for (const [name, requests] of [['stories', told], ['conformance kit', played]]) {
    if (!requests) {
      console.log(`not checked: the ${name} of jira (cargo test --test conformance leaves it in target/tmp/wire)`);
      continue;
    }
    await over(`jira, ${name}, by the published OpenAPI document`, requests, byDocument);
    await over(`jira, ${name}, by a client of the present document`, requests, jira.wrongRequest);
    await over(`jira, ${name}, texts by the schema of the document format`, requests, byTexts);
    await over(`jira, ${name}, answers by the schemas of the client`, requests, jira.wrongAnswer);
  }
  const create = (change) => changed(told, 'POST', /\/issue$/, ({ body }) => change(body));
  const transition = (change) => changed(told, 'POST', /\/transitions$/, ({ body }) => change(body));
  const comment = (change) => changed(told, 'POST', /\/comment$/, ({ body }) => change(body));
  const link = (change) => changed(told, 'POST', /\/issueLink$/, ({ body }) => change(body));
  const search = (change) => changed(told, 'GET', /\/search\/jql$/, change);
  const shared = [
    ['a member misspelt', create((body) => { body.fieldz = body.fields; delete body.fields; })],
    ['fields that are text', create((body) => { body.fields = 'x'; })],
    ['a property without its name', create((body) => { body.properties = [{ name: 'correlated', value: 1 }]; })],
    ['the id of a transition as an object', transition((body) => { body.transition.id = { id: '5' }; })],
    ['the id of a transition as a number', transition((body) => { body.transition.id = 5; })],
    ['a comment with a member misspelt', comment((body) => { body.bodi = body.body; delete body.body; })],
    ['a link without its other end', link((body) => { delete body.outwardIssue; })],
    ['a link with a member misspelt', link((body) => { body.type = { nam: 'Relates' }; })],
    ['a method that is not there', changed(told, 'PUT', /\/issue\/\d+$/, (one) => { one.method = 'PATCH'; })],
    ['a parameter that is not there', changed(told, 'GET', /\/issue\/\d+$/, ({ query }) => { query.expandd = 'x'; })],
  ];
  await bites('jira, by the document', byDocument, shared);
  await bites('jira, by the client', jira.wrongRequest, [...shared,
    ['a comment as text', comment((body) => { body.body = 'text'; })],
    ['a search for a misspelt parameter', search(({ query }) => { query.jqls = query.jql; delete query.jql; })],
    ['a search for a page of words', search(({ query }) => { query.maxResults = 'abc'; })],
    ['the search that was taken away', search((one) => { one.path = '/rest/api/3/search'; })],
  ]);
  await bites('jira, texts', byTexts, [
    ['a node of a type that is not there', create(({ fields }) => { fields.description.content[0].type = 'para'; })],
    ['a text without text', create(({ fields }) => { fields.description.content[0].content[0].text = ''; })],
    ['a text outside a paragraph', create(({ fields }) => {
      fields.description.content = fields.description.content[0].content;
    })],
    ['a break with a member misspelt', comment(({ body }) => {
      body.content[0].content.push({ type: 'hardBreak', txt: 'x' });
    })],
  ]);
  const made = (change) => changed(told, 'POST', /\/issue$/, (one) => change(one.answer.body));
  await bites('jira, answers', jira.wrongAnswer, [
    ['an issue made without its key', made((body) => { delete body.key; })],
    ['an issue made with a member that is not there', made((body) => { body.number = 1; })],
  ]);
}

async function checkPagerDuty() {
  const check = events(read('events.d.ts'));
  const told = stories(root, 'pagerduty');
  await over('pagerduty, stories, by the types of its own client', told, check);
  const played = wire && exchanges(wire, 'pagerduty');
  if (played) await over('pagerduty, conformance kit, by the types of its own client', played, check);
  const trigger = (change) => changed(told, 'POST', /enqueue$/, ({ body }) => change(body));
  await bites('pagerduty', check, [
    ['a severity that is not there', trigger(({ payload }) => { payload.severity = 'fatal'; })],
    ['an action that is not there', trigger((body) => { body.event_action = 'open'; })],
    ['a member misspelt', trigger((body) => { body.dedupkey = 'x'; })],
    ['a summary that is missing', trigger(({ payload }) => { delete payload.summary; })],
    ['details that are text', trigger(({ payload }) => { payload.custom_details = 'x'; })],
  ]);
}

async function checkWebhook() {
  const document = new Document(JSON.parse(read('asana.json')), '/api/1.0');
  const asked = sample(root);
  const check = (request) => document.check(request) ?? ['no such path'];
  await over('webhook, config/webhook.toml, by the OpenAPI document of Asana', asked, check);
  const create = (change) => changed(asked, 'POST', /\/tasks$/, ({ body }) => change(body.data));
  await bites('webhook', check, [
    ['a member misspelt', create((data) => { data.nam = 'x'; })],
    ['notes that are a number', create((data) => { data.notes = 1; })],
    ['a place that is not there', changed(asked, 'POST', /\/tasks$/, (one) => { one.path = '/api/1.0/task'; })],
  ]);
}

await checkJira();
await checkPagerDuty();
await checkWebhook();
console.log('not checked: jira_dc (no document of Data Center in a package), the REST API of PagerDuty (its document is '
  + 'in no package and has no licence), servicenow, bmc, cherwell, freshservice, zammad, itop (none is published)');
process.exit(failed ? 1 : 0);
