//! Certificates that go from one account to another: in which order the two accounts take their
//! steps. What a step does is decided in `registry/transfers.rs`.
//!
//! Each account has a lock of its own, and no two are ever held at once: two accounts that transfer
//! to each other would wait for each other. So a transfer is two steps, and the **target's record
//! decides**:
//!
//! - To begin, the source marks its record PENDING_TRANSFER first and the target takes its copy
//!   then: whoever can accept or reject finds the source prepared. If the target refuses, the
//!   source undoes its mark.
//! - Accept, reject and cancel first end the wait of the target's record, under the target's lock.
//!   Only one can: whoever finds it gone or no longer waiting was too late, and answers
//!   TransferAlreadyCompletedException. The winner then changes the source's record, which nobody
//!   else touches meanwhile: in PENDING_TRANSFER it is neither updated nor deleted nor transferred.
//!
//! Between two steps both accounts may show the certificate, or only the source does; never none. A
//! cancel that comes between the two steps of the beginning is too early, finds nothing at the
//! target, and is answered as if it had come before the beginning.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transfer-cert.html>.

use super::IotCore;
use crate::errors::ApiError;
use crate::registry::{
    AcceptCertificateTransferRequest, CancelCertificateTransferRequest,
    RejectCertificateTransferRequest, TransferCertificateRequest, TransferCertificateResponse,
};

impl IotCore {
    /// The `TransferCertificate` operation.
    pub(crate) fn transfer_certificate(
        &self,
        input: TransferCertificateRequest,
    ) -> Result<TransferCertificateResponse, ApiError> {
        let departure = self.registry(|registry, now| registry.begin_transfer(input, now))?;
        let received = self.neighbour(departure.target()).and_then(|target| {
            target.registry(|registry, _| registry.receive_transfer(&departure))
        });
        if received.is_err() {
            self.registry(|registry, _| registry.undo_transfer(departure));
        }
        received
    }

    /// The `AcceptCertificateTransfer` operation, which the target asks for.
    pub(crate) fn accept_certificate_transfer(
        &self,
        input: AcceptCertificateTransferRequest,
    ) -> Result<(), ApiError> {
        let (id, source) = self.registry(|registry, now| registry.accept_transfer(&input, now))?;
        let target = &self.scope().account;
        self.neighbour(&source)?.registry(|registry, _| registry.transfer_accepted(id, target));
        Ok(())
    }

    /// The `RejectCertificateTransfer` operation, which the target asks for.
    pub(crate) fn reject_certificate_transfer(
        &self,
        input: RejectCertificateTransferRequest,
    ) -> Result<(), ApiError> {
        let (id, source) = self.registry(|registry, _| registry.reject_transfer(&input))?;
        let (target, reason) = (&self.scope().account, input.reject_reason);
        self.neighbour(&source)?
            .registry(|registry, now| registry.transfer_rejected(id, target, reason, now));
        Ok(())
    }

