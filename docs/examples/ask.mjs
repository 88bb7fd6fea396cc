import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const names = { keepCase: true, longs: String, enums: String, includeDirs: ["protos"] };
const { hangtag } = grpc.loadPackageDefinition(loadSync("hangtag/v1/tags.proto", names));
const service = new hangtag.v1.TagService("127.0.0.1:50051", grpc.credentials.createInsecure());

const soon = { deadline: Date.now() + 500 };
service.GetProductTags({ product_id: "demo-0020" }, soon, (error, product) => {
  if (error) throw error;
  console.log(product.freshness, product.tags.map((tag) => `${tag.facet}:${tag.value}`));
  service.close();
});
