//! [`Emulator`]: a thread with its own runtime, the listeners on it, and what a test does with it.
//!
//! It decides nothing that AWS decides. It binds, accepts and hands over; it runs what the outbox
//! holds; it wakes whoever has a deadline; it stops on drop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::api_gateway::ApiGateway;
use crate::cloud::{Cloud, Regional};
use crate::config::{Config, Credential, Endpoint};
use crate::errors::ApiError;
use crate::iot_core::IotCore;
use crate::lambda::Function;
use crate::listeners::{self, Addresses, Bound};
use crate::names::{Arn, Scope};
use crate::outbox::{Effect, Job};
use crate::quotas::Quotas;
use crate::trace::{Entry, Listener, Trace};

/// How long [`Emulator::settled`] waits.
pub(crate) const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// How long a user's function that does not return may hold up a drop.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Why an emulator did not start; one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting that cannot be.
    #[error("{0}")]
    Config(String),
    /// A port that is taken or not allowed.
    #[error("cannot listen on {address} for {door}: {source}; choose another with --{flag}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What it was for.
        door: &'static str,
        /// The flag that chooses another.
        flag: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder of the root CA cannot be used.
    #[error("cannot keep the root CA in {path}: {reason}; choose another folder with --dir")]
    RootCa {
        /// The folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no thread or no runtime.
    #[error("cannot start a runtime: {0}")]
    Runtime(std::io::Error),
    /// A call or function of the configuration was refused.
    #[error("{what} was refused: {error}")]
    Seed {
        /// Which.
        what: String,
        /// AWS's answer.
        error: ApiError,
    },
}

/// Something was still under way after five seconds, or the clock cannot be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Not settled in time; the trace tells how far things went.
    #[error("still not settled after {seconds} s: {under_way} under way\n{trace}")]
    Unsettled {
        /// How long was waited.
        seconds: u64,
        /// How many things were under way.
        under_way: usize,
        /// All that happened.
        trace: String,
    },
    /// The clock is the machine's own.
    #[error(
        "the clock follows the machine: start with `--manual-clock` or \
         `.manual_clock(true)` to move it"
    )]
    SystemClock,
    /// The emulator stopped.
    #[error("the emulator has stopped")]
    Stopped,
}

/// AWS IoT Core, running in this process until it is dropped.
///
/// ```
/// use iot_emulator::Emulator;
///
/// let emulator = Emulator::start();
/// println!("mqtts://localhost:{}", emulator.mqtt_address().port());
/// ```
#[derive(Debug)]
pub struct Emulator {
    cloud: Cloud,
    runtime: tokio::runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts on free loopback ports.
    ///
    /// # Panics
    ///
    /// If the system refuses a port or a thread. [`Builder::start`] returns the error instead.
    pub fn start() -> Self {
        match Self::builder().start() {
            Ok(emulator) => emulator,
            Err(error) => panic!("the emulator did not start: {error}"),
        }
    }

    /// Settings other than the default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// AWS IoT Core of the default account and Region.
    pub fn iot_core(&self) -> IotCore {
        self.default_services().iot_core
    }

    /// AWS IoT Core of another account or Region. Devices reach it by its endpoint name in SNI.
    pub fn iot_core_of(&self, account: &str, region: &str) -> IotCore {
        self.cloud.regional(&Scope::new(account, region)).iot_core
    }

    /// Makes `function` the Lambda function `name` of the default account and Region, which topic
    /// rules and API routes may invoke.
    ///
    /// # Errors
    ///
    /// AWS's exception if the name cannot be.
    pub fn create_function(&self, name: &str, function: Function) -> Result<Arn, ApiError> {
        self.default_services().functions.register(name, function, self.cloud.now())
    }

    /// The API gateway of the default account and Region.
    pub fn api_gateway(&self) -> ApiGateway {
        self.default_services().api_gateway
    }

    fn default_services(&self) -> Regional {
        self.cloud.regional(self.cloud.default_scope())
    }

    /// Where everything listens.
    pub fn addresses(&self) -> &Addresses {
        self.cloud.addresses()
    }

