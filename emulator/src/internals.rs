//! For this project's own benches and fuzz targets. Nothing here is promised to anybody: it comes,
//! goes and changes without a word in the change log.
//!
//! It decides nothing. Each function takes plain values, and panics where the core contradicts
//! itself.

use crate::device_gateway::codec::scrutiny;
use crate::names::TopicName;
use crate::policy;

/// Whatever the bytes, as a policy document: it is read; if it is one, it is asked in several ways,
/// which must agree.
pub fn policy_document(bytes: &[u8]) {
    // The AWS API hands on nothing but UTF-8.
    if let Ok(text) = std::str::from_utf8(bytes) {
        policy::scrutinise(text);
    }
}

/// Whatever the bytes, as what a device sends: the first says in which MQTT version and whether
/// packets may be large, the second how many of the next say how the rest is cut into reads.
///
/// It reads as packets or ends, however it is cut; what it reads as is written back and read again.
pub fn mqtt_packets(bytes: &[u8]) {
    scrutiny::scrutinise(bytes);
}

/// A client with its policies, to be asked for its leave to publish.
#[derive(Debug)]
pub struct PolicySession(policy::Session);

impl PolicySession {
    /// A client called `client_id` that `documents` count for.
    ///
    /// # Panics
    ///
    /// If one of `documents` is no policy.
    pub fn new(documents: &[String], client_id: &str) -> Self {
        Self(policy::Session::new(documents, client_id))
    }

    /// Whether it may publish to `topic`, decided anew.
    pub fn decide(&self, topic: &TopicName) -> bool {
        self.0.decide(topic)
    }

    /// The same, remembered from the time before.
    pub fn decide_again(&mut self, topic: &TopicName) -> bool {
        self.0.decide_again(topic)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Every document and every text of `fixtures/policies`, as `scripts/fuzz` plants them.
    fn seeds() -> Vec<String> {
        macro_rules! tables {
            ($($file:literal)*) => {
                [$(include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/", $file, ".json"
                ))),*]
            };
        }
        let tables = tables!["certificate-variables" "connect-attributes" "defaults" "documents"
            "https" "last-will" "operators" "reserved-topics" "resources" "statements"
            "thing-groups" "things" "variables"];
        let mut seeds = Vec::new();
        for table in tables {
            let table: Value = serde_json::from_str(table).unwrap();
            for case in table["documents"].as_array().into_iter().flatten() {
                let text = case["text"].as_str().map(str::to_owned);
                seeds.push(text.unwrap_or_else(|| case["document"].to_string()));
            }
            for group in table["groups"].as_array().into_iter().flatten() {
                let policies = group["documents"].as_array().unwrap().iter();
                let documents = policies.map(|it| it.get("document").unwrap_or(it).to_string());
                seeds.extend(documents);
            }
        }
        seeds
    }

    /// Every packet of `fixtures/packets`, as `scripts/fuzz` plants them: whole and in pieces, and
    /// all legal ones of a version in a row.
    fn packets() -> Vec<Vec<u8>> {
        macro_rules! file {
            ($file:literal) => {
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/packets/", $file))
            };
        }
        let mut seeds = Vec::new();
        for text in [file!("accepted.txt"), file!("refused.txt"), file!("answers.txt")] {
            let mut rows = [Vec::new(), Vec::new(), Vec::new()];
            for line in text.lines().filter(|line| line.contains(" | ")) {
                let mut fields = line.split(" | ");
                let version = match fields.next().unwrap() {
                    "-" => 0,
                    "3.1.1" => 1,
                    _ => 2,
                };
                let Some(hex) = fields.next().filter(|_| !line.starts_with('#')) else { continue };
                let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
                rows[usize::from(version)].extend(bytes.clone());
                seeds.push([vec![version, 2, 1, 7], bytes].concat());
            }
            let all = (0..).zip(rows).map(|(version, row)| [vec![version, 0], row].concat());
            seeds.extend(all);
        }
        seeds
    }

    #[test]
    fn every_packet_of_the_tables_passes_the_fuzz_target() {
        let seeds = packets();
        assert!(seeds.len() > 400, "{} seeds", seeds.len());
        for seed in seeds {
            mqtt_packets(&seed);
        }
        mqtt_packets(b"");
    }

    #[test]
    fn every_document_of_the_tables_passes_the_fuzz_target() {
        let seeds = seeds();
        assert!(seeds.len() > 300, "{} seeds", seeds.len());
        for seed in seeds {
            policy_document(seed.as_bytes());
        }
        policy_document(b"\xff");
    }

    proptest! {
        #[test]
        fn so_does_a_mixture_of_two_of_them(
            one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
            from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
            length in 0..40_usize,
        ) {
            thread_local!(static SEEDS: Vec<String> = seeds());
            let mixture = SEEDS.with(|seeds| {
                let (one, other) = (one.get(seeds).as_bytes(), other.get(seeds).as_bytes());
                let (at, from) = (to.index(one.len() + 1), from.index(other.len() + 1));
                let piece = &other[from..(from + length).min(other.len())];
                let rest = &one[(at + length / 2).min(one.len())..];
                [&one[..at], piece, rest].concat()
            });
            policy_document(&mixture);
        }

        #[test]
        fn so_do_mixtures_of_packets(
            pieces in prop::collection::vec(
                (any::<prop::sample::Index>(), 0..9_usize, 0..60_usize), 1..6),
            terms in any::<u8>(), sizes in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            thread_local!(static SEEDS: Vec<Vec<u8>> = packets());
            let mut mixture = vec![terms, sizes.len() as u8];
            mixture.extend(sizes);
            SEEDS.with(|seeds| {
                for (index, from, length) in pieces {
                    let seed = index.get(seeds);
                    // Mostly whole packets, so that what follows is read as such.
                    let seed = &seed[(4 + from.saturating_sub(5)).min(seed.len())..];
                    let length = if length < 5 { length } else { seed.len() };
                    mixture.extend(&seed[..length.min(seed.len())]);
                }
            });
            mqtt_packets(&mixture);
        }
    }
}
