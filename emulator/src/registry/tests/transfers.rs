//! TR-1 … TR-6, ID-8, and what CERT-30 tells of a transfer, each end on its own. The two ends
//! together are tested in `iot_core/transfers.rs`.

use super::*;
use crate::names::AccountId;

const SOURCE: &str = "123456789012";
const TARGET: &str = "210987654321";
const LATER: Timestamp = Timestamp::from_milliseconds(1_800_000_060_053);

fn target_registry() -> Registry {
    Registry::new(Scope::new(TARGET, "eu-west-1"), 7)
}

fn begin(registry: &mut Registry, id: &str, more: Value) -> Result<Departure, ApiError> {
    let mut json = json!({ "certificateId": id, "targetAwsAccount": TARGET });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked("TransferCertificate", &json, |input| registry.begin_transfer(input, NOW))
}

/// A certificate that the source offers and the target has not answered.
fn offered(status: &str) -> (Registry, Registry, String) {
    let (mut source, id, _) = with_certificate(status);
    let mut target = target_registry();
    let departure = begin(&mut source, &id, json!({ "transferMessage": "yours" })).unwrap();
    target.receive_transfer(&departure).unwrap();
    (source, target, id)
}

fn accept(target: &mut Registry, id: &str, set_as_active: bool) -> Result<(), ApiError> {
    let json = json!({ "certificateId": id, "setAsActive": set_as_active });
    asked("AcceptCertificateTransfer", &json, |input| target.accept_transfer(&input, LATER))
        .map(drop)
}

fn reject(target: &mut Registry, id: &str) -> Result<(), ApiError> {
    let json = json!({ "certificateId": id, "rejectReason": "not ours" });
    asked("RejectCertificateTransfer", &json, |input| target.reject_transfer(&input)).map(drop)
}

fn cancellable(source: &Registry, id: &str) -> Result<(), ApiError> {
    let json = json!({ "certificateId": id });
    asked("CancelCertificateTransfer", &json, |input| source.cancellable_transfer(&input)).map(drop)
}

fn described(registry: &Registry, id: &str) -> Value {
    let described = registry.describe_certificate(input(json!({ "certificateId": id })));
    output(described.expect("it is here"))["certificateDescription"].clone()
}

fn outgoing(registry: &Registry, json: &Value) -> Value {
    let list = |input| registry.list_outgoing_certificates(input);
    output(asked("ListOutgoingCertificates", json, list).expect("a good request"))
}

fn key(id: &str) -> CertificateId {
    id.parse().unwrap()
}

fn completed(id: &str) -> String {
    format!(
        "410 TransferAlreadyCompletedException: The transfer of the certificate is already \
         complete. Id: {id}"
    )
}

#[test]
fn tr_1_what_must_be_before_a_transfer() {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    create_policy(&mut registry, "P");
    registry.create_thing(input(json!({ "thingName": "lamp" })), NOW).unwrap();
    let policy = json!({ "policyName": "P", "target": arn });
    registry.attach_policy(input(policy.clone())).unwrap();
    let thing = json!({ "thingName": "lamp", "principal": arn });
    registry.attach_thing_principal(input(thing.clone())).unwrap();
    let own = json!({ "targetAwsAccount": SOURCE });
    let refused = |registry: &mut Registry, more: Value| {
        outcome(&begin(registry, &id, more)).replace(&id, "ID").replace(SOURCE, "ME")
    };

    let unknown = "f".repeat(64);
    assert_eq!(
        outcome(&begin(&mut registry, &unknown, json!({}))),
        format!("404 ResourceNotFoundException: CertificateId {unknown} does not exist")
    );
    for account in ["1234", "12345678901a", "1234567890123"] {
        let malformed = begin(&mut registry, &id, json!({ "targetAwsAccount": account }));
        assert!(outcome(&malformed).starts_with("400 InvalidRequestException"), "{account}");
    }
    // One hindrance after the other is taken away.
    assert_eq!(
        refused(&mut registry, own.clone()),
        "406 CertificateStateException: Certificate must be deactivated (not ACTIVE) before \
         transfer. Id: ID"
    );
    let inactive = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    registry.update_certificate(input(inactive), NOW).unwrap();
    assert_eq!(
        refused(&mut registry, own.clone()),
        "409 TransferConflictException: Certificate policies must be detached before transfer \
         (arn: arn:aws:iot:eu-west-1:ME:cert/ID)"
    );
    registry.detach_policy(input(policy)).unwrap();
    assert_eq!(
        refused(&mut registry, own.clone()),
        "409 TransferConflictException: Things must be detached before transfer \
         (arn: arn:aws:iot:eu-west-1:ME:cert/ID)"
    );
    registry.detach_thing_principal(input(thing)).unwrap();
    assert_eq!(
        refused(&mut registry, own),
        "400 InvalidRequestException: A certificate cannot be transferred to the account that \
         owns it"
    );
    assert_eq!(described(&registry, &id)["status"], "INACTIVE");
    assert_eq!(refused(&mut registry, json!({})), "200");
    assert_eq!(
        refused(&mut registry, json!({})),
        "406 CertificateStateException: Not allowed to transfer a certificate in \
         PENDING_TRANSFER status. Id: ID"
    );
}