    /// MQTT over mutual TLS: port 8883 of AWS.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.addresses().mqtt
    }

    /// The HTTPS data plane over mutual TLS: port 8443 of AWS.
    pub fn https_address(&self) -> SocketAddr {
        self.addresses().https
    }

    /// The custom domain names of API Gateway: port 443 of AWS.
    pub fn gateway_address(&self) -> SocketAddr {
        self.addresses().gateway
    }

    /// The AWS API, as `AWS_ENDPOINT_URL` takes it.
    pub fn api_url(&self) -> String {
        self.addresses().api_url()
    }

    /// The root CA that devices trust, PEM.
    pub fn root_ca_pem(&self) -> &str {
        self.cloud.root_ca_pem()
    }

    /// The file of the root CA, if [`Config::dir`] says where to keep it.
    pub fn root_ca_path(&self) -> Option<PathBuf> {
        self.cloud.root_ca_path()
    }

    /// The environment variables by which a program finds this emulator: what `iot-emulator env`
    /// prints.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.cloud.environment()
    }

    /// What everything random is derived from; start with it again to repeat this run.
    pub fn seed(&self) -> u64 {
        self.cloud.seed()
    }

    /// What happened, and why; [`Entry`] shows how a test asserts the reason of a refusal.
    pub fn trace(&self) -> &Trace {
        self.cloud.trace()
    }

    /// Returns when nothing is under way: no effect waits, no function runs, nothing queued is
    /// unwritten.
    ///
    /// # Panics
    ///
    /// After five seconds, with the trace.
    pub async fn settled(&self) {
        let cloud = self.cloud.clone();
        // On our own runtime, so that the caller's needs no timer.
        let waiting = self.runtime.spawn(async move { cloud.settled().await });
        match waiting.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("{error}"),
            Err(_stopped) => panic!("{}", SettleError::Stopped),
        }
    }

    /// Moves a manual clock and returns when every timer that became due has run.
    ///
    /// # Errors
    ///
    /// [`SettleError::SystemClock`] if the emulator was not started with a manual clock.
    pub async fn advance(&self, duration: Duration) -> Result<(), SettleError> {
        let cloud = self.cloud.clone();
        let moving = self.runtime.spawn(async move { cloud.advance(duration).await });
        moving.await.unwrap_or(Err(SettleError::Stopped))
    }

    /// Forgets all state; ports, root CA and seed stay.
    pub fn reset(&self) {
        self.cloud.reset();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported where it happened.
            let _ended = thread.join();
        }
        self.cloud.forget_functions();
    }
}

/// Settings of an emulator; [`Builder::start`] starts it.
///
/// ```
/// use iot_emulator::Emulator;
///
/// let emulator = Emulator::builder().seed(7341).manual_clock(true).start()?;
/// assert_eq!(emulator.seed(), 7341);
/// # Ok::<(), iot_emulator::StartError>(())
/// ```
#[derive(Default)]
pub struct Builder {
    config: Config,
    listener: Option<Listener>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Builder {
    /// Takes all settings at once.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// What IDs, codes and endpoint prefixes are derived from.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Whether time moves only by [`Emulator::advance`].
    #[must_use]
    pub fn manual_clock(mut self, manual: bool) -> Self {
        self.config.manual_clock = manual;
        self
    }

    /// How many seconds after it a change of policies, of groups or of a thing counts for whoever
    /// was decided about before: 360 to 480 as on AWS, 0 at once.
    #[must_use]
    pub fn policy_propagation_seconds(mut self, seconds: u64) -> Self {
        self.config.policy_propagation_seconds = seconds;
        self
    }

    /// How many seconds after the connection that asks for it the provisioning template of a CA
    /// certificate runs: some, as on AWS, or 0 as soon as the connection is hung up.
    ///
    /// They pass by the emulator's clock, so [`Emulator::advance`] moves them;
    /// [`Emulator::settled`] does not wait for them.
    #[must_use]
    pub fn provisioning_delay_seconds(mut self, seconds: u64) -> Self {
        self.config.provisioning_delay_seconds = seconds;
        self
    }

    /// Whether every SigV4 signature is verified; off, any credentials are taken.
    ///
    /// A client of this emulator then signs with what [`Emulator::environment`] names.
    #[must_use]
    pub fn enforce_sigv4(mut self, enforce: bool) -> Self {
        self.config.enforce_sigv4 = enforce;
        self
    }

    /// Makes an access key known, for [`Builder::enforce_sigv4`].
    ///
    /// ```
    /// use iot_emulator::Emulator;
    /// use iot_emulator::config::Credential;
    ///
    /// let key = Credential::new("AKIDEXAMPLE", "wJalrXUtnFEMI").of_account("111122223333");
    /// let emulator = Emulator::builder().enforce_sigv4(true).credential(key).start()?;
    /// # drop(emulator);
    /// # Ok::<(), iot_emulator::StartError>(())
    /// ```
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.config.credential.push(credential);
        self
    }

