//! The story of `it/sdks.rs`, told with the AWS SDK for Rust: typed errors, paginators, dates.
//!
//! A binary of its own behind the feature `aws-sdk`: the SDK takes minutes to build.
//! Truth: the SDK, which is made of AWS's own models.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use aws_sdk_iot::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_iot::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iot::operation::RequestId as _;
use aws_sdk_iot::types::{AttributePayload, CaCertificateStatus, CertificateStatus};
use aws_sdk_iot::{Client, Config};
use aws_smithy_types::DateTime;
use iot_emulator::{CertificateAuthority, Emulator, allow};

/// A client of the emulator's API port.
fn client(emulator: &Emulator) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.api_url())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("000000000000", "secret", None, None, "the test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// The error of a call that must be refused, and that it has a message and a request ID.
#[track_caller]
fn refused<O: Debug, E, R>(result: Result<O, SdkError<E, R>>) -> E
where
    E: ProvideErrorMetadata + Debug,
    R: Debug,
{
    let Err(SdkError::ServiceError(error)) = result else { panic!("{result:?}") };
    let error = error.into_err();
    assert!(error.message().is_some_and(|message| !message.is_empty()), "{error:?}");
    assert!(error.meta().request_id().is_some(), "{error:?}");
    error
}

#[expect(clippy::disallowed_methods, reason = "the emulator's clock is the machine's here")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[track_caller]
fn recent(date: Option<&DateTime>) {
    let date = SystemTime::try_from(*date.expect("a date")).expect("a date of this age");
    let age = now().duration_since(date).unwrap_or_else(|ahead| ahead.duration());
    assert!(age < Duration::from_secs(300), "{date:?}");
}

/// What the story has made.
struct Made {
    ca: String,
    id: String,
    arn: String,
}

async fn certificates(iot: &Client) -> Made {
    let code = iot.get_registration_code().send().await.expect("a code");
    let code = code.registration_code().expect("a code");
    let ca = CertificateAuthority::new("Story");
    let registered = iot
        .register_ca_certificate()
        .ca_certificate(ca.pem())
        .verification_certificate(ca.verification_certificate(code))
        .set_as_active(true)
        .allow_auto_registration(true)
        .send()
        .await
        .expect("a CA certificate");
    let ca_id = registered.certificate_id().expect("an ID");
    let described = iot.describe_ca_certificate().certificate_id(ca_id).send().await;
    let described = described.expect("a CA certificate");
    let described = described.certificate_description().expect("a description");
    recent(described.creation_date());
    let validity = described.validity().expect("a validity");
    assert!(validity.not_before() < validity.not_after(), "{validity:?}");
    let device = iot
        .register_certificate()
        .certificate_pem(ca.issue("sensor").certificate_pem())
        .ca_certificate_pem(ca.pem())
        .status(CertificateStatus::Active)
        .send()
        .await
        .expect("a certificate");
    let of_ca = iot.list_certificates_by_ca().ca_certificate_id(ca_id).send().await;
    let of_ca = of_ca.expect("certificates");
    assert_eq!(of_ca.certificates()[0].certificate_id(), device.certificate_id());
    recent(of_ca.certificates()[0].creation_date());
    let text = |text: Option<&str>| text.expect("a text").to_owned();
    let (id, arn) = (text(device.certificate_id()), text(device.certificate_arn()));
    Made { ca: ca_id.to_owned(), id, arn }
}

async fn own_certificate(iot: &Client) {
    let own = iot.create_keys_and_certificate().set_as_active(true).send().await;
    let own = own.expect("a certificate");
    let key = own.key_pair().and_then(|pair| pair.private_key()).expect("a key");
    assert!(key.contains("PRIVATE KEY"), "{key}");
    let id = own.certificate_id().expect("an ID");
    let update = iot.update_certificate().certificate_id(id);
    update.new_status(CertificateStatus::Inactive).send().await.expect("a new status");
    iot.delete_certificate().certificate_id(id).send().await.expect("nothing is attached");
}

async fn attachments(iot: &Client, arn: &str) {
    let document = allow(&["iot:Connect"], "*");
    let policy = iot.create_policy().policy_name("story").policy_document(&document).send().await;
    assert_eq!(policy.expect("a policy").policy_document(), Some(document.as_str()));
    iot.attach_policy().policy_name("story").target(arn).send().await.expect("an attachment");
    let attached = iot.list_attached_policies().target(arn).send().await.expect("policies");
    assert_eq!(attached.policies()[0].policy_name(), Some("story"));
    let thing = iot.create_thing().thing_name("sensor").attribute_payload(hall("7")).send().await;
    let thing = thing.expect("a thing");
    let attach = iot.attach_thing_principal().thing_name("sensor").principal(arn);
    attach.send().await.expect("an attachment");
    let principals = iot.list_thing_principals().thing_name("sensor").send().await;
    assert_eq!(principals.expect("principals").principals(), [arn]);

    let again = iot.create_thing().thing_name("sensor").attribute_payload(hall("8")).send().await;
    let exists = refused(again);
    let aws_sdk_iot::operation::create_thing::CreateThingError::ResourceAlreadyExistsException(
        exists,
    ) = exists
    else {
        panic!("{exists:?}")
    };
    assert_eq!(exists.resource_arn(), thing.thing_arn());
    assert!(exists.resource_id().is_some(), "{exists:?}");
}

fn hall(number: &str) -> AttributePayload {
    AttributePayload::builder().attributes("hall", number).build()
}

async fn things(iot: &Client) {
    for number in 0..60 {
        let create = iot.create_thing().thing_name(format!("thing-{number}"));
        create.send().await.expect("a new thing");
    }
    let mut pages = iot.list_things().into_paginator().page_size(25).send();
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        sizes.push(page.things().len());
        names
            .extend(page.things().iter().filter_map(|thing| thing.thing_name().map(str::to_owned)));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!((sizes, names.len()), (vec![25, 25, 11], 61));
}

async fn errors(iot: &Client) {
    let invalid = refused(iot.create_thing().thing_name("not a name").send().await);
    assert!(invalid.is_invalid_request_exception(), "{invalid:?}");
    let message = invalid.message().unwrap_or_default();
    assert!(message.contains("'thingName' failed to satisfy constraint"), "{message}");
    let missing = refused(iot.describe_thing().thing_name("nobody").send().await);
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");
}

async fn deletion(iot: &Client, made: &Made) {
    let Made { ca, id, arn } = made;
    let delete = || iot.delete_certificate().certificate_id(id).send();
    let active = refused(delete().await);
    assert!(active.is_certificate_state_exception(), "{active:?}");
    let update = iot.update_certificate().certificate_id(id);
    update.new_status(CertificateStatus::Inactive).send().await.expect("a new status");
    let attached = refused(iot.delete_policy().policy_name("story").send().await);
    assert!(attached.is_delete_conflict_exception(), "{attached:?}");
    let detach = iot.detach_thing_principal().thing_name("sensor").principal(arn);
    detach.send().await.expect("a detachment");
    let attached = refused(delete().await);
    assert!(attached.is_delete_conflict_exception(), "{attached:?}");
    iot.detach_policy().policy_name("story").target(arn).send().await.expect("a detachment");
    iot.delete_policy().policy_name("story").send().await.expect("nothing is attached");
    delete().await.expect("nothing is attached");
    let gone = refused(iot.describe_certificate().certificate_id(id).send().await);
    assert!(gone.is_resource_not_found_exception(), "{gone:?}");
    iot.delete_thing().thing_name("sensor").send().await.expect("nothing is attached");
    let active = refused(iot.delete_ca_certificate().certificate_id(ca).send().await);
    assert!(active.is_certificate_state_exception(), "{active:?}");
    let update = iot.update_ca_certificate().certificate_id(ca);
    update.new_status(CaCertificateStatus::Inactive).send().await.expect("a new status");
    iot.delete_ca_certificate().certificate_id(ca).send().await.expect("an INACTIVE one");
    let left = iot.list_ca_certificates().send().await.expect("CA certificates");
    assert!(left.certificates().is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_sdk_for_rust_tells_the_story() {
    let emulator = Emulator::start();
    let iot = client(&emulator);
    let made = certificates(&iot).await;
    own_certificate(&iot).await;
    attachments(&iot, &made.arn).await;
    things(&iot).await;
    errors(&iot).await;
    deletion(&iot, &made).await;
}
