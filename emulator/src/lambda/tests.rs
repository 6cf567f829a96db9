//! Functions that really run: closures, this machine's Python, Node.js and shell, and an endpoint.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::code::tests::zipped;
use super::functions::Functions;
use super::host::{FunctionHost, Surroundings};
use super::invocation::{Attempt, Invocation, InvokeAnswer};
use super::process::{Launch, Pool};
use super::{Function, ProcessFunction};
use crate::errors::{ApiError, ErrorCode};
use crate::names::Scope;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const ROLE: &str = "arn:aws:iam::123456789012:role/lambda";

struct World {
    host: FunctionHost,
    functions: Functions,
    lines: Arc<std::sync::Mutex<Vec<String>>>,
}

fn world() -> World {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let log = move |_: &Scope, name: &str, line: &str| {
        written.lock().unwrap().push(format!("{name}: {line}"));
    };
    let host = FunctionHost::new(1, Box::new(log));
    let functions = Functions::new(Scope::new("123456789012", "eu-west-1"), &host);
    World { host, functions, lines }
}

/// A folder with one file.
fn folder(name: &str, content: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    folder
}

fn python(handler: &str) -> (TempDir, ProcessFunction) {
    let folder = folder("app.py", handler);
    let process = ProcessFunction::new(folder.path(), "python3.11", "app.handler").unwrap();
    (folder, process)
}

fn node(file: &str, handler: &str) -> (TempDir, ProcessFunction) {
    let folder = folder(file, handler);
    let process = ProcessFunction::new(folder.path(), "nodejs20.x", "index.handler").unwrap();
    (folder, process)
}

fn bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

impl World {
    fn register(&self, function: impl Into<Function>) {
        self.functions.register("f", function, NOW).unwrap();
    }

    async fn invoke(&self, event: Value) -> InvokeAnswer {
        self.functions.invoke("f", bytes(&event)).await.unwrap()
    }

    /// Invokes and expects a result.
    async fn result(&self, event: Value) -> Value {
        let answer = self.invoke(event).await;
        let payload = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer.function_error, None, "{payload} {}", answer.log_tail);
        payload
    }

    /// Invokes and expects a function error.
    async fn error(&self, event: Value) -> Value {
        let answer = self.invoke(event).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.function_error.as_deref(), Some("Unhandled"), "{answer:?}");
        serde_json::from_slice(&answer.payload).unwrap()
    }
}

