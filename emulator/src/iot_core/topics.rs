//! Which topics a device may name at all, before any policy is asked: lengths, slashes, and AWS's
//! table of reserved `$` topics.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html>.

use crate::names::{TopicFilter, TopicName, topic_matches};
use crate::quotas::{SHARE_NAME_CHARACTERS, TOPIC_BYTES, TOPIC_SLASHES};

//= https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
//# what clients may publish to; anything else that begins with `$` is refused
/// Rows of levels: `a|b` is one of these words, `+` any level that is not empty.
const PUBLISH: &[&str] = &[
    "$aws/things/+/shadow/get|update|delete",
    "$aws/things/+/shadow/name/+/get|update|delete",
    "$aws/things/+/jobs/get|start-next",
    "$aws/things/+/jobs/+/get|update",
    "$aws/certificates/create|create-from-csr/json|cbor",
    "$aws/provisioning-templates/+/provision/json|cbor",
    "$aws/things/+/defender/metrics/json|cbor",
    "$aws/things/+/streams/+/get|describe/json|cbor",
    "$aws/device_location/+/get_position_estimate",
    "$aws/commands/+/+/executions/+/response/json|cbor",
];

//= https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
//# what clients may subscribe to; Basic Ingest's topics and those of requests are not among it,
//# shadows apart
/// Rows as those of [`PUBLISH`]; `#` is whatever follows.
const SUBSCRIBE: &[&str] = &[
    "$aws/things/+/shadow/get|update|delete",
    "$aws/things/+/shadow/get|update|delete/accepted|rejected",
    "$aws/things/+/shadow/update/delta|documents",
    "$aws/things/+/shadow/name/+/get|update|delete",
    "$aws/things/+/shadow/name/+/get|update|delete/accepted|rejected",
    "$aws/things/+/shadow/name/+/update/delta|documents",
    "$aws/things/+/jobs/get|start-next/accepted|rejected",
    "$aws/things/+/jobs/+/get|update/accepted|rejected",
    "$aws/things/+/jobs/notify|notify-next",
    "$aws/certificates/create|create-from-csr/json|cbor/accepted|rejected",
    "$aws/provisioning-templates/+/provision/json|cbor/accepted|rejected",
    "$aws/events/#",
    "$aws/things/+/defender/metrics/json|cbor/accepted|rejected",
    "$aws/things/+/streams/+/data|description|rejected/json|cbor",
    "$aws/things/+/tunnels/notify",
    "$aws/device_location/+/get_position_estimate/accepted|rejected",
    "$aws/commands/+/+/executions/+/request",
    "$aws/commands/+/+/executions/+/request/json|cbor",
    //? assumed: that AWS lists the same with the payload format behind it, which makes eight
    //? slashes, lifts no quota
    "$aws/commands/+/+/executions/+/response/accepted|rejected",
    "$aws/sitewise/asset-models/+/assets/+/properties/+",
];

/// Topics on which devices ask for certificates, and to be provisioned.
const FLEET_PROVISIONING: &[&str] = &["$aws/certificates/#", "$aws/provisioning-templates/#"];

/// Topics that AWS answers and this emulator does not, yet: a publish is taken and traced.
const UNANSWERED: &[&str] = &[
    "$aws/things/+/shadow/#",
    "$aws/things/+/jobs/#",
    "$aws/things/+/defender/#",
    "$aws/things/+/streams/#",
    "$aws/device_location/#",
    "$aws/commands/#",
];

/// Where a publish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To subscribers and rules.
    Everybody,
    /// Basic Ingest: to one rule alone.
    Rule,
    /// To fleet provisioning, which answers.
    FleetProvisioning,
    /// A service of AWS that is not here.
    Unanswered,
}

/// Why a topic or filter may not be used, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRefusal(pub(crate) String);

