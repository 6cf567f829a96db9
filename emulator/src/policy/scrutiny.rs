//! One text against everything that may be asked of a document, whatever the text: for fuzzing.
//!
//! It decides nothing; it fails where two readings of one document differ, or where an answer is
//! not what a trace or an exception may hold.

use std::sync::Arc;

use super::evaluate::{decide, evaluate};
use super::explain::Question;
use super::{
    Action, AttachedTo, Connect, Context, Decision, Document, ListRetainedMessages, PolicyInForce,
    PolicyVersion, Publish, Receive, Subscribe,
};
use crate::names::Scope;
use crate::time::Timestamp;

/// No text of a malformed document has more characters than this.
const SAID_AT_MOST: usize = 1000;

/// Reads `text`; decides, evaluates and explains what it says if it is a document.
pub(crate) fn scrutinise(text: &str) {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(malformed) => {
            let said = malformed.to_string();
            assert!(said.starts_with("Policy document is Malformed"), "{said}");
            assert!(said.chars().count() <= SAID_AT_MOST, "too long: {said}");
            assert!(!said.contains(char::is_control), "not one line: {said:?}");
            return;
        }
    };
    let version = PolicyVersion { name: "P".into(), version_id: 1, document };
    let policy = PolicyInForce::new(Arc::new(version), AttachedTo::Certificate);
    let questions: [(u8, &str, &str); 5] = [
        (Connect::PLACE, Connect::NAME, "arn:aws:iot:us-east-1:123456789012:client/c1"),
        (Publish::PLACE, Publish::NAME, "arn:aws:iot:us-east-1:123456789012:topic/a/é"),
        (Subscribe::PLACE, Subscribe::NAME, "arn:aws:iot:us-east-1:123456789012:topicfilter/+/#"),
        (Receive::PLACE, Receive::NAME, "arn:aws:iot:us-east-1:123456789012:topic/c1"),
        (ListRetainedMessages::PLACE, ListRetainedMessages::NAME, "*"),
    ];
    let policies = [policy];
    for context in [Context::new(), rich_context()] {
        for (place, action, arn) in questions {
            let decision = decide(&policies, &context, place, arn);
            let evaluation = evaluate(&policies, &context, action, arn);
            assert_eq!(decision, evaluation.decision, "{action} {arn}");
            let why =
                Question { policies: &policies, context: &context, action, arn }.why(decision);
            assert_eq!(why.is_empty(), decision == Decision::Allowed, "{action} {arn}");
            assert!(why.iter().all(|line| !line.contains(char::is_control)), "{why:?}");
        }
    }
}

/// A context in which most variables have values.
fn rich_context() -> Context {
    let mut context = Context::new();
    context.set_client_id(&"c1".into());
    context.set_source_ip([192, 0, 2, 1].into());
    context.set_now(Timestamp::from_seconds(1_900_000_000));
    let attributes = [("n".into(), "10".into()), ("site".into(), "a*b".into())];
    context.set_thing("c1".into(), Some("Lamp".into()), attributes.into());
    let scope = Scope::new("123456789012", "us-east-1");
    context.set_connect_attributes(&scope, true, Some(&"a/will".into()));
    context
}