#[tokio::test]
async fn a_closure_gets_the_event_and_returns_the_result() {
    let world = world();
    world.register(Function::new(|event| Ok(json!({ "twice": [event.clone(), event] }))));
    assert_eq!(world.result(json!({ "a": 1 })).await, json!({ "twice": [{ "a": 1 }, { "a": 1 }] }));
    let answer = world.functions.invoke("f", Bytes::new()).await.unwrap();
    assert_eq!(answer.payload, r#"{"twice":[{},{}]}"#);
    assert_eq!(answer.executed_version, Some("$LATEST"));
}

/// Where devices try again each millisecond, all other tasks have too much to do to look after it.
#[tokio::test]
async fn a_closure_needs_nobody_to_look_after_it() {
    let world = world();
    let (says, heard) = std::sync::mpsc::channel();
    let says = std::sync::Mutex::new(says);
    world.register(Function::new(move |_event| {
        says.lock().unwrap().send(()).unwrap();
        Ok(json!(null))
    }));
    // More than run at once; each is looked at, and no other task gets to run meanwhile.
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    let invoke = || tokio::task::unconstrained(world.functions.invoke("f", Bytes::new()));
    let mut invocations: Vec<_> = (0..150).map(|_| Box::pin(invoke())).collect();
    let mut said = 0;
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while said < 150 {
        assert!(tokio::time::Instant::now() < patience, "{said} have run");
        invocations.retain_mut(|invocation| invocation.as_mut().poll(&mut context).is_pending());
        said += heard.try_iter().count();
    }
}

#[tokio::test]
async fn an_error_and_a_panic_of_a_closure_are_function_errors() {
    let world = world();
    world.register(Function::new(|event| match event["how"].as_str() {
        Some("panic") => panic!("on purpose"),
        _ => Err("no thing name")?,
    }));
    let error = world.error(json!({})).await;
    assert_eq!(error, json!({ "errorType": "Error", "errorMessage": "no thing name" }));
    let error = world.error(json!({ "how": "panic" })).await;
    assert_eq!(error, json!({ "errorType": "Panic", "errorMessage": "on purpose" }));
}

#[tokio::test]
async fn l18_an_event_that_fails_is_run_three_times() {
    for (fails, attempts, succeeds) in [(0, 1, true), (2, 3, true), (9, 3, false)] {
        let world = world();
        let runs = AtomicUsize::new(0);
        world.register(Function::new(move |_| {
            if runs.fetch_add(1, Ordering::SeqCst) < fails { Err("not yet")? } else { Ok(json!(1)) }
        }));
        let event = world.functions.queue_event("f", bytes(&json!({}))).unwrap();
        assert_eq!(event.accepted().status, 202);
        let report = event.run().await;
        assert_eq!((report.attempts, report.succeeded()), (attempts, succeeds), "{report:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused_as_aws_refuses_it() {
    let world = world();
    world.register(Function::new(Ok));
    let invoke = async |name: &'static str, payload: Bytes| {
        world.functions.invoke(name, payload).await.unwrap_err()
    };
    let missing = invoke("g", Bytes::new()).await;
    let text = "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:g";
    assert_eq!(missing, ApiError::not_found(text));
    let text = invoke("f", Bytes::from_static(b"{\"a\":")).await;
    assert_eq!(text.code(), ErrorCode::InvalidRequestContentException);
    assert!(text.message().starts_with("Could not parse request body into json: "), "{text}");
    let large = Bytes::from(vec![b' '; 6 * 1024 * 1024 + 1]);
    let refused = invoke("f", large).await;
    assert_eq!(refused.code(), ErrorCode::RequestTooLargeException);
    let text = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    assert_eq!(refused.message(), text);
    let event = world.functions.queue_event("f", Bytes::from(vec![b' '; 1024 * 1024 + 1]));
    assert_eq!(event.unwrap_err().code(), ErrorCode::RequestTooLargeException);
    assert_eq!(world.functions.dry_run("f").unwrap().status, 204);
    assert_eq!(
        world.functions.dry_run("g").unwrap_err().code(),
        ErrorCode::ResourceNotFoundException
    );
}

#[tokio::test]
async fn l16_python_reads_the_event_and_the_context() {
    let world = world();
    let (_folder, process) = python(
        r#"
import json, os
def handler(event, context):
    print("hello from the handler")
    remaining = context.get_remaining_time_in_millis()
    return {
        "event": event, "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "request": context.aws_request_id,
        "in time": 0 < remaining <= 3000, "pid": os.getpid(), "äö": "ü",
        "client": context.client_context.custom if context.client_context else None,
    }
"#,
    );
    world.register(process);
    let context = BASE64_STANDARD.encode(r#"{"custom": {"a": 1}}"#);
    let payload = bytes(&json!({ "ä": [1, null] }));
    let invocation = Invocation { payload, client_context: Some(context) };
    let answer = world.functions.invoke("f", invocation).await.unwrap();
    let result: Value = serde_json::from_slice(&answer.payload).unwrap();
    let pid = result["pid"].clone();
    let expected = json!({
        "event": { "ä": [1, null] }, "name": "f", "version": "$LATEST",
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:f", "request": answer.request_id,
        "in time": true, "pid": pid, "äö": "ü", "client": { "a": 1 },
    });
    assert_eq!(result, expected);
    let id = &answer.request_id;
    let start = format!(
        "START RequestId: {id} Version: $LATEST\nhello from the handler\nEND RequestId: {id}\nREPORT"
    );
    assert!(answer.log_tail.starts_with(&start), "{}", answer.log_tail);
    assert!(world.lines.lock().unwrap().contains(&"f: hello from the handler".to_owned()));
    let warm = world.result(json!({})).await;
    assert_eq!(warm["pid"], pid, "the process stays warm");
}

#[tokio::test]
async fn l16_an_exception_in_python_has_aws_shape() {
    let world = world();
    let (_folder, process) = python(
        r#"
import decimal, os, sys
def handler(event, context):
    if event == "exit": sys.exit(3)
    if event == "end": os._exit(0)
    if event == "kill": os.kill(os.getpid(), 9)
    if event == "decimal": return decimal.Decimal(1)
    raise KeyError("thingName")
"#,
    );
    world.register(process);
    let error = world.error(json!({})).await;
    assert_eq!(error["errorType"], "KeyError");
    assert_eq!(error["errorMessage"], "'thingName'");
    let stack = error["stackTrace"].as_array().unwrap();
    assert_eq!(stack.len(), 1, "{error}");
    assert!(stack[0].as_str().unwrap().contains("in handler\n"), "{error}");
    assert_eq!(world.error(json!("decimal")).await["errorType"], "Runtime.MarshalError");
    let table = [
        ("exit", "Runtime exited with error: exit status 3"),
        ("end", "Runtime exited without providing a reason"),
        ("kill", "Runtime exited with error: signal: killed"),
    ];
    for (event, expected) in table {
        let answer = world.invoke(json!(event)).await;
        let message = format!("RequestId: {} Error: {expected}", answer.request_id);
        let payload: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(payload, json!({ "errorType": "Runtime.ExitError", "errorMessage": message }));
    }
}

#[tokio::test]
async fn l16_a_python_handler_that_cannot_be_loaded_says_why() {
    let table = [
        ("app.handler", "", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            "no.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'no': No module named 'no'",
        ),
        (
            "app.handler",
            "import nothing_here",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_here'",
        ),
        ("app.handler", "def (", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("app.handler", "raise ValueError('x')", "ValueError", "x"),
        ("app", "", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
    ];
    for (handler, code, error_type, message) in table {
        let world = world();
        let folder = folder("app.py", code);
        world.register(ProcessFunction::new(folder.path(), "python3.11", handler).unwrap());
        let error = world.error(json!({})).await;
        assert_eq!(error["errorType"], error_type, "{error}");
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn l16_node_handlers_are_common_js_or_modules_with_promises_or_callbacks() {
    let table = [
        ("index.js", "exports.handler = async (event) => ({ got: event })", json!({ "got": 1 })),
        (
            "index.mjs",
            "export const handler = async (event) => ({ got: event })",
            json!({ "got": 1 }),
        ),
        ("index.cjs", "exports.handler = async (event) => ({ got: event })", json!({ "got": 1 })),
        (
            "index.js",
            "exports.handler = (event, context, callback) => callback(null, event)",
            json!(1),
        ),
        (
            "index.js",
            "exports.handler = (event, context, done) => { setTimeout(() => done(null, event), 1) }",
            json!(1),
        ),
        ("index.js", "exports.handler = (event, context) => context.succeed(event)", json!(1)),
        ("index.js", "exports.handler = () => {}", Value::Null),
        ("index.js", "exports.handler = async () => undefined", Value::Null),
    ];
    for (file, code, expected) in table {
        let world = world();
        let (_folder, process) = node(file, code);
        world.register(process);
        assert_eq!(world.result(json!(1)).await, expected, "{code}");
        assert_eq!(world.result(json!(1)).await, expected, "{code}, warm");
    }
}

#[tokio::test]
async fn l16_node_sees_the_context_and_its_console_is_the_log() {
    let world = world();
    let (_folder, process) = node(
        "index.mjs",
        r#"
export const handler = async (event, context) => {
  console.log("hello %s", "there", { a: 1 });
  const remaining = context.getRemainingTimeInMillis();
  return [context.awsRequestId, context.functionName, remaining > 0 && remaining <= 3000];
};
"#,
    );
    world.register(process);
    let answer = world.invoke(json!({})).await;
    let id = &answer.request_id;
    assert_eq!(answer.payload, json!([id, "f", true]).to_string());
    assert!(
        answer.log_tail.contains(&format!("Z\t{id}\tINFO\thello there {{ a: 1 }}\n")),
        "{}",
        answer.log_tail
    );
}

#[tokio::test]
async fn l16_errors_in_node_have_aws_shape() {
    let world = world();
    let (_folder, process) = node(
        "index.js",
        r#"
exports.handler = async (event) => {
  if (event === "text") throw "plain";
  if (event === "cycle") { const a = {}; a.a = a; return a; }
  if (event === "later") { Promise.reject(new Error("nobody caught me")); await new Promise(() => setTimeout(() => {}, 9000)); }
  if (event === "exit") process.exit(4);
  throw new TypeError("no thing name");
};
"#,
    );
    world.register(process);
    let error = world.error(json!({})).await;
    assert_eq!(error["errorType"], "TypeError");
    assert_eq!(error["errorMessage"], "no thing name");
    assert_eq!(error["trace"][0], "TypeError: no thing name");
    assert_eq!(
        world.error(json!("text")).await,
        json!({ "errorType": "string", "errorMessage": "plain", "trace": [] })
    );
    assert_eq!(world.error(json!("cycle")).await["errorType"], "Runtime.MarshalError");
    let error = world.error(json!("later")).await;
    assert_eq!(error["errorType"], "Runtime.UnhandledPromiseRejection", "{error}");
    let error = world.error(json!("exit")).await;
    assert!(error["errorMessage"].as_str().unwrap().ends_with("exit status 4"), "{error}");
    assert_eq!(world.error(json!({})).await["errorType"], "TypeError", "a new process took over");
}

#[tokio::test]
async fn l16_a_node_handler_that_cannot_be_loaded_says_why() {
    let table = [
        ("index.none", "", "Runtime.HandlerNotFound", "index.none is undefined or not exported"),
        ("other.handler", "", "Runtime.ImportModuleError", "Error: Cannot find module 'other'"),
        (
            "index.handler",
            "require('nothing-here')",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nothing-here'",
        ),
        ("index.handler", "exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ("index.handler", "throw new RangeError('x')", "RangeError", "x"),
        ("index", "", "Runtime.MalformedHandlerName", "Bad handler"),
    ];
    for (handler, code, error_type, message) in table {
        let world = world();
        let folder = folder("index.js", code);
        world.register(ProcessFunction::new(folder.path(), "nodejs20.x", handler).unwrap());
        let error = world.error(json!({})).await;
        assert_eq!(error["errorType"], error_type, "{error}");
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
    }
}

#[tokio::test]
async fn l19_the_environment_leads_back_to_the_emulator() {
    let world = world();
    let (_folder, process) = python(
        "import os\ndef handler(event, context): return {name: os.environ.get(name) for name in event}",
    );
    world.host.set_surroundings(Surroundings {
        api_url: Some("http://127.0.0.1:4566".to_owned()),
        root_ca: Some("/tmp/root.pem".into()),
        variables: [("IOT_EMULATOR_ENDPOINT".to_owned(), "localhost".to_owned())].into(),
    });
    world.register(process.environment("POLICY", "Device").environment("AWS_REGION", "mine"));
    let expected = json!({
        "POLICY": "Device",
        "_HANDLER": "app.handler",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_IOT": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_IOT_DATA_PLANE": "http://127.0.0.1:4566",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "IOT_EMULATOR_ROOT_CA": "/tmp/root.pem",
        "IOT_EMULATOR_ENDPOINT": "localhost",
        "TZ": "UTC",
        "AWS_PROFILE": null,
    });
    let names: Vec<&String> = expected.as_object().unwrap().keys().collect();
    assert_eq!(world.result(json!(names)).await, expected);
}

#[tokio::test]
async fn a_function_that_is_too_slow_is_killed_and_the_next_event_finds_a_new_process() {
    let world = world();
    let (_folder, process) = python(
        r#"
import os, time
def handler(event, context):
    print("began", flush=True)
    if event: time.sleep(60)
    return os.getpid()
"#,
    );
    world.register(process.timeout(Duration::from_secs(1)));
    let before = world.result(json!(0)).await;
    let answer = world.invoke(json!(1)).await;
    let message =
        format!("RequestId: {} Error: Task timed out after 1.00 seconds", answer.request_id);
    let payload: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(payload, json!({ "errorType": "Sandbox.Timedout", "errorMessage": message }));
    assert!(answer.log_tail.contains("began\n"), "{}", answer.log_tail);
    assert!(answer.log_tail.ends_with("\tStatus: timeout\n"), "{}", answer.log_tail);
    assert_ne!(world.result(json!(0)).await, before);
}

#[tokio::test]
async fn a_function_that_never_stops_writing_is_stopped_in_time() {
    let world = world();
    let (_folder, process) = python("def handler(event, context):\n  while True: print('x' * 999)");
    world.register(process.timeout(Duration::from_millis(200)));
    let answer = world.invoke(json!({})).await;
    assert!(String::from_utf8_lossy(&answer.payload).contains("Task timed out"), "{answer:?}");
    assert_eq!(answer.log_tail.len(), 4096);
}

#[tokio::test]
async fn events_that_come_together_get_a_process_each() {
    let world = world();
    // Each waits until the other has begun, which one process could not do.
    let (folder, process) = python(
        r#"
import os, pathlib, time
def handler(event, context):
    here = pathlib.Path(os.environ["LAMBDA_TASK_ROOT"])
    (here / event["me"]).touch()
    while not (here / event["other"]).exists(): time.sleep(0.005)
    return os.getpid()
"#,
    );
    world.register(process.timeout(Duration::from_secs(20)));
    let (one, two) = tokio::join!(
        world.result(json!({ "me": "one", "other": "two" })),
        world.result(json!({ "me": "two", "other": "one" })),
    );
    assert_ne!(one, two);
    drop(folder);
}

#[tokio::test]
async fn l16_a_shell_script_can_be_a_runtime() {
    let world = world();
    let script = r#"#!/bin/sh
exec python3 -c '
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/" + path, body)
    answer = api.getresponse()
    return answer.status, answer.headers, answer.read()
while True:
    status, headers, event = call("GET", "invocation/next")
    id = headers["Lambda-Runtime-Aws-Request-Id"]
    if event == b"\"large\"":
        print(call("POST", "invocation/" + id + "/response", b" " * 6291557)[0], flush=True)
        continue
    wrong = call("POST", "invocation/other/response", b"1")[0]
    early = call("GET", "invocation/next")[0]
    none = call("GET", "nothing")[0]
    call("POST", "invocation/" + id + "/response", b"[%d,%d,%d,%s]" % (wrong, early, none, event))
'
"#;
    let archive = BASE64_STANDARD.encode(zipped(&[("bootstrap", 0o755, script)]));
    let input = json!({
        "FunctionName": "f", "Runtime": "provided.al2023", "Role": ROLE, "Handler": "none",
        "Code": { "ZipFile": archive }, "Timeout": 20,
    });
    world.functions.create_function(serde_json::from_value(input).unwrap(), NOW).unwrap();
    assert_eq!(world.result(json!("e")).await, json!([400, 403, 404, "e"]));
    let error = world.error(json!("large")).await;
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(world.result(json!("e")).await, json!([400, 403, 404, "e"]));
}

#[tokio::test]
async fn a_runtime_that_cannot_start_says_what_is_missing() {
    let world = world();
    let folder = TempDir::new().unwrap();
    world.register(ProcessFunction::new(folder.path(), "provided", "x").unwrap());
    let error = world.error(json!({})).await;
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("bootstrap` for runtime provided: No such file"), "{message}");
}

#[tokio::test]
async fn a_slow_start_is_tried_again_within_the_time_of_the_function() {
    let host = world().host;
    let (_folder, process) = python("import time\ntime.sleep(60)");
    let launch = Launch {
        scope: Scope::new("123456789012", "eu-west-1"),
        name: "f".to_owned(),
        memory_megabytes: 128,
        process: process.timeout(Duration::from_millis(200)),
    };
    let pool = Pool::new(launch, Arc::clone(host.host()));
    let pool = pool.with_init_limit(Duration::from_millis(100));
    let attempt = Attempt {
        request_id: "id".to_owned(),
        trace_id: String::new(),
        function_arn: "arn".into(),
        invocation: Invocation::default(),
    };
    let ran = pool.run(&attempt).await.unwrap();
    let report: Value = serde_json::from_slice(&ran.payload).unwrap();
    assert_eq!(report["errorMessage"], "RequestId: id Error: Task timed out after 0.20 seconds");
}

/// Whether the process runs; one that waits to be reaped does not.
#[cfg(target_os = "linux")]
fn runs(pid: &Value) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_process_outlives_its_host_its_function_or_its_time() {
    let code = r#"
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"])
def handler(event, context):
    if event: time.sleep(60)
    return [os.getpid(), child.pid]
"#;
    for end in ["host", "function", "time"] {
        let world = world();
        let (_folder, process) = python(code);
        world.register(process.timeout(Duration::from_secs(1)));
        let pids = world.result(json!(0)).await;
        assert!(runs(&pids[0]) && runs(&pids[1]));
        match end {
            "host" => drop(world.host),
            "function" => {
                let request = json!({ "FunctionName": "f" });
                world.functions.delete_function(serde_json::from_value(request).unwrap()).unwrap();
            }
            _ => drop(world.error(json!(1)).await),
        }
        for pid in pids.as_array().unwrap() {
            // A killed process is gone as soon as the kernel has scheduled it once more.
            while runs(pid) {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn warm_processes_end_also_after_the_runtime_that_started_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = world();
    let code = "import os\ndef handler(event, context): return os.getpid()";
    let (_folder, process) = python(code);
    world.register(process);
    let pid = runtime.block_on(world.result(json!({})));
    drop(runtime);
    assert!(runs(&pid));
    world.functions.clear();
    while runs(&pid) {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_stopped_host_runs_nothing_more() {
    let World { host, functions, .. } = world();
    let (_folder, process) = python("def handler(event, context): return 1");
    functions.register("process", process, NOW).unwrap();
    functions.register("closure", Function::new(Ok), NOW).unwrap();
    drop(host);
    for name in ["process", "closure"] {
        let error = functions.invoke(name, Bytes::new()).await.unwrap_err();
        assert_eq!(error.message(), "the emulator has stopped");
    }
}

#[tokio::test]
async fn l17_an_endpoint_of_the_invoke_api_is_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limits = crate::http::Limits { body_bytes: 1 << 20, head: Duration::from_secs(10) };
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            crate::http::serve(stream, limits, async |request| {
                let authorization = request.header("authorization").unwrap().to_owned();
                let path = request.uri.path().to_owned();
                let status = if request.body == "\"busy\"" { 429 } else { 200 };
                let said = json!({
                    "path": path, "type": request.header("x-amz-invocation-type"),
                    "account": authorization.contains("Credential=123456789012/"),
                    "message": "too many",
                });
                let mut response =
                    crate::http::response(status, "application/json", said.to_string());
                if request.body == "\"fail\"" {
                    crate::http::set_header(&mut response, "x-amz-function-error", "Unhandled");
                }
                crate::http::set_header(
                    &mut response,
                    "x-amz-log-result",
                    &BASE64_STANDARD.encode("log"),
                );
                crate::http::Answer::Respond(response)
            })
            .await;
        }
    });
    let world = world();
    world.register(Function::http(&url).unwrap());
    let result = world.result(json!({})).await;
    assert_eq!(result["path"], "/2015-03-31/functions/f/invocations");
    assert_eq!((&result["type"], &result["account"]), (&json!("RequestResponse"), &json!(true)));
    assert_eq!(world.invoke(json!({})).await.log_tail, "log");
    assert_eq!(world.error(json!("fail")).await["message"], "too many");
    let busy = world.functions.invoke("f", bytes(&json!("busy"))).await.unwrap_err();
    assert_eq!(busy.code(), ErrorCode::TooManyRequestsException);
    server.abort();
    let _aborted = server.await;
    let gone = world.functions.invoke("f", Bytes::new()).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::ServiceException);
    assert!(gone.message().contains("cannot invoke f at http://127.0.0.1:"), "{gone}");
}
