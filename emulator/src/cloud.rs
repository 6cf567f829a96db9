//! Every account and Region of one emulator, and the few things that they share.
//!
//! It decides which [`IotCore`] a connection means: by endpoint name (SNI), by the address it came
//! to, or by the certificate; and it keeps what crosses them: clock, trace, outbox, root CA.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::api_gateway::{ApiGateway, Domain};
use crate::config::{Config, FunctionConfig};
use crate::emulator::{SETTLE_LIMIT, SettleError, StartError};
use crate::errors::{ApiError, ErrorCode};
use crate::iot_core::{CaOwners, IotCore, Surroundings};
use crate::lambda::{
    self, EventReport, Function, FunctionHost, Functions, ProcessFunction, QueuedEvent,
};
use crate::listeners::Addresses;
use crate::names::{Arn, CertificateId, Scope};
use crate::outbox::{Job, Outbox, RuleInvocation};
use crate::pki::{self, AwsIssuer, ServerAuthority};
use crate::s3::Buckets;
use crate::time::{Clock, Timestamp};
use crate::tls::TlsServer;
use crate::trace::{Entry, Listener, Trace};

/// All services of one account in one Region.
#[derive(Clone, Debug)]
pub(crate) struct Regional {
    pub(crate) iot_core: IotCore,
    pub(crate) functions: Functions,
    pub(crate) api_gateway: ApiGateway,
}

/// One emulator; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    default_scope: Scope,
    seed: u64,
    clock: Clock,
    trace: Trace,
    outbox: Outbox,
    addresses: Addresses,
    root_ca_pem: Arc<str>,
    tls: TlsServer,
    buckets: Buckets,
    function_host: FunctionHost,
    regionals: Mutex<BTreeMap<Scope, Regional>>,
    random: Mutex<fastrand::Rng>,
    timers: Arc<Notify>,
    ca_owners: CaOwners,
    issuer: Arc<AwsIssuer>,
}

/// Which `IotCore` a connection means.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(crate) iot_core: IotCore,
    /// SNI (or an address of its own) named the account, as the multi-account features want it.
    pub(crate) by_name: bool,
}

/// A name in SNI that looks like AWS's but belongs to no account here.
#[derive(Debug)]
pub(crate) struct UnknownEndpoint(pub(crate) String);

