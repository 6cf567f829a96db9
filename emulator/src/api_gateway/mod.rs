//! API Gateway of one account and Region: HTTP APIs, custom domain names with mutual TLS, and the
//! way of a request through them to a Lambda function.
//!
//! It decides which certificates a custom domain name trusts, which API, stage and route a request
//! belongs to, what the function is told, and what its result means as an HTTP response. It leaves
//! the handshake to `tls.rs`, running functions to `lambda`, and truststore objects to `s3`.
//! REST APIs (v1), WebSocket APIs, authorizers, CORS and HTTP integrations are not done; asking for
//! one is refused by name.
//! Truth: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html> and
//! botocore's model of `apigatewayv2`.

mod api_mappings;
mod apis;
mod call;
mod client_certificate;
mod deployments;
mod domain_names;
mod event;
mod find;
mod handle;
mod integrations;
mod page;
mod refusals;
mod refused;
mod respond;
mod route_key;
mod routes;
mod stages;
mod truststore;
mod typed;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use domain_names::Domain;
pub(crate) use handle::Visit;
pub use typed::DomainNameBuilder;

use crate::lambda::Functions;
use crate::names::Scope;
use crate::s3::Buckets;
use crate::time::Clock;

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
//# a payload has at most 10 MB, and the quota is not raised
/// The largest request body.
pub(crate) const PAYLOAD_BYTES: usize = 10 * 1024 * 1024;

/// API Gateway of one account in one Region; clones share it.
#[derive(Clone)]
pub struct ApiGateway {
    shared: Arc<Shared>,
}

struct Shared {
    scope: Scope,
    seed: u64,
    functions: Functions,
    buckets: Buckets,
    /// For the Rust API; operations and requests are told the time.
    clock: Clock,
    /// INVARIANT: never held across an `.await`, nor while a function runs.
    state: Mutex<State>,
}

struct State {
    apis: BTreeMap<String, apis::ApiState>,
    domain_names: BTreeMap<String, domain_names::DomainNameState>,
    identifiers: Identifiers,
}

impl State {
    fn new(scope: &Scope, seed: u64) -> Self {
        let origin = format!("{seed}/{}/{}", scope.account, scope.region);
        let identifiers = Identifiers { origin, given: 0 };
        Self { apis: BTreeMap::new(), domain_names: BTreeMap::new(), identifiers }
    }
}

impl fmt::Debug for ApiGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiGateway").field("scope", &self.shared.scope).finish_non_exhaustive()
    }
}

impl ApiGateway {
    /// An API Gateway without APIs. Equal seeds give equal identifiers.
    pub(crate) fn new(
        scope: Scope,
        seed: u64,
        functions: Functions,
        buckets: Buckets,
        clock: Clock,
    ) -> Self {
        let state = Mutex::new(State::new(&scope, seed));
        Self { shared: Arc::new(Shared { scope, seed, functions, buckets, clock, state }) }
    }

    /// The account and Region.
    pub(crate) fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    /// Forgets every API and domain name.
    pub(crate) fn clear(&self) {
        *self.lock() = State::new(self.scope(), self.shared.seed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives out identifiers that look like AWS's and are the same in every run of one seed.
struct Identifiers {
    origin: String,
    given: u64,
}

impl Identifiers {
    /// The next identifier: `length` lower-case letters and digits, a letter first.
    fn next(&mut self, length: usize) -> String {
        self.given += 1;
        let digest = crate::pki::sha256(format!("{}/{}", self.origin, self.given).as_bytes());
        let alphabet = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let character = |(index, byte): (usize, &u8)| {
            let letters = if index == 0 { 26 } else { alphabet.len() };
            char::from(alphabet[usize::from(*byte) % letters])
        };
        digest.iter().take(length).enumerate().map(character).collect()
    }
}
