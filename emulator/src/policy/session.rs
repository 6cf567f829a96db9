//! One client with its policies, and nothing around it: for benches.

use std::sync::Arc;

use super::{
    AttachedTo, Context, Document, PolicyInForce, PolicyVersion, Publish, RecentlyAllowed,
    authorize,
};
use crate::names::{Scope, TopicName};
use crate::time::Timestamp;

/// A client with its policies.
#[derive(Debug)]
pub(crate) struct Session {
    policies: Box<[PolicyInForce]>,
    context: Context,
    scope: Scope,
    recently: RecentlyAllowed,
}

impl Session {
    /// A client called `client_id` that `documents` count for, all of which are policies.
    pub(crate) fn new(documents: &[String], client_id: &str) -> Self {
        let policies = documents.iter().map(|text| {
            let document = Document::parse(text).expect("a policy document");
            let version = PolicyVersion { name: "P".into(), version_id: 1, document };
            PolicyInForce::new(Arc::new(version), AttachedTo::Certificate)
        });
        let mut context = Context::new();
        context.set_client_id(&client_id.into());
        context.set_thing(client_id.into(), None, [("site".into(), "Berlin".into())].into());
        Self {
            policies: policies.collect(),
            context,
            scope: Scope::new("123456789012", "us-east-1"),
            recently: RecentlyAllowed::default(),
        }
    }

    /// Whether it may publish to `topic`.
    pub(crate) fn decide(&self, topic: &TopicName) -> bool {
        authorize::<Publish>(&self.policies, &self.context, &self.scope, topic.clone()).is_ok()
    }

    /// The same, asked by way of what is remembered.
    pub(crate) fn decide_again(&mut self, topic: &TopicName) -> bool {
        let Self { policies, context, scope, recently } = self;
        let now = Timestamp::from_seconds(0);
        recently.authorize::<Publish>(policies, context, scope, topic.clone(), now).is_ok()
    }
}
