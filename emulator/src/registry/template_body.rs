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

//= https://github.com/ministackorg/ministack/pull/1755
//# a body that is no template is refused with `The template body is invalid` and the reason
//? assumed: RegisterCACertificate and UpdateCACertificate check an inline template the same way,
//? except that its certificate may leave out the Status, which defaults to ACTIVE
/// Refuses a body that can never be a template.
pub(super) fn check(body: &str) -> Result<(), ApiError> {
    let invalid = || ApiError::invalid_request("The template body is invalid");
    let because =
        |why: &str| Err(ApiError::invalid_request(format!("The template body is invalid: {why}")));
    // serde_json gives up at a depth of 128.
    let template: Map<String, Value> = serde_json::from_str(body).map_err(|_| invalid())?;
    let resources = match template.get("Resources") {
        None => return because("Template must have certificate resource."),
        Some(Value::Object(resources)) => resources,
        Some(_) => return Err(invalid()),
    };
    let mut certificates = Vec::new();
    for resource in resources.values() {
        let Some(resource) = resource.as_object() else { return Err(invalid()) };
        let Some(properties) = resource.get("Properties").filter(|value| !value.is_null()) else {
            return because("Properties of a resource cannot be null.");
        };
        if resource.get("Type").and_then(Value::as_str) == Some("AWS::IoT::Certificate") {
            certificates.push(properties);
        }
    }
    match certificates.as_slice() {
        [] => because("Template must have certificate resource."),
        [certificate] if refers_to_certificate_id(certificate) => Ok(()),
        [_] => because("CertificateId must contain a reference to AWS::IoT::Certificate::Id"),
        _ => because("Only one certificate resource can be defined"),
    }
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
            let refused = check(&body).err().map(|error| error.message().to_owned());
            let expected = why.map(|why| format!("The template body is invalid{why}"));
            assert_eq!(refused, expected, "{row}: {body:.80}");
        }
    }
}
