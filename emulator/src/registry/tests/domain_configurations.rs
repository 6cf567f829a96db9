//! Domain configurations: what they may say, and when they may go.

use std::time::Duration;

use super::*;

const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b";
const ARN: &str = "arn:aws:iot:eu-west-1:123456789012:domainconfiguration";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn create(registry: &mut Registry, json: &Value) -> Result<NamedDomainConfiguration, ApiError> {
    asked("CreateDomainConfiguration", json, |input| {
        registry.create_domain_configuration(input, NOW)
    })
}

fn update(
    registry: &mut Registry,
    json: &Value,
    now: Timestamp,
) -> Result<NamedDomainConfiguration, ApiError> {
    asked("UpdateDomainConfiguration", json, |input| {
        registry.update_domain_configuration(input, now)
    })
}

fn describe(registry: &Registry, name: &str) -> Value {
    let json = json!({ "domainConfigurationName": name });
    let described = asked("DescribeDomainConfiguration", &json, |input| {
        registry.describe_domain_configuration(input, "localhost")
    });
    described.map_or_else(|error| json!(error.to_string()), output)
}

fn delete(registry: &mut Registry, name: &str, now: Timestamp) -> String {
    let json = json!({ "domainConfigurationName": name });
    outcome(&asked("DeleteDomainConfiguration", &json, |input| {
        registry.delete_domain_configuration(input, now)
    }))
}

fn disable(registry: &mut Registry, name: &str, now: Timestamp) {
    let json = json!({
        "domainConfigurationName": name, "domainConfigurationStatus": "DISABLED"
    });
    update(registry, &json, now).expect("it is there");
}

