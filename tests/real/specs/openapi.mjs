// Requests against an OpenAPI 3.0 document. Stricter than the document: a name that it does not list is refused
// wherever it lists names, and so is one that it calls read-only.
import Ajv from 'ajv';

const REF = '#/components/schemas/';

export class Document {
  constructor(document, prefix = '') {
    this.document = document;
    this.prefix = prefix;
    this.ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false, unicodeRegExp: false });
    this.compiled = new Map();
    const paths = Object.keys(document.paths).map((template) => ({
      template,
      pattern: new RegExp(`^${template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')}$`),
      open: (template.match(/\{/g) ?? []).length,
    }));
    this.paths = paths.sort((a, b) => a.open - b.open);
  }

  /** What is wrong with a request, one line each; undefined if the document does not know its path. */
  check({ method, path, query, body }) {
    const found = this.paths.find(({ pattern }) => pattern.test(path.slice(this.prefix.length)));
    if (!found) return undefined;
    const item = this.document.paths[found.template];
    const operation = item[method.toLowerCase()];
    if (!operation) return [`${found.template} has no ${method}`];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])]
      .map((one) => (one.$ref ? this.#target(one.$ref) : one))
      .filter((one) => one.in === 'query');
    const wrong = Object.entries(query).flatMap(([name, value]) => {
      const one = parameters.find((parameter) => parameter.name === name);
      return one ? this.#parameter(one, value) : [`${found.template} has no parameter ${name}`];
    });
    const schema = operation.requestBody?.content?.['application/json']?.schema;
    if (!schema) return body === undefined ? wrong : [...wrong, `${method} ${found.template} has no body`];
    if (body === undefined) return [...wrong, 'no body'];
    return [...wrong, ...this.#errors(schema, body)];
  }

  #parameter({ name, schema }, value) {
    const whole = schema?.type === 'integer' && !/^\d+$/.test(value);
    const other = schema?.enum && !schema.enum.includes(value);
    return whole || other ? [`parameter ${name} is ${value}`] : [];
  }

  #errors(schema, body) {
    const name = JSON.stringify(schema);
    if (!this.compiled.has(name)) {
      const definitions = {};
      const root = this.#closed(schema, definitions);
      this.compiled.set(name, this.ajv.compile({ ...root, definitions }));
    }
    const validate = this.compiled.get(name);
    return validate(body) ? [] : validate.errors.map((error) =>
      `${error.instancePath || 'body'} ${error.message} ${JSON.stringify(error.params)}`);
  }

  #target(ref) {
    return ref.split('/').slice(1).reduce((at, word) => at[word], this.document);
  }

  /** References followed and `allOf` merged, one level deep. */
  #flat(schema) {
    if (schema.$ref) return this.#flat(this.#target(schema.$ref));
    if (!schema.allOf) return schema;
    const { allOf, ...rest } = schema;
    return [...allOf.map((part) => this.#flat(part)), rest].reduce((sum, part) => ({
      ...sum,
      ...part,
      properties: { ...sum.properties, ...part.properties },
      required: [...(sum.required ?? []), ...(part.required ?? [])],
    }), {});
  }

  /** As JSON Schema that refuses unknown and read-only names. Named schemas become definitions, for they are round. */
  #closed(schema, definitions) {
    const only = schema.allOf?.length === 1 && schema.allOf[0].$ref;
    const ref = schema.$ref ?? (only || undefined);
    if (ref?.startsWith(REF)) {
      const name = ref.slice(REF.length);
      if (!(name in definitions)) {
        definitions[name] = true;
        definitions[name] = this.#closed(this.#flat({ $ref: ref }), definitions);
      }
      return { $ref: `#/definitions/${name}` };
    }
    const { properties, items, additionalProperties, oneOf, anyOf, type, nullable, required, enum: values, pattern,
      minLength, maxLength } = this.#flat(schema);
    const out = { enum: values, pattern, minLength, maxLength };
    if (type) out.type = nullable ? [type, 'null'] : type;
    if (nullable && values) out.enum = [...values, null];
    if (required?.length) out.required = required.filter((name) => !properties?.[name]?.readOnly);
    if (items) out.items = this.#closed(items, definitions);
    if (oneOf) out.anyOf = oneOf.map((one) => this.#closed(one, definitions));
    if (anyOf) out.anyOf = anyOf.map((one) => this.#closed(one, definitions));
    if (properties && Object.keys(properties).length > 0) {
      out.properties = {};
      for (const [name, one] of Object.entries(properties)) {
        out.properties[name] = one.readOnly ? false : this.#closed(one, definitions);
      }
      out.additionalProperties = false;
    } else if (additionalProperties && additionalProperties !== true) {
      out.additionalProperties = this.#closed(additionalProperties, definitions);
    }
    return Object.fromEntries(Object.entries(out).filter(([, value]) => value !== undefined));
  }
}
