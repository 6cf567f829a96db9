//! The architecture as a test: who may name whom, who owns which outside crate, how large things
//! may grow, and what stands nowhere.
//!
//! The tables below are the rules; `ARCHITECTURE.md` says why they are so. Each violation is
//! printed as `file:line: what is wrong; what to do`. Tests of the rooms may name what they like:
//! folders `tests/`, files `tests.rs` and a closing `mod tests { … }` are left out of the layers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

// === The tables ===

/// Which rooms a room may name, from the bottom up. Every room of `src/` has a row.
#[rustfmt::skip]
const LAYERS: &[(&str, &[&str])] = &[
    // Vocabulary: everybody may use it, it uses nothing above itself.
    ("names", &[]),
    ("json", &[]),
    ("regexp", &[]),
    ("time", &[]),
    ("quotas", &["time"]),
    ("message", &["names"]),
    ("errors", &["names"]),
    ("service_model", &["errors", "regexp"]),
    ("credentials", &[]),
    ("config", &["credentials", "names", "quotas"]),
    ("trace", &["names", "time"]),
    ("pki", &["names", "time"]),
    // Core: decides, touches nothing.
    ("events", &["names", "time"]),
    ("policy", &["errors", "json", "names", "pki", "quotas", "time", "trace"]),
    ("registry", &["errors", "events", "names", "pki", "policy", "quotas", "time"]),
    ("provisioning", &[
        "errors", "json", "names", "pki", "quotas", "registry", "service_model", "time", "trace",
    ]),
    ("message_broker", &["message", "names", "policy", "quotas", "time"]),
    ("rules_engine", &["errors", "json", "names", "pki", "quotas", "regexp", "time", "trace",
    ]),
    // What must happen after a decision: it carries words of the core, and runs nothing.
    ("outbox", &["message_broker", "names", "provisioning", "rules_engine"]),
    // Shell rooms that several doors share.
    ("alarm", &[]),
    ("http", &["alarm"]),
    ("tls", &["pki", "time"]),
    ("caller", &["config", "credentials", "errors", "http", "names", "pki", "time"]),
    ("device_keys", &["pki"]),
    ("s3", &["errors", "http", "names", "pki", "time"]),
    ("lambda", &["errors", "http", "names", "pki", "time"]),
    // The core brought together, under one lock.
    ("iot_core", &[
        "device_keys", "errors", "events", "lambda", "message", "message_broker", "names", "outbox", "pki",
        "policy", "provisioning", "quotas", "registry", "rules_engine", "time", "trace",
    ]),
    // For the fuzz targets.
    ("internals", &["device_gateway", "names", "policy"]),
    // The doors.
    ("data_plane", &["errors", "http", "iot_core", "message", "names"]),
    ("api_gateway", &["errors", "http", "lambda", "names", "pki", "s3", "time", "trace"]),
    ("aws_api", &[
        "api_gateway", "caller", "cloud", "config", "data_plane", "device_keys", "errors", "http",
        "iot_core", "lambda", "names", "registry", "rules_engine", "s3", "service_model", "time", "trace",
    ]),
    ("device_gateway", &[
        "alarm", "caller", "cloud", "data_plane", "doors", "http", "iot_core", "message", "message_broker",
        "names", "outbox", "pki", "quotas", "tls", "trace",
    ]),
    ("doors", &["api_gateway", "aws_api", "cloud", "http", "tls", "trace"]),
    // Every account, and the emulator around them. `cloud` replays calls through `aws_api`.
    ("cloud", &[
        "api_gateway", "aws_api", "caller", "config", "credentials", "device_keys", "emulator", "errors",
        "http", "iot_core", "lambda", "listeners", "names", "outbox", "pki", "provisioning", "s3", "time",
        "tls", "trace",
    ]),
    ("listeners", &["cloud", "config", "device_gateway", "doors", "emulator", "names", "trace"]),
    ("emulator", &[
        "api_gateway", "cloud", "config", "errors", "iot_core", "lambda", "listeners", "names",
        "outbox", "quotas", "trace",
    ]),
];

