// The conversations of rest-read and rest-write once more, over HTTP/2: the same requests, the same answers.
process.env.LINTEL_TEST_HTTP = "2";
await import("./rest-read.test.mjs");
await import("./rest-write.test.mjs");
