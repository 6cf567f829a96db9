// Runs a Node.js handler on the Lambda Runtime API, with nothing but what Node.js brings.
//
// What a handler can see follows https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html:
// promises and callbacks, the context object, the shape of errors, the format of log lines.
import { existsSync, writeSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const prefix = "/2018-06-01/runtime/";
let requestId;

// A connection for each request: one that is kept would keep a handler's event loop busy.
function call(method, target, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host, port, method, path: prefix + target, headers, agent: false };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

function reportOf(error, type) {
  // An error of another realm is no instance of our Error.
  const isError = error instanceof Error || (error?.message !== undefined && error?.name);
  const report = {
    errorType: type ?? (isError ? error.name : typeof error),
    errorMessage: isError ? error.message : String(error),
    trace: isError ? (error.stack || "").split("\n") : [],
  };
  write("ERROR", [type ? "Uncaught Exception" : "Invoke Error", JSON.stringify(report)], "\t");
  return report;
}

function post(target, report) {
  return call("POST", target, JSON.stringify(report), {
    "Content-Type": "application/json",
    "Lambda-Runtime-Function-Error-Type": report.errorType,
  });
}

// A pipe that is full says so; what the emulator has not read yet is waited for.
function writeAll(text) {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      if (error.code !== "EAGAIN") return;
    }
  }
}

function write(level, values, separator) {
  const message = separator ? values.join(separator) : format(...values);
  writeAll(`${new Date().toISOString()}\t${requestId}\t${level}\t${message}\n`);
}

function setUpConsole() {
  const levels = { log: "INFO", info: "INFO", debug: "DEBUG", warn: "WARN", error: "ERROR" };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...values) => write(level, values);
  }
}

class CannotStart extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

async function load(handler) {
  const folder = path.dirname(handler);
  const [file, ...names] = path.basename(handler).split(".");
  if (!file || names.length === 0) {
    throw new CannotStart("Runtime.MalformedHandlerName", "Bad handler");
  }
  const name = path.join(folder, file);
  const stem = path.join(process.env.LAMBDA_TASK_ROOT, name);
  const found = [".js", ".mjs", ".cjs", ""].map((extension) => stem + extension).find(existsSync);
  if (!found) {
    throw new CannotStart("Runtime.ImportModuleError", `Error: Cannot find module '${name}'`);
  }
  let module;
  try {
    module = await import(pathToFileURL(found));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new CannotStart("Runtime.UserCodeSyntaxError", String(error));
    }
    if (["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new CannotStart("Runtime.ImportModuleError", String(error));
    }
    throw error;
  }
  const within = (value) => names.reduce((outer, inner) => outer?.[inner], value);
  const loaded = within(module) ?? within(module.default);
  if (typeof loaded !== "function") {
    const why = loaded === undefined ? "undefined or not exported" : "not a function";
    throw new CannotStart("Runtime.HandlerNotFound", `${name}.${names.join(".")} is ${why}`);
  }
  return loaded;
}

function contextOf(headers, settle) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  const done = (error, result) => (error ? settle.reject(error) : settle.resolve(result));
  return {
    awsRequestId: requestId,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: client ? JSON.parse(client) : undefined,
    identity: undefined,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    done,
    succeed: (result) => done(null, result),
    fail: (error) => done(error ?? new Error("fail")),
  };
}

// A handler answers by its promise, by its callback, or not at all: then its result is null.
function run(handler, headers, event) {
  return new Promise((resolve, reject) => {
    const nothingLeft = () => resolve(null);
    process.once("beforeExit", nothingLeft);
    const settled = (settle) => (value) => {
      process.removeListener("beforeExit", nothingLeft);
      settle(value);
    };
    const settle = { resolve: settled(resolve), reject: settled(reject) };
    const context = contextOf(headers, settle);
    try {
      const result = handler(event, context, context.done);
      if (typeof result?.then === "function") result.then(settle.resolve, settle.reject);
    } catch (error) {
      settle.reject(error);
    }
  });
}

function textOf(result) {
  try {
    return JSON.stringify(result ?? null) ?? "null";
  } catch {
    const error = new Error("Unable to stringify response body");
    error.name = "Runtime.MarshalError";
    throw error;
  }
}

async function handle(handler, { headers, body }) {
  requestId = headers["lambda-runtime-aws-request-id"];
  process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  const target = `invocation/${requestId}/`;
  let result;
  try {
    result = textOf(await run(handler, headers, JSON.parse(body)));
  } catch (error) {
    return post(`${target}error`, reportOf(error));
  }
  return call("POST", `${target}response`, result, { "Content-Type": "application/json" });
}

// What nobody caught ends the process, as in AWS, once it is reported.
function setUpLastResort() {
  const end = async (error, type) => {
    const report = reportOf(error instanceof Error ? error : new Error(String(error)), type);
    const target = requestId ? `invocation/${requestId}/error` : "init/error";
    await post(target, report).catch(() => {});
    process.exit(129);
  };
  process.on("uncaughtException", (error) => end(error, error?.name));
  process.on("unhandledRejection", (error) => end(error, "Runtime.UnhandledPromiseRejection"));
}

setUpConsole();
setUpLastResort();
let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  await post("init/error", reportOf(error, error?.name));
  process.exit(1);
}
try {
  for (;;) await handle(handler, await call("GET", "invocation/next"));
} catch {
  // The emulator is gone.
  process.exit(1);
}