/// Rooms that decide and touch nothing; time and randomness are arguments.
const PURE: &[&str] = &[
    "errors",
    "events",
    "json",
    "message",
    "message_broker",
    "names",
    "pki",
    "policy",
    "provisioning",
    "quotas",
    "regexp",
    "registry",
    "rules_engine",
    "service_model",
];

/// What a pure room never says, and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("async", "return what should happen; the shell awaits"),
    (".await", "return what should happen; the shell awaits"),
    ("tokio", "return what should happen; the shell awaits"),
    ("SystemTime", "take `now: Timestamp` as an argument"),
    ("Instant", "take `now: Timestamp` as an argument"),
    ("std::fs", "let the shell read and write"),
    ("std::io", "let the shell read and write"),
    ("std::thread", "let the shell start threads"),
    ("std::process", "let the shell run programs"),
    ("std::env", "let the shell read the environment"),
    ("TcpStream", "let the shell hold sockets"),
    ("TcpListener", "let the shell hold sockets"),
    ("UdpSocket", "let the shell hold sockets"),
    ("fastrand::u", "take a seeded generator, or derive the value"),
    ("fastrand::Rng::new", "use `fastrand::Rng::with_seed` with a seed that came from outside"),
];

/// `(file, word)`: where a pure room says such a word after all, and why that is no I/O of the core.
const IMPURE_AFTER_ALL: &[(&str, &str, &str)] = &[
    ("pki/server_authority.rs", "std::fs", "the root CA stays across runs; the shell asks for it"),
    ("pki/server_authority.rs", "std::io", "the root CA stays across runs; the shell asks for it"),
];

/// Each outside crate with an owner, and the files or folders that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("hyper", &["http/", "cli/remote.rs"]),
    ("hyper_util", &["http/", "cli/remote.rs"]),
    ("http_body_util", &["http/", "cli/remote.rs"]),
    ("rustls", &["tls/"]),
    ("tokio_rustls", &["tls/"]),
    ("x509_parser", &["pki/"]),
    ("rcgen", &["pki/"]),
    ("webpki", &["pki/"]),
    ("rustls_pki_types", &["pki/"]),
    ("aws_lc_rs", &["pki/", "tls/"]),
    ("zip", &["lambda/code.rs"]),
    ("cbor4ii", &["provisioning/fleet/payload.rs"]),
    ("jiff", &["time.rs", "rules_engine/functions/time/"]),
    ("rustix", &["device_keys.rs", "lambda/host.rs"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("toml", &["cli/"]),
];

/// Words that stand in no file, as two halves so that this one does not hold them either.
const BANNED: &[(&str, &str, &str)] = &[
    ("FIX", "ME", "mend it, or write a test that says how it should be"),
    ("XX", "X", "mend it, or write a test that says how it should be"),
    ("thread::", "sleep", "wait for what should happen: `settled()`, a deadline, a bound"),
    ("time::", "sleep(", "wait for what should happen: `settled()`, a deadline, a bound"),
    ("#[ign", "ore", "make the test pass, or delete it"),
];

/// Where the second half of such a word stands after all, and why.
const BANNED_AFTER_ALL: &[(&str, &str, &str)] = &[
    ("emulator/src/cli/remote.rs", "sleep", "`trace --follow` asks again now and then"),
    ("emulator/src/listeners.rs", "sleep(", "out of sockets, there is nothing else to wait for"),
];

/// Tables of one row a line, which are easier to read unbroken.
const LONG_LINES: &[&str] = &["emulator/src/aws_api/operations.rs"];

/// What a visitor sees first.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "client-tests",
    "emulator",
    "fixtures",
    "fuzz",
    "scripts",
];

const LINES: usize = 500;
const COLUMNS: usize = 100;
const ARCHITECTURE_LINES: usize = 200;

// === The tests ===

#[test]
fn each_room_names_only_the_rooms_below_it() {
    none(source_files().iter().flat_map(layers));
}

#[test]
fn what_decides_touches_nothing() {
    none(source_files().iter().flat_map(purity));
}

#[test]
fn each_outside_crate_has_its_owner() {
    none(source_files().iter().flat_map(owners));
}

