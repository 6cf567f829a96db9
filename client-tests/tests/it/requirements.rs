//! The requirements that tests carry in their names: what each number means, and that none is
//! without a test.
//!
//! A test belongs to a requirement if its name begins with the number or has it between
//! underscores: `c39_…`, `a_will_c35_…`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use client_tests::programs::of_the_project;

/// Where tests stand.
const SOURCES: [&str; 3] = ["emulator/src", "emulator/tests", "client-tests/tests"];

/// The number, and what must be so.
const REQUIREMENTS: &[(&str, &str)] = &[
    // TLS and who a client is
    ("c01", "TLS 1.2 and 1.3 with certificates asked for by no CA's name, and no session tickets"),
    ("c02", "a handshake ends well for every certificate whose key the client proves to hold"),
    ("c03", "a certificate that is refused is hung up on in order, after the first bytes"),
    ("c04", "no CONNACK for who is not known, nor in MQTT 3.1.1 for who is not allowed"),
    ("c05", "MQTT 5 hears of a denial: CONNACK 0x87 with AWS's reason string"),
    ("c06", "a certificate registers itself with its first packet or request, not by a handshake"),
    ("c07", "the registered event has AWS's members and comes each time, but from no API call"),
    ("c08", "a certificate's ID is the SHA-256 of its DER in lower-case hex"),
    ("c09", "a certificate that is no longer ACTIVE loses its connections"),
    ("c10", "on 443 ALPN says which protocol is spoken, and whether a certificate is asked for"),
    // HTTPS
    ("c20", "a publish takes encoded and raw topics, its parameters and headers, and says OK"),
    ("c21", "who signs nothing on 443 gets 403, Missing Authentication Token, and an ID"),
    ("c22", "retained messages, connections, direct messages and shadows have AWS's routes"),
    // MQTT
    ("c30", "the CONNACK of MQTT 5 has AWS's limits, and brings what was asked for into range"),
    ("c31", "after one and a half times its keep-alive a silent client is cut off"),
    ("c32", "a newcomer takes a client ID over; the old connection ends and its will is sent"),
    ("c33", "AWS gives out `$GEN/` client IDs, and nobody may bring an ID that begins with `$`"),
    ("c34", "what is refused to publishers, subscribers and receivers is told as each version can"),
    ("c35", "QoS 2 is not served: not for a will, a publish or a subscription"),
    ("c36", "eight filters in a SUBSCRIBE, fifty on a connection"),
    ("c37", "topics that begin with `$` are AWS's: who may do what with which is a table"),
    ("c38", "`sensor/#` means what is below `sensor`, not `sensor` itself"),
    ("c39", "a retained message comes for exactly its topic, and to no shared subscription"),
    ("c40", "QoS 1 without PUBACK comes again on the same connection, without DUP"),
    ("c41", "a persistent session lives an hour, for its own version, and keeps QoS 1"),
    ("c42", "of a shared subscription's members, a random one that is online gets the message"),
    ("c43", "only the client's own DISCONNECT suppresses the will, and 0x04 asks for it"),
    ("c44", "connections and subscriptions have events, with AWS's members in AWS's order"),
    ("c45", "a message's expiry is brought into range, counts down, and ends it"),
    ("c46", "MQTT 5's properties pass through in their order; MQTT 3.1.1 sees none"),
    // Why something was refused
    ("c50", "each refusal leaves one entry that says why, in AWS's words where AWS has them"),
    ("c51", "a Rust test can read these entries, though the client saw only a hang-up"),
];

#[test]
fn each_requirement_has_a_test_that_carries_its_number() {
    let names = all_tests();
    let tested = |number: &str| {
        let (front, within) = (format!("{number}_"), format!("_{number}_"));
        names.iter().any(|name| name.starts_with(&front) || name.contains(&within))
    };
    let missing: Vec<_> = REQUIREMENTS.iter().filter(|(number, _)| !tested(number)).collect();
    assert!(missing.is_empty(), "no test carries the number of: {missing:#?}");
    // A number that no requirement has is a slip of the pen, or a requirement that is not told.
    let known: BTreeSet<&str> = REQUIREMENTS.iter().map(|(number, _)| *number).collect();
    assert_eq!(known.len(), REQUIREMENTS.len(), "a number stands for one requirement");
}

/// The names of all tests.
pub(crate) fn all_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in SOURCES {
        collect(&of_the_project(folder), &mut names);
    }
    assert!(names.len() > 500, "{} tests were found", names.len());
    names
}

/// Adds the names of the tests in `path` and below.
fn collect(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of the project") {
            collect(&entry.expect("an entry").path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).expect("a source of the project");
        names.extend(tests_of(&text));
    }
}

/// The functions that stand below a `#[test]` or a `#[tokio::test]`.
fn tests_of(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let head = line.strip_prefix("async ").unwrap_or(line);
        if let Some(head) = head.strip_prefix("fn ") {
            if std::mem::take(&mut is_test) {
                names.extend(head.split('(').next().map(str::to_owned));
            }
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
    }
    names
}

#[test]
fn a_test_is_found_by_its_attribute() {
    let text =
        "#[test]\n#[should_panic]\nfn c01_a(b: C) {\n#[tokio::test]\n async fn d() {\nfn e() {}\n";
    assert_eq!(tests_of(text), ["c01_a", "d"]);
}
