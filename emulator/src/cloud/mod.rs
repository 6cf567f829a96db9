//! Every account and Region of one emulator, and the few things that they share.
//!
//! It keeps what crosses them: clock, trace, outbox, root CA. `meant.rs` decides which [`IotCore`]
//! a connection means, `regionals.rs` which endpoints they have; `running.rs` holds what runs
//! beside the doors, `bulk_registration.rs` what bulk registration needs of S3.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

mod bulk_registration;
mod fleet_provisioning;
mod meant;
mod regionals;
mod running;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc};
use uuid::Uuid;

pub(crate) use meant::{Meant, NotServed};

use self::regionals::Regionals;
use crate::api_gateway::ApiGateway;
use crate::caller::{Caller, Endpoint, Known, Moment, OfFunctions, Refused, Verifier};
use crate::config::{Config, FunctionConfig};
use crate::credentials::SECRET_ACCESS_KEY;
use crate::emulator::StartError;
use crate::errors::{ApiError, ErrorCode};
use crate::http::Request;
use crate::iot_core::{CaOwners, Domains, IotCore, Neighbours, Principal, Surroundings};
use crate::lambda::{self, Function, FunctionHost, Functions, ProcessFunction};
use crate::listeners::Addresses;
use crate::names::Scope;
use crate::outbox::{Job, Outbox};
use crate::pki::{self, ServerAuthority};
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
    regionals: Mutex<Regionals>,
    random: Mutex<fastrand::Rng>,
    timers: Arc<Notify>,
    ca_owners: CaOwners,
    domains: Domains,
    verifier: Verifier,
    registration_turns: Semaphore,
}

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
            domains: Domains::default(),
            verifier: verifier(&config),
            registration_turns: Semaphore::new(bulk_registration::TASKS_AT_WORK),
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

    fn regionals(&self) -> MutexGuard<'_, Regionals> {
        self.shared.regionals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The services of `scope`; they come to be when they are first asked for.
    pub(crate) fn regional(&self, scope: &Scope) -> Regional {
        let mut regionals = self.regionals();
        if let Some(regional) = regionals.get(scope) {
            return regional.clone();
        }
        let regional = self.new_regional(scope);
        regionals.insert(regional.clone(), scope == self.default_scope());
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
            policy_propagation: Duration::from_secs(shared.config.policy_propagation_seconds),
            provisioning_delay: Duration::from_secs(shared.config.provisioning_delay_seconds),
            quotas: shared.config.quotas,
            timers: Arc::clone(&shared.timers),
            ca_owners: shared.ca_owners.clone(),
            domains: shared.domains.clone(),
            report_links: self.report_links(),
            neighbours: self.neighbours(),
        };
        Regional { iot_core: IotCore::new(surroundings), functions, api_gateway }
    }

    /// How one account finds another. It holds the emulator weakly, which holds the accounts.
    fn neighbours(&self) -> Neighbours {
        let shared = Arc::downgrade(&self.shared);
        Neighbours::new(move |scope| {
            let cloud = Self { shared: shared.upgrade()? };
            Some(cloud.regional(scope).iot_core)
        })
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
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
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

    /// The access keys that have an account or a secret of their own.
    pub(crate) fn known_credentials(&self) -> &Known {
        self.shared.verifier.known()
    }

    /// Whether `caller` signed `request`, or signatures are not enforced.
    pub(crate) fn verify_signature(
        &self,
        request: &Request,
        caller: &Caller,
        endpoint: Endpoint<'_>,
    ) -> Result<(), Refused> {
        let moment = Moment { now: self.now(), manual: self.shared.config.manual_clock };
        self.shared.verifier.verify(request, caller, endpoint, moment)
    }

    /// A UUID from the seeded generator: request IDs, trace IDs.
    pub(crate) fn uuid(&self) -> Uuid {
        let mut random = self.shared.random.lock().unwrap_or_else(PoisonError::into_inner);
        uuid::Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid()
    }

    /// Whether `authority` (a host, maybe with a port) is this machine or an AWS name.
    pub(crate) fn is_local_host(&self, authority: &str) -> bool {
        let host = host_of(authority);
        // Whoever binds another address wants to be reached by whatever name that address has.
        self.is_this_machine(&host)
            || host.ends_with(".amazonaws.com")
            || !self.shared.config.bind.is_loopback()
    }

    /// Whether a web page of `authority` may call the API at `host`: a page of this machine, or of
    /// the very address that it calls. Anybody can put a page under a name of AWS's.
    pub(crate) fn is_local_page(&self, authority: &str, host: Option<&str>) -> bool {
        self.is_this_machine(&host_of(authority))
            || (!self.shared.config.bind.is_loopback() && host == Some(authority))
    }

    fn is_this_machine(&self, host: &str) -> bool {
        host == "localhost"
            || host.ends_with(".localhost")
            || host == self.shared.config.endpoint_host
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

/// The host in `authority`, without its port, in lower case.
fn host_of(authority: &str) -> String {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn verifier(config: &Config) -> Verifier {
    let (secret_access_key, session_token) = lambda::CREDENTIALS;
    let of_functions = OfFunctions { secret_access_key, session_token };
    let is_identity = |token: &str| Principal::signed("", Some(token)).target().is_some();
    let known = Known::new(config.credential.clone(), of_functions, is_identity);
    Verifier::new(config.enforce_sigv4, known)
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
    use serde_json::json;

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

    #[test]
    fn no_account_takes_the_endpoint_of_another_as_its_domain() {
        let config = Config { endpoint_host: "iot.example.com".to_owned(), ..Config::default() };
        let bound = crate::listeners::bind(&config).expect("free ports");
        let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).expect("a start");
        let here = cloud.regional(cloud.default_scope()).iot_core;
        let there = cloud.regional(&Scope::new("222233334444", "us-east-1")).iot_core;
        let prefixed = format!("{}-ats.iot.example.com", here.endpoint_prefix());
        for name in ["iot.example.com", &prefixed] {
            let input = json!({
                "domainConfigurationName": name.len().to_string(), "domainName": name,
                "serverCertificateArns": ["arn:aws:acm:us-east-1:222233334444:certificate/1"],
            });
            there.call("CreateDomainConfiguration", input).expect("a free name");
            assert!(cloud.iot_domain(Some(name), None).is_none(), "{name}");
        }
        let own = json!({ "domainConfigurationName": "More" });
        let own = there
            .call("CreateDomainConfiguration", own.clone())
            .and_then(|_| there.call("DescribeDomainConfiguration", own));
        let own = own.expect("a domain of AWS's")["domainName"].clone();
        let found = cloud.iot_domain(own.as_str(), None).expect("it is served");
        assert_eq!(&found.scope, there.scope());
    }

    #[test]
    fn of_two_accounts_that_race_for_a_domain_name_one_gets_it() {
        let config = Config::default();
        let bound = crate::listeners::bind(&config).expect("free ports");
        let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).expect("a start");
        let accounts = ["222233334444", "333344445555"];
        let cores = accounts.map(|account| cloud.regional(&Scope::new(account, "eu-west-1")));
        let claim = |iot: &IotCore, round: usize| {
            let arn = "arn:aws:acm:eu-west-1:222233334444:certificate/1";
            let domain = json!({
                "domainConfigurationName": format!("D{round}"), "serverCertificateArns": [arn],
                "domainName": format!("d{round}.example.com"),
            });
            iot.call("CreateDomainConfiguration", domain).is_ok()
        };
        for round in 0..10 {
            let won = std::thread::scope(|threads| {
                let [one, other] = cores
                    .each_ref()
                    .map(|regional| threads.spawn(|| claim(&regional.iot_core, round)));
                [one, other].map(|thread| thread.join().expect("no panic"))
            });
            assert_ne!(won[0], won[1], "{round}");
            let name = format!("d{round}.example.com");
            let found = cloud.iot_domain(Some(&name), None).expect("it is served");
            assert_eq!(found.scope.account.as_str(), accounts[usize::from(won[1])]);
        }
    }

    #[test]
    fn accounts_that_know_each_other_keep_no_emulator_alive() {
        let config = Config::default();
        let bound = crate::listeners::bind(&config).expect("free ports");
        let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).expect("a start");
        let iot = cloud.regional(cloud.default_scope()).iot_core;
        let pem = pki::Identity::self_signed("lamp").certificate_pem();
        let registered = iot.call("RegisterCertificateWithoutCA", json!({ "certificatePem": pem }));
        let id = registered.expect("a good certificate")["certificateId"].clone();
        let transfer = json!({ "certificateId": id, "targetAwsAccount": "222233334444" });
        iot.call("TransferCertificate", transfer.clone()).expect("a neighbour");
        iot.call("CancelCertificateTransfer", json!({ "certificateId": id })).expect("in time");
        let shared = Arc::downgrade(&cloud.shared);
        drop(cloud);
        assert!(shared.upgrade().is_none());
        // Whoever still holds an account is told that the others are gone.
        let alone = iot.call("TransferCertificate", transfer).unwrap_err();
        assert_eq!(alone.code(), ErrorCode::ServiceUnavailableException);
        let described = iot.call("DescribeCertificate", json!({ "certificateId": id }));
        let status = &described.expect("it stays")["certificateDescription"]["status"];
        assert_eq!(status, "INACTIVE");
    }
}
