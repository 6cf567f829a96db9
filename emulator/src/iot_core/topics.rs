//! Which topics a device may name at all, before any policy is asked: lengths, slashes, and AWS's
//! table of reserved `$` topics.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html>.

use crate::names::{TopicFilter, TopicName, topic_matches};
use crate::quotas::{SHARE_NAME_CHARACTERS, TOPIC_BYTES, TOPIC_SLASHES};

/// What a device may do with a family of reserved topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Publish,
    Subscribe,
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html
//# what clients may publish and subscribe to; anything else that begins with `$` is refused
const RESERVED: &[(&str, May)] = &[
    ("$aws/things/+/shadow/get", May::Publish),
    ("$aws/things/+/shadow/update", May::Publish),
    ("$aws/things/+/shadow/delete", May::Publish),
    ("$aws/things/+/shadow/name/+/get", May::Publish),
    ("$aws/things/+/shadow/name/+/update", May::Publish),
    ("$aws/things/+/shadow/name/+/delete", May::Publish),
    ("$aws/things/+/jobs/get", May::Publish),
    ("$aws/things/+/jobs/start-next", May::Publish),
    ("$aws/things/+/jobs/+/get", May::Publish),
    ("$aws/things/+/jobs/+/update", May::Publish),
    ("$aws/certificates/create/+", May::Publish),
    ("$aws/certificates/create-from-csr/+", May::Publish),
    ("$aws/provisioning-templates/+/provision/+", May::Publish),
    ("$aws/things/+/defender/metrics/+", May::Publish),
    ("$aws/things/+/streams/+/get/+", May::Publish),
    ("$aws/things/+/streams/+/describe/+", May::Publish),
    ("$aws/device_location/+/get_position_estimate", May::Publish),
    ("$aws/things/", May::Subscribe),
    ("$aws/certificates/", May::Subscribe),
    ("$aws/provisioning-templates/", May::Subscribe),
    ("$aws/events/", May::Subscribe),
    ("$aws/device_location/", May::Subscribe),
    ("$aws/sitewise/", May::Subscribe),
];

/// Topics that AWS answers and this emulator does not, yet: a publish is taken and traced.
const UNANSWERED: &[&str] = &[
    "$aws/things/+/shadow/#",
    "$aws/things/+/jobs/#",
    "$aws/certificates/#",
    "$aws/provisioning-templates/#",
    "$aws/things/+/defender/#",
    "$aws/things/+/streams/#",
    "$aws/device_location/#",
];

/// Where a publish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To subscribers and rules.
    Everybody,
    /// Basic Ingest: to one rule alone.
    Rule,
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
    let may =
        RESERVED.iter().any(|(filter, may)| *may == May::Publish && topic_matches(filter, text));
    if !may {
        return Err(TopicRefusal(format!(
            "clients may not publish to the reserved topic `{text}`"
        )));
    }
    refuse_retained(retain, text)?;
    let unanswered = UNANSWERED.iter().any(|filter| topic_matches(filter, text));
    Ok(if unanswered { Destination::Unanswered } else { Destination::Everybody })
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
    let text = match filter.shared() {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
        //# a share name has 1 to 128 characters
        Some((name, _)) if name.chars().count() > SHARE_NAME_CHARACTERS => {
            let why = format!("a share name has at most {SHARE_NAME_CHARACTERS} characters");
            return Err(TopicRefusal(why));
        }
        Some((_name, inner)) => inner,
        None => filter.as_str(),
    };
    check_size(text)?;
    let reserved = text.starts_with('$');
    let may =
        RESERVED.iter().any(|(prefix, may)| *may == May::Subscribe && text.starts_with(prefix));
    if reserved && !may {
        return Err(TopicRefusal(format!("clients may not subscribe to `{text}`")));
    }
    Ok(())
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
        let table = [
            ("a/b", false, Ok(Destination::Everybody)),
            ("$aws/things/t/shadow/update", false, Ok(Destination::Unanswered)),
            ("$aws/things/t/shadow/update", true, Err(())),
            ("$aws/things/t/shadow/update/accepted", false, Err(())),
            ("$aws/events/certificates/registered/x", false, Err(())),
            ("$aws/rules/r/a/b/c/d/e/f/g/h", false, Ok(Destination::Rule)),
            ("$aws/rules/r", false, Ok(Destination::Rule)),
            ("$aws/rules/r/a", true, Err(())),
            ("$SYS/x", false, Err(())),
            ("a/b/c/d/e/f/g/h", false, Ok(Destination::Everybody)),
            ("a/b/c/d/e/f/g/h/i", false, Err(())),
            (&long, false, Err(())),
        ];
        for (topic, retain, expected) in table {
            let topic = TopicName::new(topic);
            assert_eq!(publish(&topic, retain).map_err(|_| ()), expected, "{topic}");
        }
    }

    #[test]
    fn c37_a_client_subscribes_only_where_the_table_lets_it() {
        let named = |length: usize| format!("$share/{}/a", "é".repeat(length));
        let (longest, too_long) = (named(SHARE_NAME_CHARACTERS), named(SHARE_NAME_CHARACTERS + 1));
        let table = [
            (&*longest, true),
            (&*too_long, false),
            ("#", true),
            ("a/+/b", true),
            ("$aws/events/#", true),
            ("$aws/things/t/shadow/update/accepted", true),
            ("$share/g/a/b/c/d/e/f/g/h", true),
            ("$share/g/$SYS/x", false),
            ("$aws/rules/r/a", false),
            ("$SYS/#", false),
            ("$invalid/reserved/topic", false),
            ("a/b/c/d/e/f/g/h/#", false),
        ];
        for (filter, expected) in table {
            assert_eq!(subscribe(&TopicFilter::new(filter)).is_ok(), expected, "{filter}");
        }
    }
}