#[test]
fn the_binary_names_only_the_public_door() {
    none(source_files().iter().flat_map(public_door));
}

#[test]
fn files_stay_small_and_open_with_what_they_decide() {
    none(rust_files().iter().flat_map(sizes));
    let map = root().join("emulator/ARCHITECTURE.md");
    let lines = fs::read_to_string(map).unwrap().lines().count();
    assert!(lines <= ARCHITECTURE_LINES, "emulator/ARCHITECTURE.md: {lines} lines; tell less");
}

#[test]
fn banned_words_stand_nowhere() {
    none(rust_files().iter().flat_map(banned));
}

#[test]
fn every_fidelity_mark_is_well_formed() {
    none(rust_files().iter().flat_map(marks));
}

#[test]
fn the_top_level_is_what_a_visitor_should_see() {
    let seen = top_level();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, TOP_LEVEL, "each file and folder has a place below one of these");
}

#[test]
fn every_room_has_a_row() {
    let mut rooms: Vec<String> = source_files().iter().filter_map(SourceFile::room).collect();
    rooms.dedup();
    for room in rooms {
        assert!(
            LAYERS.iter().any(|(name, _)| *name == room),
            "emulator/src/{room}: give it a row in LAYERS"
        );
    }
}

/// The checks themselves, on files that break each rule once.
#[test]
fn a_violation_is_found() {
    type Check = fn(&SourceFile) -> Vec<String>;
    let table: &[(Check, &str, &str)] = &[
        (layers, "policy/x.rs", "//! x\nuse crate::registry::Registry;\n"),
        (layers, "message_broker/x.rs", "    crate::registry::ask();\n"),
        (layers, "policy/mod.rs", "use super::registry;\n"),
        (layers, "policy/x.rs", "use crate::{names, registry};\n"),
        (purity, "registry/x.rs", "async fn x() {}\n"),
        (purity, "policy/x.rs", "use std::time::SystemTime;\n"),
        (purity, "message_broker/x.rs", "let random = fastrand::Rng::new();\n"),
        (owners, "cloud.rs", "use hyper::body::Bytes;\n"),
        (owners, "policy/x.rs", "use rustls;\n"),
        (owners, "registry/x.rs", "x509_parser::parse();\n"),
        (public_door, "cli/x.rs", "use crate::policy;\n"),
        (sizes, "x.rs", "use std;\n"),
        (sizes, "x.rs", &format!("//! x\n{}", "\n".repeat(LINES))),
        (sizes, "x.rs", &format!("//! x\n{}\n", "x ".repeat(60))),
        (banned, "x.rs", &format!("// {}{}: later\n", "FIX", "ME")),
        (banned, "x.rs", &format!("std::thread::{}(d);\n", "sleep")),
        (marks, "x.rs", "//= https://example.com\nconst X: u8 = 1;\n"),
        (marks, "x.rs", "//= example.com\n//# x\n"),
        (marks, "x.rs", "//# x\n"),
        (marks, "x.rs", "//? maybe\n"),
        (marks, "x.rs", "//= https://example.com\n//# verified yesterday\n"),
    ];
    for (check, path, text) in table {
        let found = check(&SourceFile::new(path, text));
        assert_eq!(found.len(), 1, "{path}: {text:?}: {found:?}");
        let place = found[0].split(": ").next().unwrap();
        assert!(place.starts_with(&format!("emulator/src/{path}:")), "{found:?}");
    }
    let allowed = "//! x\n//= https://example.com/x\n//# a rule\n//? assumed: a\n//? guess\n\
                   use crate::names::Scope;\n// crate::cloud is a word here\n\
                   #[cfg(test)]\nmod tests {\n    use crate::cloud;\n    use rustls;\n}\n";
    for check in [layers, purity, owners, sizes, banned, marks] {
        assert_eq!(check(&SourceFile::new("policy/x.rs", allowed)), Vec::<String>::new());
    }
}

// === The checks ===