#[test]
fn tr_1_and_cert_30_both_ends_show_what_waits() {
    for status in ["INACTIVE", "REVOKED"] {
        let (source, target, id) = offered(status);
        let data = json!({ "transferMessage": "yours", "transferDate": 1_800_000_000.053 });
        for (registry, account) in [(&source, SOURCE), (&target, TARGET)] {
            let certificate = described(registry, &id);
            let arn = format!("arn:aws:iot:eu-west-1:{account}:cert/{id}");
            assert_eq!(certificate["certificateArn"], arn);
            assert_eq!(certificate["status"], "PENDING_TRANSFER");
            assert_eq!(certificate["ownedBy"], SOURCE, "until it is accepted");
            assert_eq!(certificate.get("previousOwnedBy"), None);
            assert_eq!(certificate["transferData"], data);
            assert_eq!(certificate["certificateMode"], "SNI_ONLY");
            let listed = output(registry.list_certificates(input(json!({}))).unwrap());
            assert_eq!(listed["certificates"][0]["status"], "PENDING_TRANSFER");
        }
    }
    let (registry, id, _) = with_certificate("INACTIVE");
    assert_eq!(described(&registry, &id)["transferData"], json!({}), "never transferred");
}

#[test]
fn id_8_the_answer_names_the_target_account() {
    let (mut source, id, _) = with_certificate("INACTIVE");
    let departure = begin(&mut source, &id, json!({})).unwrap();
    assert_eq!(departure.target().as_str(), TARGET);
    let answer = output(target_registry().receive_transfer(&departure).unwrap());
    let arn = format!("arn:aws:iot:eu-west-1:{TARGET}:cert/{id}");
    assert_eq!(answer, json!({ "transferredCertificateArn": arn }));
}

#[test]
fn tr_1_what_waits_is_neither_changed_nor_deleted_nor_attached() {
    let (source, target, id) = offered("INACTIVE");
    let in_transfer = |verb: &str| {
        format!(
            "406 CertificateStateException: Not allowed to {verb} a certificate in \
             PENDING_TRANSFER status. Id: {id}"
        )
    };
    let attach = format!(
        "400 InvalidRequestException: Not allowed to attach to a certificate in \
         PENDING_TRANSFER status. Id: {id}"
    );
    for mut registry in [source, target] {
        let arn = registry.certificate_arn(key(&id));
        create_policy(&mut registry, "P");
        registry.create_thing(input(json!({ "thingName": "lamp" })), NOW).unwrap();
        for status in ["ACTIVE", "INACTIVE", "REVOKED"] {
            let json = json!({ "certificateId": id, "newStatus": status });
            let updated = registry.update_certificate(input(json), NOW);
            assert_eq!(outcome(&updated), in_transfer("update"));
        }
        for force in [false, true] {
            let json = json!({ "certificateId": id, "forceDelete": force });
            let deleted = registry.delete_certificate(input(json));
            assert_eq!(outcome(&deleted), in_transfer("delete"));
        }
        let policy = json!({ "policyName": "P", "target": arn });
        assert_eq!(outcome(&registry.attach_policy(input(policy))), attach);
        let policy = json!({ "policyName": "P", "principal": arn });
        assert_eq!(outcome(&registry.attach_principal_policy(input(policy))), attach);
        let thing = json!({ "thingName": "lamp", "principal": arn });
        assert_eq!(outcome(&registry.attach_thing_principal(input(thing))), attach);
    }
}

