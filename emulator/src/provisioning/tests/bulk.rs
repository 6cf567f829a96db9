//! Bulk registration: which lines a file has, what one of them asks for, what is reported of it.

use bytes::Bytes;

use super::*;
use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, ThingName};
use crate::provisioning::{BulkTemplate, Line, ParameterFile, RegistrationReport};

fn lines(text: &str) -> Vec<Line> {
    let mut file = ParameterFile::new(Bytes::copy_from_slice(text.as_bytes()));
    std::iter::from_fn(|| file.next_line()).collect()
}

fn template() -> BulkTemplate {
    let parameter = json!({ "Type": "String" });
    let body = json!({
        "Parameters": {
            "ThingName": parameter, "ThingId": parameter,
            "Location": { "Type": "String", "Default": "WA" },
        },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": { "Ref": "ThingName" },
                    "AttributePayload": {
                        "id": { "Ref": "ThingId" }, "location": { "Ref": "Location" },
                    },
                },
            },
        },
    });
    BulkTemplate::read(&body.to_string()).unwrap()
}

/// Registers the only line of `text`, and answers the attributes `id` and `location` of the thing.
fn register(text: &str) -> Result<[Option<String>; 2], (String, ApiError)> {
    let mut registry = registry();
    let line = lines(text).remove(0);
    let registered = template().registration(&line).and_then(|registration| {
        assert!(registration.signing_request()?.is_none());
        registration.run(&mut registry, None, NOW)
    });
    registered.map_err(|failure| (failure.step, failure.error))?;
    let thing = registry.thing(&ThingName::new("lamp")).unwrap();
    Ok(["id", "location"].map(|name| thing.attributes.get(name).map(str::to_owned)))
}

