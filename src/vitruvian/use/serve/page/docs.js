"use strict";
// The OpenAPI description of the service that sent this page, for people.

const made = (name, properties = {}, ...inside) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
};

const EXAMPLES = {
  "/predict": (at) => `curl --data-binary @photo.jpg -H 'content-type: image/jpeg' ${at}/predict\ncurl -F photo=@photo.jpg -F 'boxes=[[40, 20, 180, 420]]' ${at}/predict`,
  "/predict/batch": (at) => `curl -F photos=@one.jpg -F photos=@two.png ${at}/predict/batch`,
};

/** A schema in a few words, with the names of the shapes it is made of. */
function words(schema) {
  if (!schema || !Object.keys(schema).length) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(words).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (schema.const) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${words(schema.items)}`;
  if (schema.format === "binary") return "file";
  if (schema.additionalProperties) return `${words(schema.additionalProperties)} by name`;
  return schema.type || "";
}

function rows(properties, required = []) {
  return made("table", {}, made("tbody", {}, ...Object.entries(properties).map(([name, schema]) => made("tr", {},
    made("td", { textContent: name }),
    made("td", { textContent: words(schema) + (required.includes(name) ? "" : schema.default === undefined && required.length ? ", if any" : "") }),
    made("td", { textContent: schema.description || "" })))));
}

function operation(path, method, of) {
  const parts = [
    made("h2", {}, made("span", { className: "method", textContent: method.toUpperCase() }), path),
    made("p", { textContent: of.description || of.summary || "" }),
  ];
  const example = EXAMPLES[path]?.(location.href.replace(/\/docs.*$/, ""));
  if (example) parts.push(made("pre", { textContent: example, tabIndex: 0 }));
  const form = of.requestBody?.content["multipart/form-data"]?.schema;
  if (form) {
    parts.push(made("h3", { textContent: "Fields of the form; all but the files may stand in the address too" }), rows(form.properties, form.required));
    const raw = Object.keys(of.requestBody.content).filter((kind) => !kind.startsWith("multipart"));
    if (raw.length) parts.push(made("p", { className: "quiet", textContent: `Or the photograph alone as ${raw.join(", ")}.` }));
  }
  parts.push(made("h3", { textContent: "Answers" }), made("table", {}, made("tbody", {}, ...Object.entries(of.responses).filter(([status]) => !(status === "422" && of.responses[status].description === "Validation Error")).map(([status, answer]) => made("tr", {},
    made("td", { textContent: status }),
    made("td", { textContent: Object.entries(answer.content || {}).map(([, body]) => words(body.schema)).join(", ") }),
    made("td", { textContent: answer.description }))))));
  return made("section", {}, ...parts);
}

async function read() {
  const main = document.getElementById("paths");
  try {
    const { info, paths, components } = await (await fetch("openapi.json")).json();
    document.getElementById("what").textContent = `API, version ${info.version}`;
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, of]) => operation(path, method, of)));
    const shapes = Object.entries(components.schemas).filter(([, schema]) => schema.properties && !/ValidationError$/.test(schema.title));
    main.replaceChildren(...operations, ...shapes.map(([name, schema]) => made("section", { id: name },
      made("h2", { textContent: name }), made("p", { textContent: schema.description || "" }), rows(schema.properties, schema.required))));
  } catch {
    main.replaceChildren(made("p", { textContent: "The service does not answer: start it, then load this page again." }));
  }
}

read();
