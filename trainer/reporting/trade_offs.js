// What another promise would mean: a table and a plot for each facet follow the slider. All figures come from the data.
{
  const facets = JSON.parse(document.getElementById("trade-off-data").textContent);
  const slider = document.getElementById("promise");
  const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [300, 220, 42, 34, 10, 10];
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const rounded = (share) => `${Number((100 * share).toFixed(2))} %`;
  const right = (step) => (step.tags - step.wrong) / step.tags;
  const svg = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const cut = ({ lowest, highest }) => {
    if (lowest === null) return "never";
    const [from, to] = [lowest.toFixed(2), highest.toFixed(2)];
    return from === to ? from : `${from} to ${to}`;
  };
  const draw = (figure, steps, chosen) => {
    const place = figure.querySelector("svg");
    place.replaceChildren();
    const served = steps.filter((step) => step.tags);
    const lowest = Math.min(0.95, ...served.flatMap((step) => [right(step), step.bound]), ...steps.map((step) => step.promise));
    const from = Math.floor(20 * lowest) / 20;
    const x = (share) => LEFT + share * (WIDTH - LEFT - RIGHT);
    const y = (share) => HEIGHT - BOTTOM - ((share - from) / (1 - from)) * (HEIGHT - BOTTOM - TOP);
    for (let up = 100; up >= 100 * from - 0.1; up -= from < 0.75 ? 10 : 5) {
      place.append(
        svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(up / 100), y2: y(up / 100), class: "grid" }),
        svg("text", { x: LEFT - 5, y: y(up / 100) + 4, "text-anchor": "end" }, up),
      );
    }
    for (const across of [0, 25, 50, 75, 100]) {
      place.append(svg("text", { x: x(across / 100), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, across));
    }
    place.append(
      svg("text", { x: x(0.5), y: HEIGHT - 4, "text-anchor": "middle" }, "products with an AUTO tag, %"),
      svg("text", { x: 10, y: y((1 + from) / 2), "text-anchor": "middle", transform: `rotate(-90 10 ${y((1 + from) / 2)})` }, "right, %"),
      svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(steps[chosen].promise), y2: y(steps[chosen].promise), class: "promised" }),
    );
    const line = (value, name) => svg("polyline", { points: served.map((step) => `${x(step.covered / step.products)},${y(value(step))}`).join(" "), class: name });
    place.append(line((step) => step.bound, "bound"), line(right, "right"));
    // The chosen one last, so that it is above others at its place.
    for (const step of [...served].sort((a, b) => (a === steps[chosen]) - (b === steps[chosen]))) {
      const at = steps.indexOf(step);
      const dot = svg("circle", { cx: x(step.covered / step.products), cy: y(right(step)), r: at === chosen ? 6 : 3.5, class: at === chosen ? "chosen" : "dot" });
      dot.append(svg("title", {}, `promise ${rounded(step.promise)}: ${percent(step.covered / step.products)} of the products, ${percent(right(step))} right`));
      dot.addEventListener("click", () => { slider.value = at; update(); });
      place.append(dot);
    }
    const note = steps[chosen].tags ? "" : served.length ? "no AUTO tags at this promise" : "no AUTO tags at any promise";
    if (note) place.append(svg("text", { x: x(0.5), y: y((1 + from) / 2), "text-anchor": "middle", class: "note" }, note));
  };
  const update = () => {
    const chosen = Number(slider.value);
    for (const [name, steps] of Object.entries(facets)) {
      const step = steps[chosen];
      const cells = [cut(step), step.auto.toLocaleString("en"), percent(step.covered / step.products)];
      cells.push(...(step.tags ? [percent(right(step)), percent(step.bound)] : ["–", "–"]));
      cells.push(((1000 * step.wrong) / step.products).toFixed(1));
      const row = document.querySelector(`#trade-offs tr[data-facet="${CSS.escape(name)}"]`);
      cells.forEach((cell, at) => (row.cells[at + 1].textContent = cell));
      draw(document.querySelector(`#trade-off-plots figure[data-facet="${CSS.escape(name)}"]`), steps, chosen);
    }
    const { promise } = Object.values(facets)[0][chosen];
    document.getElementById("promised").textContent = rounded(promise);
    document.getElementById("chosen-promise").textContent = promise;
    slider.setAttribute("aria-valuetext", rounded(promise));
  };
  slider.addEventListener("input", update);
  update();
}