impl Cloud {
    /// An emulator's state, before anything runs; and the end of the outbox that a worker reads.
    pub(crate) fn new(
        config: Config,
        addresses: Addresses,
        listener: Option<Listener>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Job>), StartError> {
        let clock = if config.manual_clock { Clock::manual() } else { Clock::System };
        let authority = server_authority(&config)?;
        let root_ca_pem = authority.root_pem().into();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..) % 1_000_000);
        let trace = Trace::new(clock.clone(), listener);
        let (outbox, jobs) = Outbox::new();
        let buckets = Buckets::new(config.dir.as_ref().map(|dir| dir.join("s3")));
        let function_host = FunctionHost::new(seed, log_of_functions(&trace));
        function_host.set_surroundings(lambda::Surroundings {
            api_url: Some(addresses.api_url()),
            root_ca: root_ca_path(&config),
            variables: BTreeMap::new(),
        });
        let shared = Shared {
            default_scope: config.scope(),
            seed,
            tls: TlsServer::new(Arc::new(authority)),
            clock,
            trace,
            outbox,
            addresses,
            root_ca_pem,
            buckets,
            function_host,
            regionals: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            timers: Arc::default(),
            ca_owners: CaOwners::default(),
            issuer: Arc::new(AwsIssuer::new()),
            config,
        };
        let cloud = Self { shared: Arc::new(shared) };
        cloud.regional(cloud.default_scope());
        for endpoint in &cloud.shared.config.endpoint {
            cloud.regional(&Scope::new(endpoint.account.as_str(), endpoint.region.as_str()));
        }
        Ok((cloud, jobs))
    }

    /// Makes the functions and runs the calls that the configuration lists.
    pub(crate) fn seed_from_config(&self) -> Result<(), StartError> {
        let regional = self.regional(self.default_scope());
        for function in &self.shared.config.function {
            let refused =
                |error| StartError::Seed { what: format!("function `{}`", function.name), error };
            let made = configured(function).map_err(refused)?;
            regional.functions.register(&function.name, made, self.now()).map_err(refused)?;
        }
        for call in &self.shared.config.call {
            let input = call.input.clone().into();
            crate::aws_api::call(&regional, &call.service, &call.operation, input).map_err(
                |error| StartError::Seed { what: format!("call `{}`", call.operation), error },
            )?;
        }
        Ok(())
    }

    fn regionals(&self) -> MutexGuard<'_, BTreeMap<Scope, Regional>> {
        self.shared.regionals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The services of `scope`; they come to be when they are first asked for.
    pub(crate) fn regional(&self, scope: &Scope) -> Regional {
        let mut regionals = self.regionals();
        if let Some(regional) = regionals.get(scope) {
            return regional.clone();
        }
        let regional = self.new_regional(scope);
        regionals.insert(scope.clone(), regional.clone());
        regional
    }

    fn new_regional(&self, scope: &Scope) -> Regional {
        let shared = &self.shared;
        let functions = Functions::new(scope.clone(), &shared.function_host);
        let api_gateway = ApiGateway::new(
            scope.clone(),
            shared.seed,
            functions.clone(),
            shared.buckets.clone(),
            shared.clock.clone(),
        );
        let prefix = endpoint_prefix(shared.seed, scope);
        let surroundings = Surroundings {
            scope: scope.clone(),
            seed: shared.seed,
            clock: shared.clock.clone(),
            trace: shared.trace.clone(),
            outbox: shared.outbox.clone(),
            functions: functions.clone(),
            endpoint_host: self.endpoint_host(scope, &prefix),
            endpoint_prefix: prefix,
            addresses: shared.addresses.of(scope),
            root_ca_pem: Arc::clone(&shared.root_ca_pem),
            timers: Arc::clone(&shared.timers),
            ca_owners: shared.ca_owners.clone(),
            issuer: Arc::clone(&shared.issuer),
        };
        Regional { iot_core: IotCore::new(surroundings), functions, api_gateway }
    }

    /// What `DescribeEndpoint` answers: a host that this machine resolves, or AWS's name.
    fn endpoint_host(&self, scope: &Scope, prefix: &str) -> String {
        let config = &self.shared.config;
        let aws_name = || format!("{prefix}-ats.iot.{}.amazonaws.com", scope.region);
        if *scope == self.shared.default_scope {
            return match config.endpoint_host.as_str() {
                "aws" => aws_name(),
                host => host.to_owned(),
            };
        }
        let own = config.endpoint.iter().find(|endpoint| {
            endpoint.account == scope.account.as_str() && endpoint.region == scope.region.as_str()
        });
        own.and_then(|endpoint| endpoint.host).map_or_else(aws_name, |host| host.to_string())
    }
}

// === which IotCore is meant ===

