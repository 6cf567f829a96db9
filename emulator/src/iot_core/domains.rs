//! Domain configurations where accounts meet: a domain name has one owner in a Region, and a
//! handshake finds it by one look into one map.
//!
//! What a configuration says is `registry`'s business; here its name is claimed, kept up to date
//! and given back, under the lock of the account that changes it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-custom.html>.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::IotCore;
use crate::errors::{ApiError, ErrorCode};
use crate::names::{Region, Scope};
use crate::registry::{
    CreateDomainConfigurationRequest, DeleteDomainConfigurationRequest,
    DescribeDomainConfigurationRequest, DescribeDomainConfigurationResponse, DomainTerms,
    NamedDomainConfiguration, ServedDomain, UpdateDomainConfigurationRequest,
};

/// A domain name that devices may ask for.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// Whose it is.
    pub(crate) scope: Scope,
    /// The name of its configuration.
    pub(crate) configuration: String,
    pub(crate) enabled: bool,
    pub(crate) terms: DomainTerms,
}

impl Domain {
    fn new(scope: &Scope, served: ServedDomain) -> (String, Self) {
        let ServedDomain { key, configuration, enabled, terms } = served;
        (key, Self { scope: scope.clone(), configuration, enabled, terms })
    }
}

/// The domains of all accounts and Regions; all `IotCore`s share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains(Arc<Mutex<HashMap<String, BTreeMap<Region, Domain>>>>);

impl Domains {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<Region, Domain>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `scope` serve the domain, unless another configuration does in its Region; `false`
    /// then.
    fn claim(&self, scope: &Scope, served: ServedDomain) -> bool {
        let (key, domain) = Domain::new(scope, served);
        let mut domains = self.lock();
        let in_regions = domains.entry(key).or_default();
        if in_regions.contains_key(&scope.region) {
            return false;
        }
        in_regions.insert(scope.region.clone(), domain);
        true
    }

    /// The configuration of a domain that `scope` serves says something else now.
    fn update(&self, scope: &Scope, served: ServedDomain) {
        let (key, domain) = Domain::new(scope, served);
        if let Some(there) = self.lock().get_mut(&key).and_then(|it| it.get_mut(&scope.region)) {
            *there = domain;
        }
    }

    /// `scope` serves the domain no longer.
    fn release(&self, scope: &Scope, served: &ServedDomain) {
        let mut domains = self.lock();
        if let Some(in_regions) = domains.get_mut(&served.key) {
            in_regions.remove(&scope.region);
            if in_regions.is_empty() {
                domains.remove(&served.key);
            }
        }
    }

    //? assumed: where several Regions serve a name, at AWS DNS decides; here the Region of the
    //? address that was reached does, else any of them
    /// The domain that `name` (in lower case) means to a connection that came to `region`.
    pub(crate) fn find(&self, name: &str, region: &Region) -> Option<Domain> {
        let domains = self.lock();
        // A name that AWS made is known by its own part, as the names of endpoints are.
        let own_part = || name.split('.').next().and_then(|label| label.strip_suffix("-ats"));
        let in_regions = domains.get(name).or_else(|| domains.get(own_part()?))?;
        in_regions.get(region).or_else(|| in_regions.values().next()).cloned()
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }
}

impl IotCore {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-custom.html
    //# once a certificate is registered with an account, other accounts of the Region cannot create
    //# custom domains that it covers
    //? assumed: ResourceAlreadyExistsException and the text; since no certificate is read here, the
    //? name alone counts
    /// The `CreateDomainConfiguration` operation.
    pub(crate) fn create_domain_configuration(
        &self,
        input: CreateDomainConfigurationRequest,
    ) -> Result<NamedDomainConfiguration, ApiError> {
        self.registry(|registry, now| {
            let created = registry.create_domain_configuration(input, now)?;
            let name = &created.domain_configuration_name;
            let served = registry.served_domain(name);
            if served.is_some_and(|served| self.domains().claim(self.scope(), served)) {
                return Ok(created);
            }
            registry.withdraw_domain_configuration(name);
            let message = "The domain name is already in use by another domain configuration";
            Err(ApiError::new(ErrorCode::ResourceAlreadyExistsException, message))
        })
    }

    /// The `DescribeDomainConfiguration` operation.
    pub(crate) fn describe_domain_configuration(
        &self,
        input: DescribeDomainConfigurationRequest,
    ) -> Result<DescribeDomainConfigurationResponse, ApiError> {
        self.registry(|registry, _| registry.describe_domain_configuration(input, self.endpoint()))
    }

    /// The `UpdateDomainConfiguration` operation.
    //? assumed: connections that are there stay; the next handshake goes by the new terms
    pub(crate) fn update_domain_configuration(
        &self,
        input: UpdateDomainConfigurationRequest,
    ) -> Result<NamedDomainConfiguration, ApiError> {
        self.registry(|registry, now| {
            let updated = registry.update_domain_configuration(input, now)?;
            if let Some(served) = registry.served_domain(&updated.domain_configuration_name) {
                self.domains().update(self.scope(), served);
            }
            Ok(updated)
        })
    }

    /// The `DeleteDomainConfiguration` operation.
    pub(crate) fn delete_domain_configuration(
        &self,
        input: DeleteDomainConfigurationRequest,
    ) -> Result<(), ApiError> {
        self.registry(|registry, now| {
            let served = registry.served_domain(&input.domain_configuration_name);
            registry.delete_domain_configuration(input, now)?;
            if let Some(served) = served {
                self.domains().release(self.scope(), &served);
            }
            Ok(())
        })
    }
}