#[test]
fn tr_2_accepted_it_is_the_targets_and_the_source_has_it_no_longer() {
    for (set_as_active, status) in [(false, "INACTIVE"), (true, "ACTIVE")] {
        let (mut source, mut target, id) = offered("INACTIVE");
        assert_eq!(outcome(&accept(&mut target, &id, set_as_active)), "200");
        source.take_changes();
        source.transfer_accepted(key(&id), &AccountId::new(TARGET));

        let certificate = described(&target, &id);
        assert_eq!(certificate["status"], status);
        assert_eq!(
            (&certificate["ownedBy"], &certificate["previousOwnedBy"]),
            (&json!(TARGET), &json!(SOURCE))
        );
        assert_eq!(
            certificate["transferData"],
            json!({
                "transferMessage": "yours",
                "transferDate": 1_800_000_000.053,
                "acceptDate": 1_800_000_060.053,
            })
        );
        assert_eq!(certificate["lastModifiedDate"], 1_800_000_060.053);
        assert_eq!(certificate["creationDate"], 1_800_000_000.053, "it is no new certificate");
        let gone = source.describe_certificate(input(json!({ "certificateId": id })));
        assert!(outcome(&gone).starts_with("404 ResourceNotFoundException"));
        assert_eq!(source.take_changes(), [Change::CertificateDeleted(key(&id))]);
        assert_eq!(outgoing(&source, &json!({})), json!({ "outgoingCertificates": [] }));
        // It is an ordinary certificate now, which can go on, or back.
        let json = json!({ "certificateId": id, "newStatus": "INACTIVE" });
        target.update_certificate(input(json), LATER).unwrap();
        let back = begin(&mut target, &id, json!({ "targetAwsAccount": SOURCE })).unwrap();
        source.receive_transfer(&back).unwrap();
        assert_eq!(outcome(&accept(&mut source, &id, true)), "200");
        target.transfer_accepted(key(&id), &AccountId::new(SOURCE));
        assert_eq!(described(&source, &id)["previousOwnedBy"], TARGET);
    }
}

#[test]
fn tr_3_rejected_it_is_inactive_at_the_source_which_is_told_why() {
    let (mut source, mut target, id) = offered("REVOKED");
    assert_eq!(outcome(&reject(&mut target, &id)), "200");
    let why = Some("not ours".to_owned());
    source.transfer_rejected(key(&id), &AccountId::new(TARGET), why, LATER);
    let certificate = described(&source, &id);
    assert_eq!(
        (&certificate["status"], &certificate["ownedBy"]),
        (&json!("INACTIVE"), &json!(SOURCE))
    );
    assert_eq!(
        certificate["transferData"],
        json!({
            "transferMessage": "yours",
            "transferDate": 1_800_000_000.053,
            "rejectDate": 1_800_000_060.053,
            "rejectReason": "not ours",
        })
    );
    assert_eq!(target.certificates.len(), 0);
    // Once more, and what was before is forgotten.
    begin(&mut source, &id, json!({})).unwrap();
    let data = json!({ "transferDate": 1_800_000_000.053 });
    assert_eq!(described(&source, &id)["transferData"], data);
}

