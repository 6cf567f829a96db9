//! Custom domain names: the operations, the truststore's life, and which name a connection finds.

use super::*;
use crate::pki::CertificateAuthority;

fn create(gateway: &ApiGateway, name: &str, members: Value) -> Result<Value, ApiError> {
    let mut input = json!({ "domainName": name, "domainNameConfigurations": [{}] });
    input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    call(ApiGateway::create_domain_name, gateway, input)
}

#[test]
fn a_domain_name_with_mutual_tls_is_described_as_aws_describes_it() {
    let Bench { gateway, buckets, .. } = bench();
    buckets.put("trust", "root.pem", CertificateAuthority::new("Root").pem()).unwrap();
    let arn = "arn:aws:acm:us-east-1:123456789012:certificate/1";
    let members = json!({
        "domainNameConfigurations": [
            { "certificateArn": arn, "endpointType": "REGIONAL", "securityPolicy": "TLS_1_2" },
        ],
        "mutualTlsAuthentication": { "truststoreUri": "s3://trust/root.pem" },
        "tags": { "team": "a" },
    });
    let domain_name = create(&gateway, "sample.example.com", members).unwrap();
    let configuration = &domain_name["domainNameConfigurations"][0];
    let host = text(configuration, "apiGatewayDomainName");
    assert!(host.starts_with("d-") && host.ends_with(".execute-api.us-east-1.amazonaws.com"));
    assert_eq!(
        domain_name,
        json!({
            "apiMappingSelectionExpression": "$request.basepath",
            "domainName": "sample.example.com",
            "domainNameArn": "arn:aws:apigateway:us-east-1::/domainnames/sample.example.com",
            "domainNameConfigurations": [{
                "apiGatewayDomainName": host, "certificateArn": arn,
                "domainNameStatus": "AVAILABLE", "endpointType": "REGIONAL",
                "ipAddressType": "ipv4", "securityPolicy": "TLS_1_2",
            }],
            "mutualTlsAuthentication": { "truststoreUri": "s3://trust/root.pem" },
            "routingMode": "API_MAPPING_ONLY",
            "tags": { "team": "a" },
        })
    );
    let name = json!({ "domainName": "sample.example.com" });
    assert_eq!(got!(gateway, get_domain_name, (name.clone())), domain_name);
    assert_eq!(got!(gateway, get_domain_names, {})["items"], json!([domain_name]));
    assert_eq!(ok!(gateway, delete_domain_name, (name.clone())), Value::Null);
    assert_eq!(
        not_got!(gateway, get_domain_name, name),
        "NotFoundException: Invalid domain name identifier specified"
    );
}

