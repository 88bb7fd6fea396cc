// Ask a Hangtag server over HTTP, from Node.js 18 or newer or from a page: no package is needed.
const server = "http://127.0.0.1:8080/hangtag.v1.TagService";

async function call(method, request, timeoutMs) {
  const reply = await fetch(`${server}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", "connect-timeout-ms": String(timeoutMs) },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(timeoutMs + 100),
  });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return answer;
}

const names = (tags = []) => tags.map((tag) => `${tag.facet}:${tag.value}`);

const product = await call("GetProductTags", { productId: "demo-0020" }, 500);
console.log(product.freshness, names(product.tags));
const answer = await call("SuggestTags", { text: "do you have black boots for men?" }, 1000);
console.log(names(answer.tags), names(answer.review));
