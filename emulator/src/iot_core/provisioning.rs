//! Templates at work: those that a CA certificate asks for, and those of RegisterThing; and the
//! operations on templates that must know which functions there are.
//!
//! What a template makes is decided in `provisioning/`, which templates are kept in `registry/`.

use super::{IotCore, State};
use crate::device_keys;
use crate::errors::ApiError;
use crate::names::{Arn, CertificateId, Scope};
use crate::outbox::Effect;
use crate::pki::Certificate;
use crate::provisioning::{
    self, Provisioned, ProvisioningFailure, RegisterThingRequest, RegisterThingResponse,
    Registration,
};
use crate::registry::{
    CreateProvisioningClaimResponse, CreateProvisioningTemplateRequest,
    CreateProvisioningTemplateResponse, ProvisioningTemplateRequest,
    UpdateProvisioningTemplateRequest,
};
use crate::time::Timestamp;
use crate::trace::Entry;

impl IotCore {
    /// Runs the provisioning template for a certificate that registered itself.
    pub(crate) fn provision(&self, certificate_id: CertificateId) {
        self.locked(|state, now| {
            state.templates.ran(certificate_id);
            let record = state.registry.certificate(certificate_id);
            let ca = record.and_then(|record| record.ca_certificate_id);
            let about = |entry: Entry| {
                let entry = entry.member("principalId", certificate_id);
                ca.iter().fold(entry, |entry, ca| entry.member("caCertificateId", ca))
            };
            match provisioning::provision(&mut state.registry, certificate_id, now) {
                Ok(provisioned) => {
                    let entry = Entry::success(self.scope(), "ProvisionThing");
                    let entry = about(entry).why(provisioned.lines);
                    match provisioned.status {
                        Some(_) => state.note(entry),
                        // Nothing was provisioned that a metric could count.
                        None => state.after.entries.push(entry),
                    }
                }
                //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
                //# the certificate stays PENDING_ACTIVATION, and the next connect tries again
                Err(failure) => {
                    let entry = Entry::failure(self.scope(), "ProvisionThing", "ClientError");
                    let entry = explained(about(entry), *failure);
                    state.note(entry.answer("nothing; the next connect tries again"));
                }
            }
        });
    }

    /// The `RegisterThing` operation. AWS's CA signs before the lock is taken.
    pub(crate) fn register_thing(
        &self,
        input: RegisterThingRequest,
        now: Timestamp,
    ) -> Result<RegisterThingResponse, ApiError> {
        let read = Registration::read(&input).and_then(|registration| {
            let issued = issued_for(&registration, now)?;
            Ok((registration, issued))
        });
        self.locked(|state, now| {
            let registered = read.and_then(|(registration, issued)| {
                registration.run(&mut state.registry, issued, now)
            });
            match registered {
                Ok(provisioned) => {
                    state.note(self.registered(&provisioned));
                    RegisterThingResponse::of(&state.registry, &provisioned)
                }
                Err(failure) => {
                    let error = failure.error.clone();
                    let entry = Entry::failure(self.scope(), "RegisterThing", error.code().name());
                    state.note(explained(entry, *failure));
                    Err(error)
                }
            }
        })
    }

    fn registered(&self, provisioned: &Provisioned) -> Entry {
        let entry = Entry::success(self.scope(), "RegisterThing").why(provisioned.lines.clone());
        match provisioned.certificate_id {
            Some(certificate_id) => entry.member("principalId", certificate_id),
            None => entry,
        }
    }

    /// The `CreateProvisioningTemplate` operation.
    pub(crate) fn create_provisioning_template(
        &self,
        input: CreateProvisioningTemplateRequest,
    ) -> Result<CreateProvisioningTemplateResponse, ApiError> {
        let may_invoke = |function: &str, template: &Arn| self.may_invoke(function, template);
        self.registry(|registry, now| {
            registry.create_provisioning_template(input, &may_invoke, now)
        })
    }

    /// The `UpdateProvisioningTemplate` operation.
    pub(crate) fn update_provisioning_template(
        &self,
        input: UpdateProvisioningTemplateRequest,
    ) -> Result<(), ApiError> {
        let may_invoke = |function: &str, template: &Arn| self.may_invoke(function, template);
        self.registry(|registry, now| {
            registry.update_provisioning_template(input, &may_invoke, now)
        })
    }

    /// The `CreateProvisioningClaim` operation. The key is made before the lock is taken.
    pub(crate) fn create_provisioning_claim(
        &self,
        input: ProvisioningTemplateRequest,
        now: Timestamp,
    ) -> Result<CreateProvisioningClaimResponse, ApiError> {
        let keys = device_keys::take();
        let certificate = device_keys::issuer().issue_claim(&keys.spki(), now);
        self.registry(|registry, now| {
            registry.create_provisioning_claim(input, &keys, certificate, now)
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
    //# the function's policy must let iot.amazonaws.com invoke it
    fn may_invoke(&self, function: &str, template: &Arn) -> bool {
        let account = &self.scope().account;
        self.functions().may_invoke("iot.amazonaws.com", template, account, function).is_ok()
    }
}

impl State {
    /// Has the template of the CA run for `certificate_id`, once the lock is free.
    pub(super) fn run_template(&mut self, scope: &Scope, certificate_id: CertificateId) {
        let scope = scope.clone();
        self.after.effects.push(Effect::Provision { scope, certificate_id });
    }

    /// The same for each whose delay is over.
    pub(super) fn run_due_templates(&mut self, scope: &Scope, now: Timestamp) {
        while let Some(certificate_id) = self.templates.take_due(now) {
            self.run_template(scope, certificate_id);
        }
    }
}

/// The certificate that AWS's CA issues for the signing request of a template, if it has one.
pub(super) fn issued_for(
    registration: &Registration,
    now: Timestamp,
) -> Result<Option<Certificate>, Box<ProvisioningFailure>> {
    let request = registration.signing_request()?;
    Ok(request.map(|request| device_keys::issuer().issue_for(&request, now)))
}

/// `entry` with where a template failed, and why.
pub(super) fn explained(entry: Entry, failure: ProvisioningFailure) -> Entry {
    let done = failure.done.into_iter().map(|line| format!("done before, and stays: {line}"));
    entry.member("step", &failure.step).details(failure.error.message()).why(failure.why).why(done)
}