#[test]
fn a_domain_name_that_aws_would_refuse_is_refused() {
    let Bench { gateway, .. } = bench();
    create(&gateway, "taken.example.com", json!({})).unwrap();
    let table = [
        ("taken.example.com", json!({}), "ConflictException: The domain name you provided already"),
        ("a.b", json!({"domainNameConfigurations": []}), "Expected one domain name configuration"),
        (
            "a.b",
            json!({"domainNameConfigurations": null}),
            "Expected one domain name configuration",
        ),
        ("a.b", json!({"domainNameConfigurations": [{"endpointType": "EDGE"}]}), "Only REGIONAL"),
        (
            "a.b",
            json!({"domainNameConfigurations": [{"securityPolicy": "TLS_1_0"}]}),
            "Only REGIONAL",
        ),
        ("a.b", json!({"routingMode": "ROUTING_RULE_ONLY"}), "ROUTING_RULE_ONLY"),
        ("a.b", json!({"mutualTlsAuthentication": {}}), "truststoreUri is required"),
        (
            "a.b",
            json!({"mutualTlsAuthentication": {"truststoreUri": "s3://trust/missing"}}),
            "Unable to read the truststore s3://trust/missing: NoSuchBucket",
        ),
        ("A.b", json!({}), "Invalid domain name"),
        ("a..b", json!({}), "Invalid domain name"),
        ("-a.b", json!({}), "Invalid domain name"),
        ("", json!({}), "Invalid domain name"),
    ];
    for (name, members, expected) in table {
        let error = create(&gateway, name, members).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(gateway.domains().len(), 1);
}

#[test]
fn tls_7_a_new_truststore_comes_into_force_with_an_update_only() {
    let Bench { gateway, buckets, .. } = bench();
    let (old, new) = (CertificateAuthority::new("Old"), CertificateAuthority::new("New"));
    buckets.put("trust", "root.pem", old.pem()).unwrap();
    let mutual = json!({ "mutualTlsAuthentication": { "truststoreUri": "s3://trust/root.pem" } });
    create(&gateway, "sample.example.com", mutual).unwrap();
    let admits = |ca: &CertificateAuthority| {
        let domain = gateway.domain(Some("sample.example.com")).unwrap();
        let truststore = domain.truststore.as_ref().unwrap();
        truststore.admit(&[ca.issue("device").certificate().clone()], NOW).is_ok()
    };
    let update = |mutual: Value| {
        let input =
            json!({ "domainName": "sample.example.com", "mutualTlsAuthentication": mutual });
        call(ApiGateway::update_domain_name, &gateway, input).unwrap()
    };
    buckets.put("trust", "root.pem", new.pem()).unwrap();
    assert_eq!((admits(&old), admits(&new)), (true, false));

    let updated = update(json!({ "truststoreVersion": "abcdef123" }));
    assert_eq!((admits(&old), admits(&new)), (false, true));
    let mutual = &updated["mutualTlsAuthentication"];
    let expected =
        json!({ "truststoreUri": "s3://trust/root.pem", "truststoreVersion": "abcdef123" });
    assert_eq!(mutual, &expected);

    buckets.put("trust", "bad.pem", new.issue("device").certificate_pem()).unwrap();
    let updated = update(json!({ "truststoreUri": "s3://trust/bad.pem" }));
    assert_eq!(
        updated["mutualTlsAuthentication"]["truststoreWarnings"],
        json!(["Certificate with subject 'CN=device': it is neither a CA certificate nor \
                self-signed"])
    );

    let updated = update(json!({ "truststoreUri": "" }));
    assert_eq!(updated.get("mutualTlsAuthentication"), None);
    let domain = gateway.domain(Some("sample.example.com")).unwrap();
    assert!(!domain.requires_client_certificate());
    // An update of something else leaves mutual TLS as it is.
    update(json!({ "truststoreUri": "s3://trust/root.pem" }));
    ok!(gateway, update_domain_name, {
        "domainName": "sample.example.com", "domainNameConfigurations": [{ "certificateArn": "b" }],
    });
    assert!(admits(&new));
    assert_eq!(
        refused!(gateway, update_domain_name, { "domainName": "none.example.com" }),
        "NotFoundException: Invalid domain name identifier specified"
    );
}

#[test]
fn a_server_name_finds_its_domain() {
    let Bench { gateway, .. } = bench();
    let find = |name: Option<&str>| gateway.domain(name).map(|domain| domain.name().to_owned());
    assert_eq!(find(Some("sample.example.com")), None);
    create(&gateway, "sample.example.com", json!({})).unwrap();
    let only = Some("sample.example.com".to_owned());
    assert_eq!(find(Some("sample.example.com")), only);
    assert_eq!(find(Some("SAMPLE.example.com.")), only);
    // A help for those who cannot change their DNS: the only domain name there is.
    assert_eq!(find(Some("localhost")), only);
    assert_eq!(find(None), only);
    assert!(gateway.domain_named("localhost").is_none());

    create(&gateway, "*.example.com", json!({})).unwrap();
    let wildcard = Some("*.example.com".to_owned());
    assert_eq!(find(Some("sample.example.com")), only);
    assert_eq!(find(Some("other.example.com")), wildcard);
    assert_eq!(find(Some("a.b.example.com")), None);
    assert_eq!(find(Some("localhost")), None);
    assert_eq!(find(None), None);

    let api = ok!(gateway, create_api, { "name": "a", "protocolType": "HTTP" });
    let host = text(&api, "apiEndpoint").strip_prefix("https://").unwrap();
    let endpoint = gateway.domain(Some(host)).unwrap();
    assert_eq!(endpoint.name(), host);
    assert!(!endpoint.tls12_only() && !endpoint.requires_client_certificate());
    assert!(gateway.domain_named("sample.example.com").unwrap().tls12_only());
}