    /// Which of AWS's quotas count: sizes and counts, or the rates too.
    #[must_use]
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.config.quotas = quotas;
        self
    }

    /// The default account and Region.
    #[must_use]
    pub fn scope(mut self, account: &str, region: &str) -> Self {
        self.config.account = account.to_owned();
        self.config.region = region.to_owned();
        self
    }

    /// Gives another account or Region an address or a port of its own.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.config.endpoint.push(endpoint);
        self
    }

    /// Is told each entry of the trace as it happens.
    #[must_use]
    pub fn on_entry(mut self, listener: impl Fn(&Entry) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Binds every listener, starts the thread, and runs the calls of the configuration.
    ///
    /// # Errors
    ///
    /// [`StartError`]: one line that names the port or the setting and what to do.
    pub fn start(self) -> Result<Emulator, StartError> {
        let Self { config, listener } = self;
        config.check().map_err(StartError::Config)?;
        let bound = listeners::bind(&config)?;
        let (cloud, jobs) = Cloud::new(config, bound.addresses(), listener)?;
        // Before anybody is served, so that no device comes earlier than its registration.
        cloud.seed_from_config()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let shell = cloud.clone();
        let thread = std::thread::Builder::new()
            .name("iot-emulator".to_owned())
            .spawn(move || {
                runtime.block_on(run(shell, bound, jobs, stopped));
                runtime.shutdown_timeout(STOP_LIMIT);
            })
            .map_err(StartError::Runtime)?;
        Ok(Emulator { cloud, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }
}

/// Everything that runs on the emulator's thread, until `stopped`.
async fn run(
    cloud: Cloud,
    bound: Bound,
    jobs: mpsc::UnboundedReceiver<Job>,
    stopped: oneshot::Receiver<()>,
) {
    tokio::select! {
        () = listeners::serve(cloud.clone(), bound) => {}
        () = work(cloud.clone(), jobs) => {}
        () = cloud.run_timers() => {}
        _dropped = stopped => {}
    }
}

/// Runs what the outbox holds; each effect on its own, so that none waits for a slow function.
async fn work(cloud: Cloud, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut running = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => { running.spawn(perform(cloud.clone(), job)); }
                None => return,
            },
            Some(_done) = running.join_next() => {}
        }
    }
}

async fn perform(cloud: Cloud, job: Job) {
    match job.effect {
        Effect::Invoke { scope, rule_arn, function_arn, payload, asked } => {
            cloud.invoke_for_rule(&scope, &rule_arn, &function_arn, payload, asked).await;
        }
        Effect::Provision { scope, certificate_id } => {
            cloud.regional(&scope).iot_core.provision(certificate_id);
        }
        Effect::ProvisionFleet(call) => cloud.provision_fleet(&call).await,
        Effect::RegisterThings { scope, task_id } => cloud.register_things(&scope, &task_id).await,
    }
    drop(job.under_way);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_that_nobody_has_means_the_only_domain_name_there_is() {
        let emulator = Emulator::start();
        let find = |name: Option<&str>| {
            let found = emulator.cloud.domain(name);
            found.map(|(_gateway, domain)| domain.name().to_owned())
        };
        assert_eq!(find(None), None);
        emulator.api_gateway().domain_name("sample.example.com").create().unwrap();
        // A help for those who cannot change their DNS.
        let only = Some("sample.example.com".to_owned());
        assert_eq!(find(Some("sample.example.com")), only);
        assert_eq!(find(Some("localhost")), only);
        assert_eq!(find(None), only);
        emulator.api_gateway().domain_name("other.example.com").create().unwrap();
        assert_eq!(find(Some("sample.example.com")), only);
        assert_eq!(find(Some("localhost")), None);
        assert_eq!(find(None), None);
    }
}
