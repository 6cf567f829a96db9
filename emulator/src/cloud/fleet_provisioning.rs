//! What a request of fleet provisioning waits for: a key, AWS's CA, the pre-provisioning hook.
//!
//! It decides nothing but how long a hook may take; what its answer means is decided in
//! `provisioning`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html>.

use std::time::Duration;

use super::Cloud;
use crate::device_keys;
use crate::names::{Arn, Scope};
use crate::outbox::FleetCall;
use crate::provisioning::{FleetOperation, HookCall, HookOutcome};

//= https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
//# AWS IoT waits five seconds for the function's answer
const HOOK_LIMIT: Duration = Duration::from_secs(5);

impl Cloud {
    /// Serves one request of a device.
    pub(crate) async fn provision_fleet(&self, call: &FleetCall) {
        let iot_core = self.regional(&call.scope).iot_core;
        match call.request.operation {
            FleetOperation::CreateKeysAndCertificate => {
                device_keys::made_ahead().await;
                iot_core.create_keys_for(call);
            }
            FleetOperation::CreateCertificateFromCsr => {
                device_keys::issuer_made_ahead().await;
                iot_core.sign_request_for(call);
            }
            FleetOperation::RegisterThing(_) => {
                let Some((registering, hook)) = iot_core.begin_registering(call) else { return };
                let outcome = match hook {
                    Some(hook) => Some(self.ask_hook(&call.scope, hook).await),
                    None => None,
                };
                iot_core.finish_registering(call, registering, outcome);
            }
        }
    }

    async fn ask_hook(&self, scope: &Scope, hook: HookCall) -> HookOutcome {
        let HookCall { function_arn, template_arn, payload } = hook;
        let function = Arn::new(&function_arn);
        let functions = match self.functions_with(scope, &template_arn, &function) {
            Ok(functions) => functions,
            Err(why) => return HookOutcome::NotPermitted(why),
        };
        let invoked = functions.invoke(&function_arn, payload);
        match tokio::time::timeout(HOOK_LIMIT, invoked).await {
            Ok(Ok(answer)) if answer.function_error.is_none() => {
                HookOutcome::Answered(answer.payload)
            }
            Ok(Ok(answer)) => {
                HookOutcome::Failed(String::from_utf8_lossy(&answer.payload).into_owned())
            }
            Ok(Err(error)) => HookOutcome::NotInvoked(error.to_string()),
            Err(_too_long) => {
                let seconds = HOOK_LIMIT.as_secs();
                HookOutcome::NotInvoked(format!("the hook took more than {seconds} seconds"))
            }
        }
    }
}