fn layers(file: &SourceFile) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() };
    let allowed = LAYERS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, to)| *to);
    let depth = file.depth();
    file.find(|line| {
        let supers = line.matches("super::").count();
        if line.contains("crate::{") || (supers >= depth && line.contains(&"super::".repeat(depth)))
        {
            return Some("name rooms as `crate::room::…`, so that the layers can be seen".into());
        }
        let named = line.split("crate::").skip(1).map(first_word);
        let mut strange = named.filter(|named| *named != room && !allowed.contains(named));
        strange.next().map(|named| {
            format!("`{room}` names `{named}`; pass what it needs as an argument, or return it")
        })
    })
}

fn purity(file: &SourceFile) -> Vec<String> {
    if !file.room().is_some_and(|room| PURE.contains(&room.as_str())) {
        return Vec::new();
    }
    file.find(|line| {
        let (word, advice) = IMPURE.iter().find(|(word, _)| says(line, word))?;
        let excused = IMPURE_AFTER_ALL.iter().any(|(at, it, _)| file.is_at(at) && it == word);
        (!excused).then(|| format!("`{word}` in a room that only decides; {advice}"))
    })
}

fn owners(file: &SourceFile) -> Vec<String> {
    file.find(|line| {
        let names =
            |name: &str| line.contains(&format!("use {name};")) || says(line, &format!("{name}::"));
        let (name, homes) = OWNERS.iter().find(|(name, _)| names(name))?;
        let at_home = homes.iter().any(|home| file.is_at(home));
        (!at_home).then(|| format!("`{name}` belongs to {}; call that", homes.join(" and ")))
    })
}

fn public_door(file: &SourceFile) -> Vec<String> {
    if !file.is_binary() {
        return Vec::new();
    }
    // In the binary, `crate::` is the binary itself: `main.rs` and `cli/`.
    file.find(|line| {
        let mut named = line.split("crate::").skip(1).map(first_word);
        let strange = named.find(|named| *named != "cli")?;
        Some(format!("`crate::{strange}` is no part of the binary; use `iot_emulator::…`"))
    })
}

fn sizes(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    if !file.text.starts_with("//!") {
        found.push(file.violation(1, "say in `//!` what it decides, and what it leaves to others"));
    }
    let lines = file.own_lines().count();
    if lines > LINES && !file.is_test() {
        let advice = format!("{lines} lines; find the second thing in it, and give it a file");
        found.push(file.violation(LINES + 1, &advice));
    }
    let long = |line: &str| line.chars().count() > COLUMNS && !line.contains("http");
    if !LONG_LINES.contains(&file.path.as_str()) && !file.is_test() {
        found.extend(file.own_lines().filter(|(_, line)| long(line)).map(|(number, _)| {
            file.violation(number, &format!("more than {COLUMNS} columns; break the line"))
        }));
    }
    found
}

fn banned(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    for (first, second, advice) in BANNED {
        let word = format!("{first}{second}");
        if !BANNED_AFTER_ALL.iter().any(|(at, it, _)| file.path == *at && it == second) {
            let lines = file.text.lines().enumerate().filter(|(_, line)| says(line, &word));
            let violation = |(index, _)| file.violation(index + 1, &format!("`{word}`; {advice}"));
            found.extend(lines.map(violation));
        }
    }
    found
}

fn marks(file: &SourceFile) -> Vec<String> {
    let mut found = Vec::new();
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let starts = |index: usize, mark: &str| lines.get(index).is_some_and(|l| l.starts_with(mark));
    for (index, line) in lines.iter().enumerate() {
        let before = |mark: &str| index > 0 && starts(index - 1, mark);
        let mut wrong = |advice: &str| found.push(file.violation(index + 1, advice));
        if let Some(source) = line.strip_prefix("//=") {
            if !source.starts_with(" https://") || source.trim().contains(' ') {
                wrong("after `//=` stands one https:// address and nothing else");
            } else if !starts(index + 1, "//# ") && !starts(index + 1, "//= ") {
                wrong("say in `//# …`, on the next line, which rule the source gives");
            }
        } else if let Some(rule) = line.strip_prefix("//# ") {
            if !before("//= ") && !before("//# ") {
                wrong("a rule stands below its source, `//= https://…`");
            } else if rule.strip_prefix("verified ").is_some_and(|rest| !is_date(rest)) {
                wrong("write `verified YYYY-MM-DD`, the day the client tests ran on AWS");
            }
        } else if line.starts_with("//?") && !line.starts_with("//? assumed: ") && !before("//?") {
            wrong("write `//? assumed: …`");
        }
    }
    found
}

