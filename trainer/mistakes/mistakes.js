// The list of cases: filtered in the page, some at a time.
{
  const { products, cases } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const more = document.getElementById("more");
  const PAGE = 50;
  let selected = cases;
  let pair = null;
  const productOf = (each) => products[each.product];
  const values = (of) => [...new Set(cases.map(of))].filter(Boolean).sort();
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const fill = (name, found) => {
    const select = form.elements[name];
    select.append(new Option("any", ""), ...found.map((value) => new Option(value, value)));
    select.parentElement.hidden = found.length < 2;
  };
  fill("facet", values((each) => each.facet));
  fill("kind", values((each) => each.kind));
  fill("band", values((each) => each.band));
  fill("shop", values((each) => productOf(each).shop));
  fill("language", values((each) => productOf(each).language));
  const tags = [...new Set(cases.flatMap((each) => [...each.labels, ...each.predicted]))].sort();
  document.getElementById("tags").append(...tags.map((tag) => new Option(tag)));

  const holds = (each) => {
    const product = productOf(each);
    const wanted = (name) => form.elements[name].value;
    const same = (name, value) => !wanted(name) || wanted(name) === value;
    const words = wanted("words").trim().toLowerCase();
    const tag = wanted("tag").trim();
    const text = `${product.title ?? ""} ${product.category ?? ""} ${product.id}`.toLowerCase();
    return (
      same("facet", each.facet) && same("kind", each.kind) && same("band", each.band) &&
      same("shop", product.shop) && same("language", product.language) &&
      (!tag || each.labels.includes(tag) || each.predicted.includes(tag)) &&
      words.split(/\s+/).every((word) => text.includes(word)) &&
      (!pair || (each.labels.includes(pair.label) && each.predicted.includes(pair.tag)))
    );
  };
  const tagList = (title, found, className) => {
    const part = element("p", undefined, "tags");
    part.append(element("span", title, "soft"), ...found.map((value) => element("span", value, `tag ${className(value)}`)));
    if (!found.length) part.append(element("span", "none of them", "tag"));
    return part;
  };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const shown = (each) => {
    const product = productOf(each);
    const made = element("article", undefined, `case ${each.kind}`);
    made.append(element("h3", product.title ?? `product ${product.id}`));
    if (product.category) made.append(element("p", product.category, "soft"));
    if (product.description) made.append(element("p", product.description, "soft"));
    made.append(
      tagList(`${each.facet}, predicted (${each.band}, ${percent(each.confidence)}):`, each.predicted, (value) => (each.labels.includes(value) ? "right" : "wrong")),
      tagList("labelled:", each.labels, (value) => (each.predicted.includes(value) ? "right" : "")),
    );
    const details = element("details");
    details.append(element("summary", "candidates and nearest training products"));
    const candidates = element("ul");
    candidates.append(...each.candidates.map(([value, confidence, band]) => element("li", `${value}: ${percent(confidence)}, ${band}`)));
    details.append(candidates);
    if (each.nearest.length) {
      const nearest = element("ul");
      nearest.append(...each.nearest.map(([id, title, labels, similarity]) =>
        element("li", `${title || id}: labelled ${labels.join(", ") || "none of them"} (similarity ${similarity})`)));
      details.append(nearest);
    }
    made.append(details);
    const about = [each.kind, `product ${product.id}`, product.shop, product.language, product.source].filter(Boolean);
    made.append(element("p", about.join(" · "), "soft"));
    return made;
  };
  const extend = () => {
    const start = list.childElementCount;
    list.append(...selected.slice(start, start + PAGE).map(shown));
    more.hidden = list.childElementCount >= selected.length;
  };
  const update = () => {
    selected = cases.filter(holds);
    const only = pair ? `, labelled ${pair.label} and predicted ${pair.tag}` : "";
    document.getElementById("count").textContent = `${selected.length.toLocaleString("en")} of ${cases.length.toLocaleString("en")} cases${only}`;
    list.replaceChildren();
    extend();
  };
  form.addEventListener("input", () => { pair = null; update(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => { pair = null; setTimeout(update); });
  more.addEventListener("click", extend);
  for (const button of document.querySelectorAll("button.pair")) {
    button.addEventListener("click", () => {
      form.reset();
      setTimeout(() => {
        pair = button.dataset;
        form.elements.facet.value = pair.facet;
        update();
        document.getElementById("cases").scrollIntoView();
      });
    });
  }
  document.getElementById("download").addEventListener("click", () => {
    const lines = selected.map((each) => JSON.stringify({ ...productOf(each), ...each, product: undefined }));
    const link = element("a");
    link.href = URL.createObjectURL(new Blob(lines.map((line) => `${line}\n`), { type: "application/jsonl" }));
    link.download = "selection.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  update();
}