/// Whether a device may publish to `topic`, and where that goes.
pub(super) fn publish(topic: &TopicName, retain: bool) -> Result<Destination, TopicRefusal> {
    let text = topic.as_str();
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html
    //# `$aws/rules/NAME/` in front does not count towards the limits of a topic
    if let Some(rest) = text.strip_prefix("$aws/rules/") {
        let (_rule, topic) = rest.split_once('/').unwrap_or((rest, ""));
        check_size(topic)?;
        refuse_retained(retain, text)?;
        return Ok(Destination::Rule);
    }
    check_size(text)?;
    if !text.starts_with('$') {
        return Ok(Destination::Everybody);
    }
    if !PUBLISH.iter().any(|row| names(row, text)) {
        return Err(TopicRefusal(format!(
            "clients may not publish to the reserved topic `{text}`"
        )));
    }
    refuse_retained(retain, text)?;
    let is_one_of = |filters: &[&str]| filters.iter().any(|filter| topic_matches(filter, text));
    Ok(match text {
        _ if is_one_of(FLEET_PROVISIONING) => Destination::FleetProvisioning,
        _ if is_one_of(UNANSWERED) => Destination::Unanswered,
        _ => Destination::Everybody,
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
//# the topic must not start with `$`, nor be longer or deeper than another; it is no filter
/// Whether a direct message may have `topic`.
pub(super) fn direct(topic: &str) -> Result<(), TopicRefusal> {
    if topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.starts_with('$') {
        return Err(TopicRefusal(format!("a direct message cannot have the topic `{topic}`")));
    }
    check_size(topic)
}

/// Whether a device may subscribe to `filter`.
pub(super) fn subscribe(filter: &TopicFilter) -> Result<(), TopicRefusal> {
    let shared = filter.shared();
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a share name has at most 128 characters; `$share/NAME/` does not count towards the limits
    let name = shared.map_or(0, |(name, _filter)| name.chars().count());
    if name > SHARE_NAME_CHARACTERS {
        return Err(TopicRefusal(format!(
            "{name} characters of share name, {SHARE_NAME_CHARACTERS} at most"
        )));
    }
    let text = shared.map_or(filter.as_str(), |(_name, filter)| filter);
    check_size(text)?;
    if text.starts_with('$') && !SUBSCRIBE.iter().any(|row| reaches(row, text)) {
        return Err(TopicRefusal(format!("clients may not subscribe to `{text}`")));
    }
    Ok(())
}

/// Whether `topic` is one of those that a row stands for.
//= https://docs.aws.amazon.com/iot/latest/developerguide/topics.html
//# topics are case-sensitive, reserved ones too
fn names(row: &str, topic: &str) -> bool {
    let (mut row, mut levels) = (row.split('/'), topic.split('/'));
    loop {
        match (row.next(), levels.next()) {
            (None, None) => return true,
            (Some("#"), Some(_)) => return true,
            (Some(words), Some(level)) if is_one_of(words, level) => {}
            _ => return false,
        }
    }
}

/// Whether `filter` can match one of the topics that a row stands for.
//? assumed: a filter with wildcards is taken if some topic of the table matches it, unless a
//? wildcard stands for the name behind `$aws/`
fn reaches(row: &str, filter: &str) -> bool {
    if filter.split('/').nth(1).is_none_or(|family| matches!(family, "+" | "#")) {
        return false;
    }
    let (mut row, mut levels) = (row.split('/'), filter.split('/'));
    loop {
        match (row.next(), levels.next()) {
            (None, None) => return true,
            (Some("#"), Some(_)) | (Some(_), Some("#")) => return true,
            (Some(_), Some("+")) => {}
            (Some(words), Some(level)) if is_one_of(words, level) => {}
            _ => return false,
        }
    }
}

fn is_one_of(words: &str, level: &str) -> bool {
    !level.is_empty() && (words == "+" || words.split('|').any(|word| word == level))
}

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# a topic has at most 256 bytes and 7 slashes
fn check_size(topic: &str) -> Result<(), TopicRefusal> {
    if topic.len() > TOPIC_BYTES {
        return Err(TopicRefusal(format!("{} bytes of topic, {TOPIC_BYTES} at most", topic.len())));
    }
    match topic.bytes().filter(|byte| *byte == b'/').count() {
        slashes if slashes > TOPIC_SLASHES => {
            Err(TopicRefusal(format!("{slashes} slashes in the topic, {TOPIC_SLASHES} at most")))
        }
        _ => Ok(()),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
//# nothing on a reserved topic can be retained
fn refuse_retained(retain: bool, topic: &str) -> Result<(), TopicRefusal> {
    if retain {
        return Err(TopicRefusal(format!(
            "nothing can be retained on the reserved topic `{topic}`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c37_a_client_publishes_only_where_the_table_lets_it() {
        let long = "x".repeat(TOPIC_BYTES + 1);
        let longest = &long[1..];
        let ingested = format!("$aws/rules/r/{longest}");
        let too_long = format!("$aws/rules/r/{long}");
        let table = [
            ("a/b", false, Ok(Destination::Everybody)),
            ("$aws/things/t/shadow/update", true, Err(())),
            ("$aws/things//shadow/update", false, Err(())),
            ("$aws/things/t/shadow/update/accepted", false, Err(())),
            ("$aws/certificates/create/xml", false, Err(())),
            ("$aws/events/certificates/registered/x", false, Err(())),
            ("$aws/rules/r/a/b/c/d/e/f/g/h", false, Ok(Destination::Rule)),
            ("$aws/rules/r/a/b/c/d/e/f/g/h/i", false, Err(())),
            ("$aws/rules/r", false, Ok(Destination::Rule)),
            ("$aws/rules", false, Err(())),
            ("$aws/rules/r/a", true, Err(())),
            ("$AWS/rules/r/a", false, Err(())),
            ("$aws/Rules/r/a", false, Err(())),
            (&ingested, false, Ok(Destination::Rule)),
            (&too_long, false, Err(())),
            ("$SYS/x", false, Err(())),
            ("$share/g/a", false, Err(())),
            ("$", false, Err(())),
            ("a/b/c/d/e/f/g/h", false, Ok(Destination::Everybody)),
            ("a/b/c/d/e/f/g/h/i", false, Err(())),
            (longest, false, Ok(Destination::Everybody)),
            (&long, false, Err(())),
        ];
        for (topic, retain, expected) in table {
            let topic = TopicName::new(topic);
            assert_eq!(publish(&topic, retain).map_err(|_| ()), expected, "{topic}");
        }
    }

    #[test]
    fn c37_a_client_subscribes_only_where_the_table_lets_it() {
        let share = |characters: usize| format!("$share/{}/a", "é".repeat(characters));
        let (longest, too_long) = (share(128), share(129));
        let long = "x".repeat(TOPIC_BYTES + 1);
        let shared_long = format!("$share/g/{}", &long[1..]);
        let table = [
            (&long[1..], true),
            (&*long, false),
            (&*shared_long, true),
            (&"/".repeat(60_000), false),
            (&*longest, true),
            (&*too_long, false),
            ("#", true),
            ("a/+/b", true),
            ("$aws/events/#", true),
            ("$aws/events/+", true),
            ("$aws/events", false),
            ("$aws/#", false),
            ("$aws/+/x", false),
            ("$aws/things/#", true),
            ("$aws/things/t/#", true),
            ("$aws/things/+/shadow/#", true),
            ("$aws/things/t/shadow/update/accepted", true),
            ("$aws/things/t/shadow/+/documents", true),
            ("$aws/things/t/shadow/update/accepted/#", false),
            ("$aws/things/t/jobs/+/update/+", true),
            ("$aws/things/t/jobs/$next/get/accepted", true),
            ("$aws/things/t/unknown", false),
            ("$share/g/a/b/c/d/e/f/g/h", true),
            ("$share/g/a/b/c/d/e/f/g/h/#", false),
            ("$share/g/$aws/events/#", true),
            ("$share/g/$SYS/x", false),
            ("$SHARE/g/a", false),
            (&longest, true),
            (&too_long, false),
            ("$aws/rules/r/a", false),
            ("$aws/rules/#", false),
            ("$SYS/#", false),
            ("$invalid/reserved/topic", false),
            ("$AWS/events/x", false),
            ("a/b/c/d/e/f/g/h/#", false),
        ];
        for (filter, expected) in table {
            assert_eq!(subscribe(&TopicFilter::new(filter)).is_ok(), expected, "{filter}");
        }
    }

    /// A topic for each choice of words of a row.
    fn topics_of(row: &str) -> Vec<String> {
        row.split('/').fold(vec![String::new()], |topics, words| {
            let words = words.split('|').map(|word| match word {
                "+" | "#" => "x",
                word => word,
            });
            let longer = words.flat_map(|word| {
                topics.iter().map(move |topic| match topic.as_str() {
                    "" => word.to_owned(),
                    topic => format!("{topic}/{word}"),
                })
            });
            longer.collect()
        })
    }

    /// What a row does not allow in one direction is refused there, unless another row allows it.
    #[test]
    fn c37_each_row_of_the_table_goes_one_way_and_shadow_requests_both() {
        for row in PUBLISH.iter().chain(SUBSCRIBE) {
            for topic in topics_of(row) {
                let asked = topic.contains("/shadow/")
                    && ["/get", "/update", "/delete"].iter().any(|word| topic.ends_with(word));
                let published = publish(&TopicName::new(&topic), false);
                let subscribed = subscribe(&TopicFilter::new(&topic));
                let publishes = PUBLISH.contains(row) || asked;
                let subscribes = SUBSCRIBE.contains(row) || asked;
                assert_eq!(published.is_ok(), publishes, "{topic}: {published:?}");
                assert_eq!(subscribed.is_ok(), subscribes, "{topic}: {subscribed:?}");
                let deeper = TopicName::from(format!("{topic}/accepted/x"));
                assert!(publish(&deeper, false).is_err(), "{deeper}");
                let empty = TopicName::from(topic.replace("/x/", "//"));
                assert!(empty.as_str() == topic || publish(&empty, false).is_err(), "{empty}");
            }
        }
    }
}