/// A configuration `name` of the customer's own domain, and `more`.
fn custom(name: &str, more: Value) -> Value {
    let mut json = json!({
        "domainConfigurationName": name,
        "domainName": "IoT.example.com",
        "serverCertificateArns": [CERTIFICATE],
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json
}

#[test]
fn a_domain_of_the_customers_is_described_as_it_was_given() {
    let mut registry = registry();
    let json = custom("Own", json!({ "serviceType": "DATA", "tags": [{ "Key": "a" }] }));
    let created = create(&mut registry, &json).unwrap();
    let arn = created.domain_configuration_arn.as_str();
    let id = arn.strip_prefix(&format!("{ARN}/Own/")).expect("name and ID");
    assert!(id.len() == 5 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(
        describe(&registry, "Own"),
        json!({
            "domainConfigurationName": "Own",
            "domainConfigurationArn": arn,
            "domainName": "IoT.example.com",
            "serverCertificates": [
                { "serverCertificateArn": CERTIFICATE, "serverCertificateStatus": "VALID" }
            ],
            "domainConfigurationStatus": "ENABLED",
            "serviceType": "DATA",
            "domainType": "CUSTOMER_MANAGED",
            "lastStatusChangeDate": NOW,
            "tlsConfig": { "securityPolicy": "IoTSecurityPolicy_TLS13_1_2_2022_10" },
            "serverCertificateConfig": { "enableOCSPCheck": false },
            "authenticationType": "DEFAULT",
            "applicationProtocol": "DEFAULT",
        })
    );
    assert_eq!(registry.served_domain("Own").unwrap().key, "iot.example.com");

    let again = create(&mut registry, &json).unwrap_err();
    assert_eq!(again.code(), ErrorCode::ResourceAlreadyExistsException);
    assert_eq!(
        (&again.body()["resourceId"], &again.body()["resourceArn"]),
        (&json!("Own"), &json!(arn))
    );
}

#[test]
fn a_domain_of_awss_gets_a_name_that_follows_from_the_seed() {
    let name_of = |registry: &mut Registry| {
        create(registry, &json!({ "domainConfigurationName": "More" })).unwrap();
        let described = describe(registry, "More");
        assert_eq!(described["domainType"], "AWS_MANAGED");
        assert_eq!(described["serverCertificates"], json!([]));
        described["domainName"].as_str().unwrap().to_owned()
    };
    let name = name_of(&mut registry());
    let own = name.strip_suffix("-ats.iot.eu-west-1.amazonaws.com").expect("AWS's form");
    assert!(own.len() == 21 && own.starts_with("d0"), "{own}");
    assert_eq!(name_of(&mut registry()), name);
    let mut elsewhere = Registry::new(Scope::new("210987654321", "eu-west-1"), 7);
    assert_ne!(name_of(&mut elsewhere), name);
}

#[test]
fn the_default_endpoint_is_listed_and_described_and_stays_as_it_is() {
    let mut registry = registry();
    let described = describe(&registry, "iot:Data-ATS");
    assert_eq!(described["domainConfigurationArn"], format!("{ARN}/iot:Data-ATS"));
    let members = ["domainName", "domainType", "domainConfigurationStatus"];
    let told = members.map(|member| described[member].as_str().unwrap());
    assert_eq!(told, ["localhost", "ENDPOINT", "ENABLED"]);
    let json = json!({
        "domainConfigurationName": "iot:Data-ATS", "domainConfigurationStatus": "DISABLED"
    });
    assert_eq!(
        outcome(&update(&mut registry, &json, NOW)),
        "400 InvalidRequestException: Domain configurations for default endpoints can't be updated"
    );
    let refused = delete(&mut registry, "iot:Data-ATS", NOW);
    assert!(refused.starts_with("400 InvalidRequestException: 1 validation error"), "{refused}");
    assert!(registry.served_domain("iot:Data-ATS").is_none());
}

#[test]
fn what_a_domain_configuration_cannot_be() {
    let named = |domain: &str| custom("A", json!({ "domainName": domain }));
    let invalid = "400 InvalidRequestException: Must provide a valid domain name to configure.";
    let not_served = "400 InvalidRequestException: iot-emulator does not serve";
    let ocsp = |config: Value| custom("A", json!({ "serverCertificateConfig": config }));
    let table = [
        (named("example"), invalid.to_owned()),
        (named("-a.example.com"), invalid.to_owned()),
        (named("*.example.com"), invalid.to_owned()),
        (named("a..example.com"), invalid.to_owned()),
        (named("127.0.0.1"), invalid.to_owned()),
        (named("a1-ats.iot.eu-west-1.amazonaws.com"), invalid.to_owned()),
        (named("custom.iot.people.aws.dev"), invalid.to_owned()),
        (
            json!({ "domainConfigurationName": "A", "serverCertificateArns": [CERTIFICATE] }),
            invalid.to_owned(),
        ),
        (
            json!({ "domainConfigurationName": "A", "domainName": "iot.example.com" }),
            "400 InvalidRequestException: Cannot provide a custom domain name for an AWS Managed \
             Domain"
                .to_owned(),
        ),
        (
            custom("A", json!({ "serviceType": "JOBS" })),
            format!("{not_served} domains of the serviceType JOBS"),
        ),
        (
            custom("A", json!({ "authorizerConfig": { "defaultAuthorizerName": "Mine" } })),
            format!("{not_served} custom authorizers: authorizerConfig"),
        ),
        (
            custom("A", json!({ "clientCertificateConfig": {} })),
            format!("{not_served} functions for client certificates: clientCertificateConfig"),
        ),
        (
            ocsp(json!({ "enableOCSPCheck": true })),
            format!("{not_served} OCSP stapling: serverCertificateConfig"),
        ),
        (
            ocsp(json!({ "ocspLambdaArn": "arn:aws:lambda:eu-west-1:123456789012:function:f" })),
            format!("{not_served} OCSP stapling: serverCertificateConfig"),
        ),
        (
            custom("A", json!({ "authenticationType": "CUSTOM_AUTH" })),
            format!("{not_served} the authenticationType CUSTOM_AUTH"),
        ),
        (
            custom("A", json!({ "applicationProtocol": "MQTT_WSS" })),
            format!("{not_served} the applicationProtocol MQTT_WSS"),
        ),
        (
            custom("A", json!({ "tlsConfig": { "securityPolicy": "Mine" } })),
            "400 InvalidRequestException: Invalid security policy: Mine".to_owned(),
        ),
    ];
    for (json, expected) in table {
        assert_eq!(outcome(&create(&mut registry(), &json)), expected, "{json}");
    }
    assert_eq!(
        outcome(&create(&mut registry(), &ocsp(json!({ "enableOCSPCheck": false })))),
        "200"
    );
}

#[test]
fn an_update_changes_what_it_says_and_nothing_if_it_is_refused() {
    let mut registry = registry();
    create(&mut registry, &custom("A", json!({}))).unwrap();
    let later = NOW + DAY;
    let mut changed = |more: Value| {
        let mut json = json!({ "domainConfigurationName": "A" });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let updated = outcome(&update(&mut registry, &json, later));
        let told = describe(&registry, "A");
        let members = ["domainConfigurationStatus", "authenticationType", "applicationProtocol"];
        let [status, authentication, protocol] = members.map(|member| told[member].clone());
        let policy = told["tlsConfig"]["securityPolicy"].as_str().unwrap().to_owned();
        (updated, json!([status, authentication, protocol]), policy[18..23].to_owned())
    };
    let terms = json!({
        "tlsConfig": { "securityPolicy": "IoTSecurityPolicy_TLS12_1_2_2022_10" },
        "authenticationType": "AWS_X509",
        "applicationProtocol": "SECURE_MQTT",
        "removeAuthorizerConfig": true,
    });
    let x509_mqtt = json!(["ENABLED", "AWS_X509", "SECURE_MQTT"]);
    assert_eq!(changed(terms), ("200".to_owned(), x509_mqtt.clone(), "TLS12".to_owned()));
    let refused = changed(json!({
        "domainConfigurationStatus": "DISABLED", "authenticationType": "AWS_SIGV4",
    }));
    assert!(refused.0.ends_with("the authenticationType AWS_SIGV4"), "{refused:?}");
    assert_eq!((refused.1, refused.2), (x509_mqtt, "TLS12".to_owned()));
    assert_eq!(describe(&registry, "A")["lastStatusChangeDate"], json!(NOW));
    disable(&mut registry, "A", later);
    disable(&mut registry, "A", later + DAY);
    assert_eq!(describe(&registry, "A")["lastStatusChangeDate"], json!(later));
}

#[test]
fn a_domain_goes_only_when_disabled_and_one_of_awss_after_seven_days() {
    let mut registry = registry();
    create(&mut registry, &custom("Own", json!({ "tags": [{ "Key": "a" }] }))).unwrap();
    create(&mut registry, &json!({ "domainConfigurationName": "More" })).unwrap();
    for name in ["Own", "More"] {
        assert_eq!(
            delete(&mut registry, name, NOW + 30 * DAY),
            format!(
                "400 InvalidRequestException: Domain configuration {name} must be DISABLED before \
                 deletion"
            )
        );
        disable(&mut registry, name, NOW);
    }
    assert_eq!(delete(&mut registry, "Own", NOW), "200");
    assert!(registry.tags.is_empty());
    let early = delete(&mut registry, "More", NOW + 6 * DAY);
    assert!(
        early.starts_with("400 InvalidRequestException") && early.contains("7 days"),
        "{early}"
    );
    assert_eq!(delete(&mut registry, "More", NOW + 7 * DAY), "200");
    let gone = "ResourceNotFoundException: Domain configuration More not found";
    assert_eq!(delete(&mut registry, "More", NOW), format!("404 {gone}"));
    assert_eq!(describe(&registry, "More"), json!(gone));
}

#[test]
fn domain_configurations_are_listed_newest_first_and_there_are_ten() {
    let mut registry = registry();
    for number in 1..=10 {
        let json = json!({ "domainConfigurationName": format!("D{number}") });
        create(&mut registry, &json).unwrap();
    }
    let eleventh = create(&mut registry, &json!({ "domainConfigurationName": "D11" }));
    assert!(outcome(&eleventh).starts_with("410 LimitExceededException"));
    let list = |json: Value| {
        let page = asked("ListDomainConfigurations", &json, |input| {
            registry.list_domain_configurations(input)
        });
        let page = page.unwrap();
        let names = page.domain_configurations.into_iter().map(|it| it.domain_configuration_name);
        (names.collect::<Vec<_>>(), page.next_marker)
    };
    let (first, marker) = list(json!({ "pageSize": 9 }));
    assert_eq!((first[0].as_str(), first[8].as_str()), ("D10", "D2"));
    let (rest, marker) = list(json!({ "pageSize": 9, "marker": marker, "serviceType": "DATA" }));
    assert_eq!((rest, marker), (vec!["D1".to_owned(), "iot:Data-ATS".to_owned()], None));
    assert_eq!(list(json!({ "serviceType": "JOBS" })), (Vec::new(), None));
}