#[test]
fn bulk_a_line_ends_where_the_next_begins_and_empty_ones_are_counted() {
    let places = |text| -> Vec<(u64, u64)> {
        lines(text).iter().map(|line| (line.number, line.offset)).collect()
    };
    let table = [
        ("", vec![]),
        ("\n \r\n", vec![]),
        ("{}", vec![(1, 2)]),
        ("{}\n", vec![(1, 3)]),
        ("{}\n\n  \n{}\r\n{}", vec![(1, 3), (4, 11), (5, 13)]),
    ];
    for (text, expected) in table {
        assert_eq!(places(text), expected, "{text:?}");
    }
    // The file that AWS reported on has ten lines of 70 bytes.
    let line = |number| {
        format!(r#"{{"ThingName": "wastebin_{number}", "ThingTypeName": "vehicle", "ThingId": 0}}"#)
    };
    let file: String = (0..10).map(|number| line(number) + "\n").collect();
    let reported: Vec<_> = (1..=10).map(|number| (number, number * 70)).collect();
    assert_eq!(places(&file), reported);
}

proptest::proptest! {
    #[test]
    fn bulk_any_bytes_are_lines_and_none_makes_it_panic(
        bytes in proptest::collection::vec(proptest::sample::select(&b"{}\"a:1,\n\r \xff"[..]), 0..60),
    ) {
        let template = template();
        let mut file = ParameterFile::new(bytes.clone().into());
        let (mut count, mut offset) = (0, 0);
        while let Some(line) = file.next_line() {
            let _any = template.registration(&line);
            let end = usize::try_from(line.offset).unwrap();
            assert!(end > offset && end <= bytes.len());
            assert!(end == bytes.len() || bytes[end - 1] == b'\n');
            let before = bytes[..end].split_inclusive(|byte| *byte == b'\n').count();
            assert_eq!(usize::try_from(line.number).unwrap(), before);
            (count, offset) = (count + 1, end);
        }
        let full = |line: &&[u8]| !line.trim_ascii().is_empty();
        assert_eq!(count, bytes.split(|byte| *byte == b'\n').filter(full).count());
        assert_eq!(file.percentage(), 100);
    }
}

#[test]
fn bulk_progress_is_told_in_hundredths() {
    let mut file = ParameterFile::new(Bytes::from_static(b"{}\n{}\n{}\n{}\n"));
    let mut told = vec![file.percentage()];
    while file.next_line().is_some() {
        told.push(file.percentage());
    }
    assert_eq!(told, [0, 25, 50, 75, 100]);
    assert_eq!(ParameterFile::new(Bytes::new()).percentage(), 100);
}

#[test]
fn bulk_a_line_gives_the_values_of_the_parameters() {
    let table = [
        (r#"{"ThingName": "lamp", "ThingId": "7"}"#, "7", "WA"),
        (r#" {"ThingName": "lamp", "ThingId": 7, "Other": "x"} "#, "7", "WA"),
        (r#"{"ThingName": "lamp", "ThingId": 7.10, "Location": null}"#, "7.10", "WA"),
        (r#"{"ThingName": "lamp", "ThingId": true, "Location": "NY"}"#, "true", "NY"),
    ];
    for (text, id, location) in table {
        let expected = [Some(id.to_owned()), Some(location.to_owned())];
        assert_eq!(register(text), Ok(expected), "{text}");
    }
}

#[test]
fn bulk_a_line_that_cannot_be_registered_says_where_and_why() {
    let long = format!(r#"{{"ThingName": "{}"}}"#, "x".repeat(256 * 1024));
    let no_object = "The line is not a valid JSON object";
    let table = [
        ("{", "the line", no_object),
        ("\"text\"", "the line", no_object),
        ("{} {}", "the line", no_object),
        ("\u{feff}{}", "the line", no_object),
        (long.as_str(), "the line", "The line is longer than 262144 bytes"),
        (
            r#"{"ThingName": ["lamp"]}"#,
            "the line",
            "The value of the parameter ThingName is not a string",
        ),
        (
            r#"{"ThingName": "lamp"}"#,
            "thing",
            "Invalid registration template. Cannot resolve reference value: {Ref=ThingId}",
        ),
    ];
    for (text, step, message) in table {
        let expected = (step.to_owned(), ApiError::invalid_request(message));
        assert_eq!(register(text), Err(expected), "{}", &text[..text.len().min(80)]);
    }
}

#[test]
fn bulk_a_body_that_is_no_template_is_no_task() {
    let refused = BulkTemplate::read("{").unwrap_err();
    assert_eq!(refused.step, "the template");
    let expected = "Invalid registration template. The template body is invalid";
    assert_eq!(refused.error, ApiError::invalid_request(expected));
}

#[test]
fn bulk_reports_are_lines_of_json_as_aws_writes_them() {
    let line = lines("\n{}").remove(0);
    let arn = Arn::new("arn:aws:iot:us-east-1:000000000000:thing/lamp");
    let response = RegisterThingResponse {
        certificate_pem: Some("PEM\n".to_owned()),
        resource_arns: [("thing".to_owned(), arn)].into(),
    };
    assert_eq!(
        RegistrationReport::of_success(&line, &response).line(),
        concat!(
            r#"{"errorMessage":null,"lineNumber":2,"offset":3,"response":{"CertificatePem":"PEM\n","#,
            r#""ResourceArns":{"thing":"arn:aws:iot:us-east-1:000000000000:thing/lamp"}}}"#,
            "\n"
        )
    );
    let message = "Register thing workflow execution terminates due to: Thing Type \
                   250602908823:vehicle not found.";
    let error = ApiError::new(ErrorCode::ResourceRegistrationFailureException, message);
    let id = "9025178d-3f7f-4eec-8298-e19a33069579";
    assert_eq!(
        RegistrationReport::of_failure(&line, &error, id).line(),
        concat!(
            r#"{"errorMessage":"com.amazonaws.services.iot.model.ResourceRegistrationFailure"#,
            "Exception: Register thing workflow execution terminates due to: Thing Type ",
            "250602908823:vehicle not found. (Service: AWSIot; Status Code: 400; Error Code: ",
            "ResourceRegistrationFailureException; Request ID: ",
            "9025178d-3f7f-4eec-8298-e19a33069579; Proxy: null)",
            r#"","lineNumber":2,"offset":3,"response":null}"#,
            "\n"
        )
    );
}
