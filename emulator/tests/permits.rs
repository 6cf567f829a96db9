//! The broker cannot be reached without a permit: code that tries to does not compile.
//!
//! Permits are private to the crate, so the attempts in `permits/` are compiled as one more room of
//! a copy of it. The compiler must refuse each marked line, for the reason that the mark names, and
//! no other line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const FORGERIES: [&str; 2] =
    [include_str!("permits/forgeries.rs"), include_str!("permits/made_by_hand.rs")];
const MARK: &str = "//~ ";

/// Lines of the forgeries, and the compiler's error of each.
type Errors = BTreeMap<u64, String>;

#[test]
fn the_compiler_refuses_who_comes_without_a_permit() {
    let copy = copy_with_a_room();
    let mut attempts = 0;
    for forgeries in FORGERIES {
        write(&copy.join("emulator/src/forgeries.rs"), forgeries);
        let expected = expected(forgeries);
        attempts += expected.len();
        assert_eq!(refused(&copy), expected);
    }
    assert!(attempts >= 24, "{attempts} attempts are left");
}

/// What the marks say.
fn expected(forgeries: &str) -> Errors {
    let marked = (1..).zip(forgeries.lines()).filter_map(|(number, line)| {
        line.split_once(MARK).map(|(_, code)| (number, code.trim().to_owned()))
    });
    marked.collect()
}

/// The crate once more, with one more room.
fn copy_with_a_room() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().expect("the package lies in the workspace");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("permits");
    let _none_yet = fs::remove_dir_all(&copy);
    copy_folder(&package.join("src"), &copy.join("emulator/src"));
    let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("a manifest");
    // Without benches, tests and README, which are not copied.
    let manifest = manifest.replace("readme = \"../README.md\"", "");
    let manifest = manifest.split("\n[[bench]]").collect::<Vec<_>>();
    let behind = manifest.last().and_then(|rest| rest.find("\n[").and_then(|at| rest.get(at..)));
    let manifest = format!("{}{}", manifest[0], behind.unwrap_or_default());
    write(&copy.join("emulator/Cargo.toml"), &manifest);
    let root = fs::read_to_string(workspace.join("Cargo.toml")).expect("a workspace");
    let members = r#"members = ["emulator", "client-tests"]"#;
    assert!(root.contains(members), "the workspace has other members: {root}");
    write(&copy.join("Cargo.toml"), &root.replace(members, r#"members = ["emulator"]"#));
    fs::copy(workspace.join("Cargo.lock"), copy.join("Cargo.lock")).expect("a lock file");
    let library = copy.join("emulator/src/lib.rs");
    let rooms = fs::read_to_string(&library).expect("lib.rs");
    write(&library, &rooms.replace("\nmod policy;", "\nmod forgeries;\nmod policy;"));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the crate") {
        let entry = entry.expect("an entry of it");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file of the copy");
}

/// What the compiler says of the copy; dependencies are taken as they are built already.
fn refused(copy: &Path) -> Errors {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--offline", "--lib", "--package", "iot-emulator", "--features", "cli"])
        .arg("--message-format=json")
        .env("CARGO_TARGET_DIR", target)
        .current_dir(copy)
        .output()
        .expect("cargo runs");
    let messages = String::from_utf8_lossy(&output.stdout);
    let errors: Errors = messages.lines().filter_map(error).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.is_empty(), "the compiler refused nothing: {said}");
    errors
}

/// The line and the code of an error; one outside the forgeries is at line 0.
fn error(line: &str) -> Option<(u64, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = line.get("message").filter(|message| message["level"] == "error")?;
    let spans = message["spans"].as_array()?;
    let here = |span: &&Value| {
        let file = span["file_name"].as_str().unwrap_or_default();
        span["is_primary"] == true && file.ends_with("forgeries.rs")
    };
    let line = spans.iter().find(here).and_then(|span| span["line_start"].as_u64());
    // `aborting due to …` has no place.
    if spans.is_empty() {
        return None;
    }
    let code = message["code"]["code"].as_str().unwrap_or_default();
    let elsewhere = || message["rendered"].as_str().unwrap_or_default().to_owned();
    Some((line.unwrap_or(0), if line.is_some() { code.to_owned() } else { elsewhere() }))
}