impl Cloud {
    /// The `IotCore` that a connection means, which came with `server_name` to a listener of
    /// `listener_scope` and shows the certificate `leaf`.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
    //# SNI names the account's endpoint; a wrong host name fails the connection
    //? assumed: any other name is an alias of this machine and means the default account
    pub(crate) fn meant(
        &self,
        server_name: Option<&str>,
        listener_scope: Option<&Scope>,
        leaf: Option<CertificateId>,
    ) -> Result<Meant, UnknownEndpoint> {
        let name = server_name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        if let Some(name) = &name {
            if let Some(iot_core) = self.named(name) {
                return Ok(Meant { iot_core, by_name: true });
            }
            if name.ends_with(".amazonaws.com") {
                return Err(UnknownEndpoint(name.clone()));
            }
        }
        if let Some(scope) = listener_scope {
            return Ok(Meant { iot_core: self.regional(scope).iot_core, by_name: true });
        }
        let by_name = name.is_some();
        let holder = leaf.filter(|_| !by_name).and_then(|leaf| self.holder(leaf));
        let iot_core = holder.unwrap_or_else(|| self.regional(self.default_scope()).iot_core);
        Ok(Meant { iot_core, by_name })
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# the prefix decides, compared without case; the Region in the name does not
    fn named(&self, name: &str) -> Option<IotCore> {
        let label = name.split('.').next()?;
        let prefix = label.strip_suffix("-ats").unwrap_or(label);
        let regionals = self.regionals();
        let found = regionals.values().find(|regional| {
            let iot_core = &regional.iot_core;
            iot_core.endpoint_prefix() == prefix
                || (iot_core.endpoint() == name && iot_core.scope() != self.default_scope())
        });
        found.map(|regional| regional.iot_core.clone())
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CertificateDescription.html
    //# a certificate in DEFAULT mode is found without SNI
    fn holder(&self, leaf: CertificateId) -> Option<IotCore> {
        let regionals = self.regionals();
        let mut holders = regionals.values().filter(|held| held.iot_core.holds_by_default(leaf));
        let first = holders.next()?.iot_core.clone();
        holders.next().is_none().then_some(first)
    }

    /// The API Gateway domain that `server_name` means; without a match, the only one there is.
    pub(crate) fn domain(&self, server_name: Option<&str>) -> Option<(ApiGateway, Arc<Domain>)> {
        let gateways: Vec<ApiGateway> =
            self.regionals().values().map(|regional| regional.api_gateway.clone()).collect();
        let named = gateways
            .iter()
            .find_map(|gateway| Some((gateway.clone(), gateway.domain_named(server_name?)?)));
        named.or_else(|| {
            let mut all = gateways.iter().flat_map(|gateway| {
                gateway.domains().into_iter().map(|domain| (gateway.clone(), domain))
            });
            let only = all.next()?;
            all.next().is_none().then_some(only)
        })
    }
}

// === what runs beside the doors ===

impl Cloud {
    /// Sleeps until the nearest deadline of any account and Region, and lets it happen.
    pub(crate) async fn run_timers(&self) {
        loop {
            let changed = self.shared.timers.notified();
            let next = match self.shared.clock {
                Clock::System => self.next_deadline(),
                Clock::Manual(_) => None,
            };
            match next {
                None => changed.await,
                Some(deadline) => {
                    let wait = deadline.since(self.now()).max(Duration::from_millis(1));
                    let _early = tokio::time::timeout(wait, changed).await;
                    self.handle_timeouts();
                }
            }
        }
    }

    fn iot_cores(&self) -> Vec<IotCore> {
        self.regionals().values().map(|regional| regional.iot_core.clone()).collect()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.iot_cores().iter().filter_map(IotCore::next_deadline).min()
    }

    fn handle_timeouts(&self) {
        self.iot_cores().iter().for_each(IotCore::handle_timeout);
    }

    /// Moves the manual clock and returns when all that became due has happened.
    pub(crate) async fn advance(&self, duration: Duration) -> Result<(), SettleError> {
        if !self.shared.clock.advance(duration) {
            return Err(SettleError::SystemClock);
        }
        while self.next_deadline().is_some_and(|deadline| deadline <= self.now()) {
            self.handle_timeouts();
        }
        self.settled().await
    }

    /// Returns when nothing is under way.
    pub(crate) async fn settled(&self) -> Result<(), SettleError> {
        let activity = self.shared.outbox.activity();
        tokio::time::timeout(SETTLE_LIMIT, activity.settled()).await.map_err(|_elapsed| {
            SettleError::Unsettled {
                seconds: SETTLE_LIMIT.as_secs(),
                under_way: activity.count(),
                trace: self.trace().to_string(),
            }
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/lambda-rule-action.html
    //# the rule invokes asynchronously, and needs a permission in the function's resource policy
    /// Invokes a function for a topic rule.
    pub(crate) async fn invoke_for_rule(
        &self,
        scope: &Scope,
        rule_arn: &Arn,
        function_arn: &Arn,
        payload: Bytes,
        asked: Option<RuleInvocation>,
    ) {
        let target = function_arn.scope().unwrap_or_else(|| scope.clone());
        let functions = self.regional(&target).functions;
        let iot_core = self.regional(scope).iot_core;
        let name = function_arn.as_str();
        let permitted = functions.may_invoke("iot.amazonaws.com", rule_arn, &scope.account, name);
        let queued = match permitted {
            Err(refused) => Err(refused.why),
            Ok(()) => functions.queue_event(name, payload).map_err(|error| vec![error.to_string()]),
        };
        let report = match (queued, asked) {
            (Err(why), Some(asked)) => return iot_core.rule_action_refused(&asked, &why),
            (Err(why), None) => {
                let entry = Entry::failure(scope, "RuleExecution", "ErrorActionFailed");
                return self.trace().record(entry.member("functionArn", function_arn).why(why));
            }
            (Ok(queued), asked) => {
                if let Some(asked) = &asked {
                    iot_core.rule_action_done(asked);
                }
                queued.run().await
            }
        };
        self.note_event(scope, &report);
    }

    /// Traces an asynchronous invocation that failed in the end.
    fn note_event(&self, scope: &Scope, report: &EventReport) {
        let why = match &report.outcome {
            Ok(answer) if answer.function_error.is_none() => return,
            Ok(answer) => String::from_utf8_lossy(&answer.payload).into_owned(),
            Err(error) => error.to_string(),
        };
        let entry = Entry::failure(scope, "AsynchronousInvocation", "FunctionError")
            .member("functionArn", &report.function_arn)
            .member("requestId", &report.request_id);
        let details = format!("the function failed {} times", report.attempts);
        self.trace().record(entry.details(details).why([why]));
    }

    /// Runs an event that `lambda:Invoke` took.
    pub(crate) fn run_event(&self, queued: QueuedEvent) {
        let (cloud, scope) = (self.clone(), queued.scope().clone());
        let under_way = self.shared.outbox.activity().begin();
        tokio::spawn(async move {
            cloud.note_event(&scope, &queued.run().await);
            drop(under_way);
        });
    }

    /// Forgets all state of all accounts and Regions.
    pub(crate) fn reset(&self) {
        for regional in self.regionals().values() {
            regional.iot_core.reset();
            regional.functions.clear();
            regional.api_gateway.clear();
        }
        self.shared.buckets.clear();
        self.shared.ca_owners.forget_all();
        self.trace().clear();
    }

    /// Lets go of users' closures, which may hold an `IotCore` and so keep all of this alive.
    pub(crate) fn forget_functions(&self) {
        for regional in self.regionals().values() {
            regional.functions.clear();
        }
    }
}

// === getters ===

impl Cloud {
    pub(crate) fn default_scope(&self) -> &Scope {
        &self.shared.default_scope
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.shared.addresses
    }

    pub(crate) fn root_ca_pem(&self) -> &str {
        &self.shared.root_ca_pem
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    pub(crate) fn tls(&self) -> &TlsServer {
        &self.shared.tls
    }

    pub(crate) fn buckets(&self) -> &Buckets {
        &self.shared.buckets
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    pub(crate) fn seed(&self) -> u64 {
        self.shared.seed
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The file of the root CA, if the emulator keeps one.
    pub(crate) fn root_ca_path(&self) -> Option<PathBuf> {
        root_ca_path(&self.shared.config)
    }

    /// What a program needs to find this emulator: `iot-emulator env` prints it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let addresses = self.addresses();
        let region = self.default_scope().region.to_string();
        let endpoint = self.regional(self.default_scope()).iot_core.endpoint().to_owned();
        let root_ca = self.root_ca_path().map(|path| path.display().to_string());
        let api_url = addresses.api_url();
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", api_url.clone()),
            ("AWS_ACCESS_KEY_ID", self.default_scope().account.to_string()),
            ("AWS_SECRET_ACCESS_KEY", "iot-emulator".to_owned()),
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            ("IOT_EMULATOR_ENDPOINT", endpoint),
            ("IOT_EMULATOR_MQTT_PORT", addresses.mqtt.port().to_string()),
            ("IOT_EMULATOR_HTTPS_PORT", addresses.https.port().to_string()),
            ("IOT_EMULATOR_TLS_PORT", addresses.tls.port().to_string()),
            ("IOT_EMULATOR_GATEWAY_PORT", addresses.gateway.port().to_string()),
            ("IOT_EMULATOR_API_URL", api_url),
        ];
        environment.extend(root_ca.map(|path| ("IOT_EMULATOR_ROOT_CA", path)));
        environment
    }

    /// A UUID from the seeded generator: request IDs, trace IDs.
    pub(crate) fn uuid(&self) -> Uuid {
        let mut random = self.shared.random.lock().unwrap_or_else(PoisonError::into_inner);
        uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid()
    }

    /// Whether `authority` (a host, maybe with a port) is this machine or an AWS name.
    pub(crate) fn is_local_host(&self, authority: &str) -> bool {
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bind = self.shared.config.bind;
        let named = host == "localhost"
            || host.ends_with(".localhost")
            || host.ends_with(".amazonaws.com")
            || host == self.shared.config.endpoint_host;
        // Whoever binds another address wants to be reached by whatever name that address has.
        named
            || !bind.is_loopback()
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

/// What a function prints, as CloudWatch Logs would keep it.
fn log_of_functions(trace: &Trace) -> lambda::LogSink {
    let trace = trace.clone();
    Box::new(move |scope, function, line| {
        let entry = Entry::success(scope, "FunctionLog").member("functionName", function);
        trace.record(entry.details(line));
    })
}

fn configured(function: &FunctionConfig) -> Result<Function, ApiError> {
    let invalid = |error: lambda::InvalidFunction| {
        ApiError::new(ErrorCode::InvalidParameterValueException, error.to_string())
    };
    if let Some(url) = &function.url {
        return Function::http(url).map_err(invalid);
    }
    let code = function.code.as_deref().unwrap_or(Path::new("."));
    let (runtime, handler) = (function.runtime.as_deref(), function.handler.as_deref());
    let process =
        ProcessFunction::new(code, runtime.unwrap_or_default(), handler.unwrap_or_default());
    let process = process.map_err(invalid)?.timeout(Duration::from_secs(function.timeout_seconds));
    let variables = function.environment.iter();
    Ok(variables.fold(process, |process, (name, value)| process.environment(name, value)).into())
}

/// The file that devices trust, if the emulator keeps one.
fn root_ca_path(config: &Config) -> Option<PathBuf> {
    let path = config.dir.as_ref()?.join(pki::ROOT_FILE);
    Some(std::path::absolute(&path).unwrap_or(path))
}

fn server_authority(config: &Config) -> Result<ServerAuthority, StartError> {
    match &config.dir {
        None => Ok(ServerAuthority::generate()),
        Some(dir) => ServerAuthority::load_or_create(dir).map_err(|error| StartError::RootCa {
            path: dir.display().to_string(),
            reason: error.to_string(),
        }),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/connect-to-iot.html
//# the endpoint's prefix begins with `a` and stays the same for an account in a Region
fn endpoint_prefix(seed: u64, scope: &Scope) -> String {
    let digest = pki::sha256(format!("endpoint {seed} {scope}").as_bytes());
    let letter = |byte: &u8| char::from_digit(u32::from(byte % 36), 36).unwrap_or('a');
    std::iter::once('a').chain(digest.iter().take(13).map(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wp_8_an_endpoint_prefix_is_stable_and_of_aws_shape() {
        let scope = Scope::new("000000000000", "us-east-1");
        let prefix = endpoint_prefix(7341, &scope);
        assert_eq!(prefix, endpoint_prefix(7341, &scope));
        assert_ne!(prefix, endpoint_prefix(7341, &Scope::new("000000000000", "us-east-2")));
        assert_ne!(prefix, endpoint_prefix(7342, &scope));
        assert!(prefix.len() == 14 && prefix.starts_with('a'), "{prefix}");
    }
}