// === Files and words ===

struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    /// A file of `emulator/src/`.
    fn new(path: &str, text: &str) -> Self {
        Self { path: format!("emulator/src/{path}"), text: text.to_owned() }
    }

    fn in_source(&self) -> Option<&str> {
        self.path.strip_prefix("emulator/src/")
    }

    /// The room it belongs to; none for the crate's door, the binary, and tests.
    fn room(&self) -> Option<String> {
        let path = self.in_source().filter(|_| !self.is_test() && !self.is_binary())?;
        let room = path.split('/').next()?.trim_end_matches(".rs");
        (room != "lib").then(|| room.to_owned())
    }

    /// How many `super::` lead out of the room.
    fn depth(&self) -> usize {
        let path = self.in_source().unwrap_or_default();
        path.split('/').count() - usize::from(path.ends_with("/mod.rs"))
    }

    fn is_binary(&self) -> bool {
        self.in_source().is_some_and(|path| path == "main.rs" || path.starts_with("cli/"))
    }

    fn is_test(&self) -> bool {
        let path = self.path.strip_prefix("emulator/src/").unwrap_or(&self.path);
        path.contains("tests/") || path.ends_with("tests.rs")
    }

    /// Whether it is the file `home`, or lies in the folder `home/`.
    fn is_at(&self, home: &str) -> bool {
        let path = self.in_source().unwrap_or_default();
        path == home || (home.ends_with('/') && path.starts_with(home))
    }

    /// Its numbered lines without a closing `mod tests { … }`.
    fn own_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end =
            self.text.find("\n#[cfg(test)]\nmod tests {").map_or(self.text.len(), |at| at + 1);
        self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// What `check` says of each line that is no comment.
    fn find(&self, check: impl Fn(&str) -> Option<String>) -> Vec<String> {
        if self.is_test() {
            return Vec::new();
        }
        let code = self.own_lines().filter(|(_, line)| !line.trim_start().starts_with("//"));
        code.filter_map(|(number, line)| Some(self.violation(number, &check(line)?))).collect()
    }

    fn violation(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn source_files() -> Vec<SourceFile> {
    rust_files().into_iter().filter(|file| file.in_source().is_some()).collect()
}

fn rust_files() -> Vec<SourceFile> {
    let mut files = Vec::new();
    for folder in ["emulator", "client-tests", "fuzz"] {
        walk(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the sources were not found below {}", root().display());
    files
}

fn walk(folder: &Path, files: &mut Vec<SourceFile>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let path = path.strip_prefix(root()).expect("below it").to_string_lossy().into_owned();
            files.push(SourceFile { path, text });
        }
    }
}

/// The visible top level as git sees it: what nobody committed is nobody's business.
fn top_level() -> Vec<String> {
    let git = Command::new("git").arg("ls-files").current_dir(root()).output();
    let tracked = git.ok().filter(|git| git.status.success() && !git.stdout.is_empty());
    let mut names: Vec<String> = match tracked {
        Some(git) => String::from_utf8_lossy(&git.stdout)
            .lines()
            .filter_map(|path| path.split('/').next().map(str::to_owned))
            .collect(),
        None => fs::read_dir(root())
            .expect("the workspace")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name != "target")
            .collect(),
    };
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names.dedup();
    names
}

/// Whether `word` stands in `line` and is no part of a longer one.
fn says(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let joined_before = word.starts_with(part) && line[..at].ends_with(part);
        let after = &line[at + word.len()..];
        let joined_after = word.ends_with(part) && after.starts_with(part);
        !joined_before && (!joined_after || word.starts_with("fastrand"))
    })
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn is_date(text: &str) -> bool {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() >= 10 && text.bytes().take(10).enumerate().all(shape)
}

#[track_caller]
fn none(violations: impl Iterator<Item = String>) {
    let violations: Vec<String> = violations.collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
