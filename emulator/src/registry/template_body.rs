//! Whether a text may be kept as a provisioning template: its outer shape, nothing more.
//!
//! Whether its references resolve and its resources can be made shows when a device comes
//! (`provisioning`).
//! Truth: AWS's answers to CreateProvisioningTemplate, as
//! <https://github.com/ministackorg/ministack/pull/1755> reports them.

use serde_json::{Map, Value};

use crate::errors::ApiError;

/// The only reference that may stand as a certificate's `CertificateId`.
const CERTIFICATE_ID: &str = "AWS::IoT::Certificate::Id";

//? assumed: RegisterCACertificate and UpdateCACertificate check an inline template the same way,
//? except that its certificate may leave out the Status, which defaults to ACTIVE
/// Refuses an inline body that can never be a template.
pub(super) fn check_inline(body: &str) -> Result<(), ApiError> {
    check(body).map(drop)
}

//= https://github.com/ministackorg/ministack/pull/1755
//# a template with a name must say the status, in any case, and not by a function
/// Refuses the body of a template with a name that can never be one.
pub(super) fn check_named(body: &str) -> Result<(), ApiError> {
    let certificate = check(body)?;
    let status = certificate.get("Status").and_then(Value::as_str);
    let known = |status: &str| {
        status.eq_ignore_ascii_case("ACTIVE") || status.eq_ignore_ascii_case("INACTIVE")
    };
    if status.is_some_and(known) {
        return Ok(());
    }
    Err(because(
        "A certificate resource must specify a Status of either \"Active\" or \"Inactive\"",
    ))
}

//= https://github.com/ministackorg/ministack/pull/1755
//# a body that is no template is refused with `The template body is invalid` and the reason
/// The properties of the certificate, if the body may be a template.
fn check(body: &str) -> Result<Value, ApiError> {
    let invalid = || ApiError::invalid_request("The template body is invalid");
    // serde_json gives up at a depth of 128.
    let template: Map<String, Value> = serde_json::from_str(body).map_err(|_| invalid())?;
    let resources = match template.get("Resources") {
        None => return Err(because("Template must have certificate resource.")),
        Some(Value::Object(resources)) => resources,
        Some(_) => return Err(invalid()),
    };
    let mut certificates = Vec::new();
    for resource in resources.values() {
        let Some(resource) = resource.as_object() else { return Err(invalid()) };
        let Some(properties) = resource.get("Properties").filter(|value| !value.is_null()) else {
            return Err(because("Properties of a resource cannot be null."));
        };
        if resource.get("Type").and_then(Value::as_str) == Some("AWS::IoT::Certificate") {
            certificates.push(properties);
        }
    }
    match certificates.as_slice() {
        [] => Err(because("Template must have certificate resource.")),
        [certificate] if refers_to_certificate_id(certificate) => Ok((*certificate).clone()),
        [_] => Err(because("CertificateId must contain a reference to AWS::IoT::Certificate::Id")),
        _ => Err(because("Only one certificate resource can be defined")),
    }
}

fn because(why: &str) -> ApiError {
    ApiError::invalid_request(format!("The template body is invalid: {why}"))
}

fn refers_to_certificate_id(properties: &Value) -> bool {
    let id = properties.get("CertificateId").and_then(Value::as_object);
    id.is_some_and(|id| {
        id.len() == 1 && id.get("Ref").and_then(Value::as_str) == Some(CERTIFICATE_ID)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pt_21_to_25_what_can_never_be_a_template_is_refused() {
        let certificate = r#"{"Type":"AWS::IoT::Certificate",
            "Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"}}}"#;
        let other = r#"{"Type":"AWS::IoT::Certificate",
            "Properties":{"CertificateId":{"Ref":"CertificateId"}}}"#;
        let thing = r#"{"Type":"AWS::IoT::Thing","Properties":null}"#;
        let table = [
            ("pt_21", "nonsense".to_owned(), Some("")),
            ("pt_21", "[]".to_owned(), Some("")),
            ("pt_21", r#"{"Resources":[]}"#.to_owned(), Some("")),
            ("pt_22", "{}".to_owned(), Some(": Template must have certificate resource.")),
            (
                "pt_22",
                r#"{"Resources":{}}"#.to_owned(),
                Some(": Template must have certificate resource."),
            ),
            (
                "pt_23",
                format!(r#"{{"Resources":{{"c":{certificate},"t":{thing}}}}}"#),
                Some(": Properties of a resource cannot be null."),
            ),
            (
                "pt_24",
                format!(r#"{{"Resources":{{"c":{certificate},"d":{certificate}}}}}"#),
                Some(": Only one certificate resource can be defined"),
            ),
            (
                "pt_25",
                format!(r#"{{"Resources":{{"c":{other}}}}}"#),
                Some(": CertificateId must contain a reference to AWS::IoT::Certificate::Id"),
            ),
            ("pt_4", format!(r#"{{"Resources":{{"c":{certificate}}}}}"#), None),
            ("deep", format!("{}{}", "[".repeat(5000), "]".repeat(5000)), Some("")),
            (
                "deep",
                format!("{{\"Resources\":{}1{}}}", "{\"a\":".repeat(900), "}".repeat(900)),
                Some(""),
            ),
        ];
        for (row, body, why) in table {
            let refused = check_inline(&body).err().map(|error| error.message().to_owned());
            let expected = why.map(|why| format!("The template body is invalid{why}"));
            assert_eq!(refused, expected, "{row}: {body:.80}");
        }
    }

    #[test]
    fn pt_26_a_template_with_a_name_says_the_status() {
        let body = |status: &str| {
            format!(
                r#"{{"Resources":{{"c":{{"Type":"AWS::IoT::Certificate","Properties":{{{status}
                "CertificateId":{{"Ref":"AWS::IoT::Certificate::Id"}}}}}}}}}}"#
            )
        };
        let text = "The template body is invalid: A certificate resource must specify a Status of \
                    either \"Active\" or \"Inactive\"";
        let table = [
            ("", false),
            (r#""Status":"Active","#, true),
            (r#""Status":"inACTIVE","#, true),
            (r#""Status":"REVOKED","#, false),
            (r#""Status":null,"#, false),
            (r#""Status":{"Ref":"Status"},"#, false),
        ];
        for (status, allowed) in table {
            let refused = check_named(&body(status)).err().map(|error| error.message().to_owned());
            assert_eq!(refused, (!allowed).then(|| text.to_owned()), "{status}");
            assert!(check_inline(&body(status)).is_ok(), "{status}");
        }
    }
}
