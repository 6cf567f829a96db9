//! The tables of `fixtures/policies` against the engine: the pure one of the ways in which each case
//! is asked.

use super::*;
use crate::names::TopicName;
use crate::pki::{self, Identity};

#[path = "../../../../fixtures/policies/check.rs"]
mod check;

use check::{Answer, Door, Question, Said, Table, Way};

/// The pure function: a context is made of the facts, and the engine is asked.
struct Pure;

impl Way for Pure {
    fn can_ask(&self, _question: &Question<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    fn ask(&mut self, question: &Question<'_>) -> Answer {
        let identity = question.client().certificate.identity();
        let id = identity.certificate_id().to_string();
        let mut asked = Asked {
            policies: question.policies().filter(|it| question.counts(it)).map(attached).collect(),
            context: context(question, &identity),
            said: Said::default(),
        };
        let name = question.name(&id);
        let client = question.client();
        let refused = match question.action() {
            "iot:Connect" => asked.may::<Connect>(name.into()).and_then(|()| {
                client.last_will.as_ref().map_or(Ok(()), |will| {
                    let topic = TopicName::from(will.topic.as_str());
                    asked.may::<Publish>(topic.clone())?;
                    if will.retain { asked.may::<RetainPublish>(topic) } else { Ok(()) }
                })
            }),
            "iot:RetainPublish" => asked
                .may::<Publish>(name.as_str().into())
                .and_then(|()| asked.may::<RetainPublish>(name.into())),
            "iot:Publish" => asked.may::<Publish>(name.into()),
            "iot:Subscribe" => asked.may::<Subscribe>(name.into()),
            "iot:Receive" => asked.may::<Receive>(name.into()),
            "iot:GetRetainedMessage" => asked.may::<GetRetainedMessage>(name.into()),
            "iot:ListRetainedMessages" => asked.may::<ListRetainedMessages>(()),
            "iot:DeleteConnection" => asked.may::<DeleteConnection>(name.into()),
            "iot:GetConnection" => asked.may::<GetConnection>(name.into()),
            "iot:ListSubscriptions" => asked.may::<ListSubscriptions>(name.into()),
            "iot:GetThingShadow" => asked.may::<GetThingShadow>(Named::new(name)),
            "iot:UpdateThingShadow" => asked.may::<UpdateThingShadow>(Named::new(name)),
            "iot:DeleteThingShadow" => asked.may::<DeleteThingShadow>(Named::new(name)),
            other => asked.may_other(other, &question.arn(&id)),
        };
        let (decision, why) = match refused {
            Ok(()) => (Decision::Allowed, Vec::new()),
            Err(Refusal { action, resource, decision, why }) => {
                assert!(!why.is_empty(), "{question}: no reason");
                let first = format!("refused {action} on {resource}");
                (decision, [first].into_iter().chain(why).collect())
            }
        };
        let decision = match decision {
            Decision::Allowed => check::Decision::Allowed,
            Decision::ExplicitDeny => check::Decision::ExplicitDeny,
            Decision::ImplicitDeny => check::Decision::ImplicitDeny,
        };
        Answer { decision, why: Some(why), missing: None, said: Some(asked.said) }
    }
}

/// The engine with what one question gives it.
struct Asked {
    policies: Vec<PolicyInForce>,
    context: Context,
    /// By the last action that was asked for.
    said: Said,
}

impl Asked {
    /// Whether the client may do `A`; evaluating must say the same.
    fn may<A: Action>(&mut self, resource: A::Resource) -> Result<(), Refusal> {
        let arn = A::resource_arn(&scope(), &resource);
        let done = authorize::<A>(&self.policies, &self.context, &scope(), resource).map(drop);
        let decision = self.evaluated(A::NAME, &arn);
        assert_eq!(done.as_ref().err().map_or(Decision::Allowed, |it| it.decision), decision);
        done
    }

    /// The same for an action that no door of ours asks for.
    fn may_other(&mut self, action: &str, arn: &str) -> Result<(), Refusal> {
        assert!(!action::KNOWN.contains(&action), "{action} has a type");
        let decision = self.evaluated(action, arn);
        let Self { policies, context, .. } = self;
        let question = explain::Question { policies, context, action, arn };
        match decision {
            Decision::Allowed => Ok(()),
            _ => Err(Refusal {
                action: "another action",
                resource: arn.to_owned(),
                decision,
                why: question.why(decision),
            }),
        }
    }

    fn evaluated(&mut self, action: &str, arn: &str) -> Decision {
        let said = evaluate(&self.policies, &self.context, action, arn);
        let names = |policies: &[&PolicyInForce]| {
            policies.iter().map(|policy| policy.name.to_string()).collect()
        };
        self.said = Said {
            allowed: names(&said.allowed_by),
            implicit_deny: names(&said.implicitly_denied_by),
            explicit_deny: names(&said.explicitly_denied_by),
        };
        said.decision
    }
}

fn attached(policy: check::Policy<'_>) -> PolicyInForce {
    let attached_to = match policy.group {
        None => AttachedTo::Certificate,
        Some(name) => AttachedTo::ThingGroup(Box::new(name.into())),
    };
    in_force(policy.name().as_str(), policy.document, attached_to)
}

/// The policy variables of the client, as an `Authorizer` sets them.
fn context(question: &Question<'_>, identity: &Identity) -> Context {
    let client = question.client();
    let mut context = Context::new();
    context.set_certificate(identity.certificate());
    context.set_source_ip(question.address());
    context.set_domain_name(question.server_name().map(Into::into));
    context.set_now(Timestamp::from_seconds(client.now.unwrap_or(1_800_000_000)));
    match (question.door(), question.client_id()) {
        (Door::Mqtt, Some(id)) => {
            context.set_client_id(&id.into());
            let topic = client.last_will.as_ref().map(|will| will.topic.as_str().into());
            context.set_connect_attributes(&scope(), client.persistent, topic.as_ref());
            if question.action() != Connect::NAME {
                context.set_connected();
            }
            match question.thing() {
                Ok(thing) => {
                    let attributes = thing.attributes.iter();
                    let attributes = attributes.map(|(name, value)| (&**name, &**value));
                    let of_type = thing.r#type.as_deref().map(Into::into);
                    context.set_thing((&*thing.name).into(), of_type, shared(attributes));
                }
                Err(why) => context.set_no_thing(why.into()),
            }
        }
        _ => context.set_https(),
    }
    context
}

macro_rules! tables {
    ($($test:ident $file:literal $cases:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let table = include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/", $file, ".json"
                ));
                assert_eq!(Table::read(table).check(&mut Pure), $cases);
            }
        )*
    };
}

tables! {
    pol_20_pol_21_resources_are_compared_as_aws_compares_them "resources" 77,
    pol_2_pol_8_statements_and_policies_combine "statements" 53,
    connect_attributes_are_what_the_guide_says "connect-attributes" 48,
    every_condition_operator_holds_when_it_should "operators" 151,
    variables_have_values_or_say_why_not "variables" 71,
    pol_40_to_46_certificate_variables_have_their_limits "certificate-variables" 88,
    pol_30_a_will_needs_what_a_publish_needs "last-will" 23,
    pol_35_to_49_a_connection_is_a_thing_or_says_why_not "things" 36,
    pol_3_pol_4_policies_of_thing_groups_count "thing-groups" 34,
    reserved_topics_are_topics_to_a_policy "reserved-topics" 42,
    over_https_there_is_no_client_id_and_no_thing "https" 48,
    a_variable_without_a_value_stands_for_its_default "defaults" 13,
}
