"""`TagService` over HTTP: the Connect protocol (JSON or protobuf) and gRPC-Web, for browsers, curl and proxies."""
