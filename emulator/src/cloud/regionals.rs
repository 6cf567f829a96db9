//! Every account and Region, found by itself or by the name of its endpoint, each with one look.
//!
//! It decides which names are an endpoint's. What a connection with another name means is decided
//! in `meant.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

use std::collections::{BTreeMap, HashMap};

use super::Regional;
use crate::iot_core::IotCore;
use crate::names::Scope;

/// The accounts and Regions of one emulator.
#[derive(Debug, Default)]
pub(super) struct Regionals {
    by_scope: BTreeMap<Scope, Regional>,
    // INVARIANT: leads to each of `by_scope`, which never loses one. A prefix has no dot and a host
    // has, so they do not meet.
    by_endpoint: HashMap<String, Scope>,
}

impl Regionals {
    /// Keeps the services of one more account and Region.
    pub(super) fn insert(&mut self, regional: Regional, is_default: bool) {
        let iot_core = &regional.iot_core;
        let scope = iot_core.scope().clone();
        self.by_endpoint.insert(iot_core.endpoint_prefix().to_owned(), scope.clone());
        // The default one has the host names that mean nobody in particular.
        if !is_default {
            let host = iot_core.endpoint().to_owned();
            self.by_endpoint.entry(host).or_insert_with(|| scope.clone());
        }
        self.by_scope.insert(scope, regional);
    }

    pub(super) fn get(&self, scope: &Scope) -> Option<&Regional> {
        self.by_scope.get(scope)
    }

    /// All of them, by account and Region.
    pub(super) fn all(&self) -> impl Iterator<Item = &Regional> {
        self.by_scope.values()
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# the prefix decides, compared without case; the Region in the name does not
    /// The `IotCore` whose endpoint is called `name`, in lower case.
    pub(super) fn named(&self, name: &str) -> Option<IotCore> {
        let label = name.split('.').next()?;
        let prefix = label.strip_suffix("-ats").unwrap_or(label);
        let scope = self.by_endpoint.get(prefix).or_else(|| self.by_endpoint.get(name))?;
        self.get(scope).map(|regional| regional.iot_core.clone())
    }
}
