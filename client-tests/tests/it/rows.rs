//! What must be so when devices register, and are provisioned just in time, by RegisterThing or as
//! a fleet: each row has a test that is named for it.
//!
//! A test is named for the rows that its name counts up: `jr_1_2_and_9_…`, `jp_3_to_5_…`.

use std::collections::BTreeSet;

use crate::requirements::all_tests;

/// Families of rows, and how many each has.
const ROWS: [(&str, &[&str]); 6] = [
    // Just-in-time registration
    (
        "jr",
        &[
            "the CA is registered, ACTIVE, and auto-registers",
            "it issued the device's certificate itself",
            "the chain may be sent, and need not where SNI is",
            "a CA in SNI_ONLY mode registers where SNI says",
            "the CONNECT registers, or the request; the handshake does not",
            "PENDING_ACTIVATION with the ID of the CA, the event, and a hang-up without a CONNACK",
            "8443 does the same as 8883",
            "each presentation while it waits repeats the event and changes nothing",
            "a CA that does not auto-register, or a certificate that is INACTIVE: nothing",
            "event configurations do not matter",
            "no thing, no policy",
            "a device that goes on trying is let in at last",
            "what went wrong is logged, and the device does not learn it",
            "an expired certificate registers nothing",
            "a deleted one registers itself afresh",
        ],
    ),
    // The registered event
    (
        "je",
        &[
            "timestamp is a number of milliseconds",
            "certificateRegistrationTimestamp is null, and then text",
            "sourceIp is there",
            "caCertificateId is the issuing CA",
            "rules and subscribers get it",
            "clients cannot forge it",
            "none is left out",
        ],
    ),
    // Just-in-time provisioning
    (
        "jp",
        &[
            "a template that the CA holds, or names",
            "the parameters, from the subject alone",
            "a declared one that the subject lacks ends the run",
            "values come escaped as RFC 2253 has it",
            "declared is enough; a Default stands in",
            "any role will do",
            "the first connection is dropped; the template runs afterwards",
            "after a failure the certificate waits, and each visit tries again",
            "what was made before a failure stays",
            "the registered event comes too",
            "afterwards the leaf alone is enough",
            "a certificate that is known is not provisioned",
            "a template that is not enabled ends the run",
            "ProvisionThing.Success, .ClientError and .ServerError count",
        ],
    ),
    // Templates
    (
        "pt",
        &[
            "parameters are Strings, perhaps with a Default",
            "three types of resources; several policies, or none",
            "the properties of a thing",
            "one source of the certificate, and its Status",
            "a device that connects brings its certificate: CertificateId is a Ref",
            "PolicyName or PolicyDocument, not both",
            "a policy without a name is called by the hash of its document",
            "the next device finds it",
            "policy variables are left alone",
            "what may be overridden, and with what",
            "a thing that differs ends the run, unless it may be overridden",
            "the order in which things are done",
            "what a template names must exist",
        ],
    ),
    // RegisterThing
    (
        "rt",
        &[
            "the ARNs of what the template made or found, by logical ID",
            "a Default stands in for a parameter that is left out",
            "what is refused, and how",
            "a certificate by ID, by PEM, or for a signing request",
        ],
    ),
    // Fleet provisioning
    (
        "fp",
        &[
            "a certificate is PENDING_ACTIVATION until RegisterThing",
            "a token counts for an hour, and an unwanted certificate goes with it",
            "a claim looks as AWS's does and stands in no list",
            "what a claim may do, and for how long",
            "replies for the asker alone",
            "a device connects again, with its new certificate",
            "what RegisterThing answers without a configuration, and without a thing",
        ],
    ),
];

/// The rows that a test is named for.
fn rows_of(name: &str) -> Vec<(&str, usize)> {
    let mut rows = Vec::new();
    let (mut family, mut last, mut ranges) = (None, 0, false);
    for word in name.split('_') {
        match (word.parse::<usize>(), family) {
            (Ok(number), Some(family)) => {
                let first = if ranges { last + 1 } else { number };
                rows.extend((first..=number).map(|number| (family, number)));
                (last, ranges) = (number, false);
            }
            (Err(_), Some(_)) if word == "and" => {}
            (Err(_), Some(_)) if word == "to" => ranges = true,
            _ => family = ROWS.iter().map(|(family, _)| *family).find(|family| *family == word),
        }
    }
    rows
}

#[test]
fn a_name_counts_up_its_rows() {
    let table: [(&str, &[(&str, usize)]); 4] = [
        ("jr_6_8_and_12_x_3", &[("jr", 6), ("jr", 8), ("jr", 12)]),
        ("c07_je_1_to_3_jr_8_x", &[("je", 1), ("je", 2), ("je", 3), ("jr", 8)]),
        ("pt_4_and_jp_2_x", &[("pt", 4), ("jp", 2)]),
        ("a_1_jr_x", &[]),
    ];
    for (name, rows) in table {
        assert_eq!(rows_of(name), rows, "{name}");
    }
}

#[test]
fn each_row_has_a_test_that_is_named_for_it() {
    let names = all_tests();
    let tested: BTreeSet<(&str, usize)> = names.iter().flat_map(|name| rows_of(name)).collect();
    let mut missing = Vec::new();
    for (family, rows) in ROWS {
        let numbered = rows.iter().zip(1..).map(|(row, number)| (number, row));
        let untested = numbered.filter(|(number, _)| !tested.contains(&(family, *number)));
        missing.extend(untested.map(|(number, row)| format!("{family}_{number}: {row}")));
    }
    assert!(missing.is_empty(), "no test is named for {missing:#?}");
}