#[test]
fn tr_4_cancelled_it_is_inactive_at_the_source() {
    let (mut source, mut target, id) = offered("INACTIVE");
    assert_eq!(outcome(&cancellable(&source, &id)), "200");
    let other = AccountId::new("333333333333");
    assert_eq!(outcome(&target.withdraw_transfer(key(&id), &other)), completed(&id));
    assert_eq!(outcome(&target.withdraw_transfer(key(&id), &AccountId::new(SOURCE))), "200");
    source.transfer_cancelled(key(&id), &AccountId::new(TARGET), LATER);
    let certificate = described(&source, &id);
    assert_eq!(certificate["status"], "INACTIVE");
    assert_eq!(certificate["lastModifiedDate"], 1_800_000_060.053);
    assert_eq!(outgoing(&source, &json!({})), json!({ "outgoingCertificates": [] }));
    assert_eq!(target.certificates.len(), 0);
}

#[test]
fn tr_5_whoever_comes_after_the_end_is_told_so() {
    let (mut source, mut target, id) = offered("INACTIVE");
    accept(&mut target, &id, false).unwrap();
    // The source does not know yet, and the target's record decides.
    let withdrawn = target.withdraw_transfer(key(&id), &AccountId::new(SOURCE));
    assert_eq!(outcome(&withdrawn), completed(&id));
    source.transfer_accepted(key(&id), &AccountId::new(TARGET));
    assert_eq!(outcome(&cancellable(&source, &id)), completed(&id));
    assert_eq!(outcome(&accept(&mut target, &id, true)), completed(&id));
    assert_eq!(outcome(&reject(&mut target, &id)), completed(&id));
    assert_eq!(described(&target, &id)["status"], "INACTIVE");

    let (mut source, mut target, id) = offered("INACTIVE");
    reject(&mut target, &id).unwrap();
    source.transfer_rejected(key(&id), &AccountId::new(TARGET), None, LATER);
    assert_eq!(outcome(&cancellable(&source, &id)), completed(&id));
    assert_eq!(outcome(&accept(&mut target, &id, true)), completed(&id));
    assert_eq!(outcome(&reject(&mut target, &id)), completed(&id));

    let unknown = "f".repeat(64);
    let missing = format!("404 ResourceNotFoundException: CertificateId {unknown} does not exist");
    assert_eq!(outcome(&cancellable(&source, &unknown)), missing);
    assert_eq!(outcome(&accept(&mut target, &unknown, true)), missing);
    assert_eq!(outcome(&reject(&mut target, &unknown)), missing);
}

#[test]
fn tr_3_and_4_each_side_has_its_own_way_to_end_a_transfer() {
    let (mut source, mut target, id) = offered("INACTIVE");
    let of_the_target = format!(
        "400 InvalidRequestException: Only the target account can accept or reject the transfer. \
         Id: {id}"
    );
    assert_eq!(outcome(&accept(&mut source, &id, true)), of_the_target);
    assert_eq!(outcome(&reject(&mut source, &id)), of_the_target);
    assert_eq!(
        outcome(&cancellable(&target, &id)),
        format!(
            "400 InvalidRequestException: Only the source account can cancel the transfer. \
             Id: {id}"
        )
    );
    assert_eq!(outcome(&accept(&mut target, &id, true)), "200", "nothing was spoilt");
}

#[test]
fn ma_1_a_target_that_has_the_certificate_already_does_not_take_another() {
    let identity = Identity::self_signed("lamp");
    let (mut source, mut target) = (registry(), target_registry());
    for registry in [&mut source, &mut target] {
        register_without_ca(registry, &identity, "INACTIVE");
    }
    let id = identity.certificate_id().to_string();
    let before = described(&source, &id);
    let departure = begin(&mut source, &id, json!({})).unwrap();
    let refused = target.receive_transfer(&departure);
    assert!(outcome(&refused).starts_with("409 TransferConflictException"));
    source.undo_transfer(departure);
    assert_eq!(described(&source, &id), before);
    assert_eq!(outgoing(&source, &json!({})), json!({ "outgoingCertificates": [] }));
}

