//! Which account and Region a connection means: by endpoint name or domain name (SNI), by the
//! address it came to, or by the certificate.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

use std::sync::Arc;

use super::Cloud;
use crate::api_gateway::{ApiGateway, Domain};
use crate::iot_core::{Domain as IotDomain, IotCore};
use crate::names::{CertificateId, Scope};

/// Which `IotCore` a connection means.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(crate) iot_core: IotCore,
    /// SNI (or an address of its own) named the account, as the multi-account features want it.
    pub(crate) by_name: bool,
}

/// A name in SNI that ends the connection.
#[derive(Debug)]
pub(crate) enum NotServed {
    /// It looks like AWS's but belongs to no account here.
    UnknownEndpoint(String),
    /// Its domain configuration is DISABLED.
    Disabled(IotDomain),
}

impl Cloud {
    /// The `IotCore` that a connection means, which came with `server_name`, to `domain` if that is
    /// one, on a listener of `listener_scope`, and shows the certificates `chain`, its own first.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
    //# SNI names the account's endpoint; a wrong host name fails the connection
    //? assumed: any other name is an alias of this machine and means the default account
    pub(crate) fn meant(
        &self,
        server_name: Option<&str>,
        domain: Option<&IotDomain>,
        listener_scope: Option<&Scope>,
        chain: &[CertificateId],
    ) -> Result<Meant, NotServed> {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-managing.html
        //# devices that connect to a disabled domain receive an authentication error
        match domain {
            Some(domain) if domain.enabled => {
                let iot_core = self.regional(&domain.scope).iot_core;
                return Ok(Meant { iot_core, by_name: true });
            }
            Some(disabled) => return Err(NotServed::Disabled(disabled.clone())),
            None => {}
        }
        let name = server_name.map(normal);
        if let Some(name) = &name {
            if let Some(iot_core) = self.regionals().named(name) {
                return Ok(Meant { iot_core, by_name: true });
            }
            if name.ends_with(".amazonaws.com") {
                return Err(NotServed::UnknownEndpoint(name.clone()));
            }
        }
        if let Some(scope) = listener_scope {
            return Ok(Meant { iot_core: self.regional(scope).iot_core, by_name: true });
        }
        let by_name = name.is_some();
        let holder = if by_name { None } else { self.holder(chain) };
        let iot_core = holder.unwrap_or_else(|| self.regional(self.default_scope()).iot_core);
        Ok(Meant { iot_core, by_name })
    }

    /// The domain configuration that a connection goes by, which came with `server_name` to a
    /// listener of `listener_scope`.
    pub(crate) fn iot_domain(
        &self,
        server_name: Option<&str>,
        listener_scope: Option<&Scope>,
    ) -> Option<IotDomain> {
        let region = &listener_scope.unwrap_or(self.default_scope()).region;
        let name = normal(server_name?);
        let domain = self.shared.domains.find(&name, region)?;
        //? assumed: the name of an endpoint means its own account, whoever claims it as a domain
        let owner = self.endpoint_owner(&name);
        owner.is_none_or(|owner| owner == domain.scope).then_some(domain)
    }

    /// Whose endpoint is called `name`.
    fn endpoint_owner(&self, name: &str) -> Option<Scope> {
        let named = self.regionals().named(name).map(|iot_core| iot_core.scope().clone());
        let default = &self.shared.config.endpoint_host;
        named.or_else(|| (normal(default) == name).then(|| self.default_scope().clone()))
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CertificateDescription.html
    //# a certificate in DEFAULT mode is found without SNI
    //? assumed: an unknown one is, too, if the CA that comes with it is in DEFAULT mode
    fn holder(&self, chain: &[CertificateId]) -> Option<IotCore> {
        let (leaf, issuers) = chain.split_first()?;
        let cores: Vec<IotCore> =
            self.all().into_iter().map(|regional| regional.iot_core).collect();
        let holds = |iot_core: &&IotCore| iot_core.holds_by_default(*leaf);
        let owns =
            |iot_core: &&IotCore| issuers.iter().any(|issuer| iot_core.owns_by_default(*issuer));
        only(cores.iter().filter(holds)).or_else(|| only(cores.iter().filter(owns))).cloned()
    }

    /// The API Gateway domain that `server_name` means; without a match, the only one there is.
    pub(crate) fn domain(&self, server_name: Option<&str>) -> Option<(ApiGateway, Arc<Domain>)> {
        let gateways: Vec<ApiGateway> =
            self.regionals().all().map(|regional| regional.api_gateway.clone()).collect();
        let named = gateways
            .iter()
            .find_map(|gateway| Some((gateway.clone(), gateway.domain_named(server_name?)?)));
        named.or_else(|| {
            only(gateways.iter().flat_map(|gateway| {
                gateway.domains().into_iter().map(|domain| (gateway.clone(), domain))
            }))
        })
    }
}

/// A host name as it is compared.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The first item, if there is no second.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