    /// The `CancelCertificateTransfer` operation, which the source asks for.
    pub(crate) fn cancel_certificate_transfer(
        &self,
        input: CancelCertificateTransferRequest,
    ) -> Result<(), ApiError> {
        let (id, target) = self.registry(|registry, _| registry.cancellable_transfer(&input))?;
        let source = &self.scope().account;
        self.neighbour(&target)?.registry(|registry, _| registry.withdraw_transfer(id, source))?;
        self.registry(|registry, now| registry.transfer_cancelled(id, &target, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use serde_json::{Value, json};

    use super::*;
    use crate::Emulator;
    use crate::errors::ErrorCode;
    use crate::pki::Identity;

    const REGION: &str = "us-east-1";
    const ROUNDS: usize = 150;

    /// Two accounts of one Region; the first has this certificate, INACTIVE.
    fn accounts(emulator: &Emulator) -> (IotCore, IotCore, Value) {
        let one = emulator.iot_core_of("111122223333", REGION);
        let other = emulator.iot_core_of("222233334444", REGION);
        let certificate = registered(&one);
        (one, other, certificate)
    }

    fn registered(iot: &IotCore) -> Value {
        let pem = Identity::self_signed("lamp").certificate_pem();
        let answer = iot.call("RegisterCertificateWithoutCA", json!({ "certificatePem": pem }));
        json!({ "certificateId": answer.unwrap()["certificateId"] })
    }

    /// Offers `certificate` of `source` to `target`.
    fn offer(source: &IotCore, target: &IotCore, certificate: &Value) -> Result<(), ErrorCode> {
        let mut input = certificate.clone();
        input["targetAwsAccount"] = json!(target.scope().account);
        told(source, "TransferCertificate", &input)
    }

    fn told(iot: &IotCore, operation: &str, input: &Value) -> Result<(), ErrorCode> {
        iot.call(operation, input.clone()).map(drop).map_err(|error| error.code())
    }

    fn status(iot: &IotCore, certificate: &Value) -> Option<String> {
        iot.certificate_status(certificate["certificateId"].as_str().unwrap())
    }

    /// Asks both at the same moment.
    fn at_once<A: Send, B: Send>(
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let one = scope.spawn(|| {
                start.wait();
                one()
            });
            start.wait();
            let other = other();
            (one.join().expect("no panic"), other)
        })
    }

    #[test]
    fn tr_1_to_6_a_certificate_goes_to_an_account_that_nobody_used_yet() {
        let emulator = Emulator::start();
        let source = emulator.iot_core();
        let certificate = registered(&source);
        let id = certificate["certificateId"].as_str().unwrap();
        let input = json!({ "certificateId": id, "targetAwsAccount": "999988887777" });
        let answer = source.call("TransferCertificate", input).unwrap();
        let arn = format!("arn:aws:iot:us-east-1:999988887777:cert/{id}");
        assert_eq!(answer, json!({ "transferredCertificateArn": arn }));
        let listed = source.call("ListOutgoingCertificates", json!({})).unwrap();
        assert_eq!(listed["outgoingCertificates"][0]["certificateArn"], arn);

        let target = emulator.iot_core_of("999988887777", REGION);
        assert_eq!(status(&target, &certificate).as_deref(), Some("PENDING_TRANSFER"));
        let elsewhere = emulator.iot_core_of("999988887777", "eu-west-1");
        assert_eq!(status(&elsewhere, &certificate), None, "it stays in its Region");
        let input = json!({ "certificateId": id, "setAsActive": true });
        assert_eq!(target.call("AcceptCertificateTransfer", input).unwrap(), Value::Null);
        assert_eq!(status(&target, &certificate).as_deref(), Some("ACTIVE"));
        assert_eq!(status(&source, &certificate), None);
        let listed = source.call("ListOutgoingCertificates", json!({})).unwrap();
        assert_eq!(listed, json!({ "outgoingCertificates": [] }));
    }

    #[test]
    fn tr_3_and_4_a_certificate_comes_back() {
        let emulator = Emulator::start();
        let (one, other, certificate) = accounts(&emulator);
        let rejected = ("RejectCertificateTransfer", &other);
        for (operation, by) in [rejected, ("CancelCertificateTransfer", &one), rejected] {
            offer(&one, &other, &certificate).unwrap();
            assert_eq!(status(&other, &certificate).as_deref(), Some("PENDING_TRANSFER"));
            told(by, operation, &certificate).unwrap();
            assert_eq!(status(&one, &certificate).as_deref(), Some("INACTIVE"));
            assert_eq!(status(&other, &certificate), None);
        }
        let mut input = certificate.clone();
        input["rejectReason"] = json!("not ours");
        offer(&one, &other, &certificate).unwrap();
        told(&other, "RejectCertificateTransfer", &input).unwrap();
        let described = one.call("DescribeCertificate", certificate).unwrap();
        let data = &described["certificateDescription"]["transferData"];
        assert_eq!(data["rejectReason"], "not ours");
    }

    #[test]
    fn tr_1_a_refused_target_leaves_everything_as_it_was() {
        let emulator = Emulator::start();
        let (one, other, certificate) = accounts(&emulator);
        let described = one.call("DescribeCertificate", certificate.clone()).unwrap();
        let pem = &described["certificateDescription"]["certificatePem"];
        let input = json!({ "certificatePem": pem, "status": "ACTIVE" });
        told(&other, "RegisterCertificateWithoutCA", &input).unwrap();
        let refused = offer(&one, &other, &certificate);
        assert_eq!(refused, Err(ErrorCode::TransferConflictException));
        assert_eq!(one.call("DescribeCertificate", certificate.clone()).unwrap(), described);
        assert_eq!(status(&other, &certificate).as_deref(), Some("ACTIVE"));
    }

    #[test]
    fn tr_5_of_two_that_end_a_transfer_at_once_exactly_one_wins() {
        const ACCEPT: &str = "AcceptCertificateTransfer";
        const REJECT: &str = "RejectCertificateTransfer";
        const CANCEL: &str = "CancelCertificateTransfer";
        let emulator = Emulator::start();
        for (first, second) in
            [(ACCEPT, CANCEL), (CANCEL, ACCEPT), (REJECT, CANCEL), (ACCEPT, REJECT)]
        {
            let (mut source, mut target, certificate) = accounts(&emulator);
            for _ in 0..ROUNDS {
                offer(&source, &target, &certificate).unwrap();
                let ask = |operation| {
                    let by = if operation == CANCEL { &source } else { &target };
                    told(by, operation, &certificate)
                };
                let (one, other) = at_once(|| ask(first), || ask(second));
                let too_late = Err(ErrorCode::TransferAlreadyCompletedException);
                let winner = match (one, other) {
                    (Ok(()), other) if other == too_late => first,
                    (one, Ok(())) if one == too_late => second,
                    both => panic!("{first} and {second}: {both:?}"),
                };
                let here = status(&source, &certificate);
                let there = status(&target, &certificate);
                let inactive = Some("INACTIVE".to_owned());
                if winner == ACCEPT {
                    assert_eq!((here, there), (None, inactive), "{winner}");
                    // The new owner is the next source.
                    std::mem::swap(&mut source, &mut target);
                } else {
                    assert_eq!((here, there), (inactive, None), "{winner}");
                }
            }
        }
    }

    #[test]
    fn a_cancel_that_meets_the_beginning_ends_the_transfer_or_comes_before_it() {
        let emulator = Emulator::start();
        let (one, other, certificate) = accounts(&emulator);
        let cancel = || told(&one, "CancelCertificateTransfer", &certificate);
        for _ in 0..ROUNDS {
            let (offered, cancelled) = at_once(|| offer(&one, &other, &certificate), cancel);
            assert_eq!(offered, Ok(()));
            let (here, there) = (status(&one, &certificate), status(&other, &certificate));
            if cancelled.is_ok() {
                assert_eq!((here.as_deref(), there.as_deref()), (Some("INACTIVE"), None));
            } else {
                assert_eq!(cancelled, Err(ErrorCode::TransferAlreadyCompletedException));
                let pending = Some("PENDING_TRANSFER");
                assert_eq!((here.as_deref(), there.as_deref()), (pending, pending));
                assert_eq!(cancel(), Ok(()));
            }
        }
    }

    #[test]
    fn two_accounts_that_transfer_to_each_other_do_not_wait_for_each_other() {
        let emulator = Emulator::start();
        let (one, other, certificate) = accounts(&emulator);
        let others = registered(&other);
        let there_and_back = |from: &IotCore, to: &IotCore, certificate: &Value| {
            for _ in 0..ROUNDS {
                for (source, target) in [(from, to), (to, from)] {
                    offer(source, target, certificate).unwrap();
                    told(target, "AcceptCertificateTransfer", certificate).unwrap();
                }
            }
            status(from, certificate)
        };
        let ended = at_once(
            || there_and_back(&one, &other, &certificate),
            || there_and_back(&other, &one, &others),
        );
        assert_eq!(ended, (Some("INACTIVE".to_owned()), Some("INACTIVE".to_owned())));
    }
}