#[test]
fn tr_6_what_is_offered_is_listed_page_by_page() {
    let mut source = registry();
    let identities = ["a", "b", "c", "d"].map(Identity::self_signed);
    let ids = identities.each_ref().map(|identity| identity.certificate_id().to_string());
    for identity in &identities {
        register_without_ca(&mut source, identity, "INACTIVE");
    }
    // In another order than they were registered in, and not the last.
    for id in [&ids[1], &ids[2], &ids[0]] {
        begin(&mut source, id, json!({ "transferMessage": "yours" })).unwrap();
    }
    let first = outgoing(&source, &json!({ "pageSize": 2, "ascendingOrder": true }));
    assert_eq!(
        first["outgoingCertificates"][0],
        json!({
            "certificateArn": format!("arn:aws:iot:eu-west-1:{TARGET}:cert/{}", ids[0]),
            "certificateId": ids[0],
            "transferredTo": TARGET,
            "transferDate": 1_800_000_000.053,
            "transferMessage": "yours",
            "creationDate": 1_800_000_000.053,
        })
    );
    let marker = &first["nextMarker"];
    let second = json!({ "pageSize": 2, "ascendingOrder": true, "marker": marker });
    let second = outgoing(&source, &second);
    let listed = |page: &Value| {
        let certificates = page["outgoingCertificates"].as_array().unwrap().iter();
        let ids = certificates.map(|certificate| certificate["certificateId"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        (listed(&first), listed(&second)),
        (vec![json!(ids[0]), json!(ids[1])], vec![json!(ids[2])])
    );
    assert_eq!(second.get("nextMarker"), None);
    let newest_first = listed(&outgoing(&source, &json!({})));
    assert_eq!(newest_first, [json!(ids[2]), json!(ids[1]), json!(ids[0])]);
}

#[test]
fn cert_19_a_transferred_certificate_keeps_its_mode_and_its_ca() {
    let (mut source, mut target) = (registry(), target_registry());
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut source, &ca, json!({}));
    let device = ca.issue("lamp");
    let id = device.certificate_id().to_string();
    let json = json!({ "certificatePem": device.certificate_pem() });
    source.register_certificate(input(json), NOW).unwrap();
    let departure = begin(&mut source, &id, json!({})).unwrap();
    target.receive_transfer(&departure).unwrap();
    let waiting = target.certificate(key(&id)).unwrap();
    assert!(waiting.is_incoming() && !source.certificate(key(&id)).unwrap().is_incoming());
    accept(&mut target, &id, false).unwrap();
    source.transfer_accepted(key(&id), &AccountId::new(TARGET));

    let certificate = described(&target, &id);
    assert_eq!(certificate["certificateMode"], "DEFAULT");
    assert_eq!(certificate["caCertificateId"], ca.certificate_id().to_string());
    let of_ca = json!({ "caCertificateId": ca.certificate_id().to_string() });
    for (registry, count) in [(&source, 0), (&target, 1)] {
        let listed = output(registry.list_certificates_by_ca(input(of_ca.clone())).unwrap());
        assert_eq!(listed["certificates"].as_array().unwrap().len(), count);
    }
}

#[test]
fn cert_35_what_went_away_can_be_registered_afresh() {
    let (mut source, mut target) = (registry(), target_registry());
    let identity = Identity::self_signed("lamp");
    let id = identity.certificate_id().to_string();
    register_without_ca(&mut source, &identity, "INACTIVE");
    let departure = begin(&mut source, &id, json!({})).unwrap();
    target.receive_transfer(&departure).unwrap();
    accept(&mut target, &id, false).unwrap();
    source.transfer_accepted(key(&id), &AccountId::new(TARGET));
    register_without_ca(&mut source, &identity, "ACTIVE");
    assert_eq!(described(&source, &id)["transferData"], json!({}));
    source.delete_certificate(input(json!({ "certificateId": id }))).unwrap_err();
    let json = json!({ "certificateId": id, "newStatus": "REVOKED" });
    source.update_certificate(input(json), NOW).unwrap();
    source.delete_certificate(input(json!({ "certificateId": id }))).unwrap();
    let cancelled = cancellable(&source, &id);
    assert!(outcome(&cancelled).starts_with("404 "), "that transfer is forgotten");
}
