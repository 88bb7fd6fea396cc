// Ask Hangtag servers over gRPC with TLS and a token, as in production: deadlines, retries, all servers behind a name.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const { HANGTAG_SERVER = "127.0.0.1:50051", HANGTAG_TOKEN, HANGTAG_CA_FILE } = process.env;

const config = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "hangtag.v1.TagService" }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.05s",
        maxBackoff: "1s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};
const token = grpc.credentials.createFromMetadataGenerator((_, done) => {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${HANGTAG_TOKEN}`);
  done(null, metadata);
});
const credentials = grpc.credentials.combineChannelCredentials(
  grpc.credentials.createSsl(readFileSync(HANGTAG_CA_FILE)),
  token,
);
const names = { keepCase: true, longs: String, enums: String, includeDirs: ["protos"] };
const { hangtag } = grpc.loadPackageDefinition(loadSync("hangtag/v1/tags.proto", names));
const service = new hangtag.v1.TagService(`dns:///${HANGTAG_SERVER}`, credentials, {
  "grpc.service_config": JSON.stringify(config),
});

const soon = () => ({ deadline: Date.now() + 500 });
service.GetProductTags({ product_id: "demo-0020" }, soon(), (error, product) => {
  if (error) throw error;
  console.log(product.freshness, product.tags.map((tag) => `${tag.facet}:${tag.value}`));
  service.GetProductTags({ product_id: "never sold" }, soon(), (unknown) => {
    console.log(grpc.status[unknown.code], unknown.details);
    service.close();
  });
});
