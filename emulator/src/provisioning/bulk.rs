//! Bulk registration: one template, and a file of parameters with a JSON object on each line.
//!
//! It decides what a line is, what it asks for, and what the reports tell of it. Which tasks there
//! are, and what became of them, is kept in `registry`; who reads the file, and when, is not known
//! here.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html>, and a
//! report of AWS's with the file that it is about, in
//! <https://github.com/yilmaznaslan/aws-iot-core-registering-things-in-bulk>.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::errors::ApiError;
use crate::json::{Json, Numbers};
use crate::names::Arn;
use crate::quotas::REGISTRATION_LINE_BYTES;

use super::register_thing::{RegisterThingResponse, Registration};
use super::run::{Step, failure, parse};
use super::template::Template;

/// The template of a task, read once for all lines.
#[derive(Debug)]
pub(crate) struct BulkTemplate {
    template: Template,
}

/// A file of parameters, read up to somewhere.
#[derive(Clone, Debug)]
pub(crate) struct ParameterFile {
    bytes: Bytes,
    /// Where the next line begins.
    at: usize,
    /// Lines before that.
    lines: u64,
}

/// A line that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counts from 1, empty lines too.
    pub(crate) number: u64,
    /// Where the line after it begins.
    pub(crate) offset: u64,
    text: Bytes,
}

impl ParameterFile {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, lines: 0 }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html
    //# each line has all the values for one device
    //? assumed: an empty line is passed over and counted, as one before the end of a file often is
    /// The next line that is not empty.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        while self.at < self.bytes.len() {
            let rest = self.bytes.slice(self.at..);
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at = (self.at + length + 1).min(self.bytes.len());
            self.lines += 1;
            let text = rest.slice(..length);
            if !text.trim_ascii().is_empty() {
                let offset = u64::try_from(self.at).unwrap_or(u64::MAX);
                return Some(Line { number: self.lines, offset, text });
            }
        }
        None
    }

    //? assumed: progress is reckoned by bytes, so that nobody has to count lines first
    /// How much of the file is read, of 100.
    pub(crate) fn percentage(&self) -> u8 {
        let share = (self.at * 100).checked_div(self.bytes.len());
        u8::try_from(share.unwrap_or(100)).unwrap_or(100)
    }
}

impl BulkTemplate {
    /// Reads a template body.
    pub(crate) fn read(body: &str) -> Step<Self> {
        parse(body).map(|template| Self { template })
    }

    /// What `line` wants registered.
    pub(crate) fn registration(&self, line: &Line) -> Step<Registration> {
        Registration::of(&self.template, &line.parameters()?)
    }
}

impl Line {
    //= https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
    //# a line is at most 256K long
    //? assumed: a line that is too long, or no JSON object, fails as RegisterThing would, and the
    //? task goes on; the texts
    fn parameters(&self) -> Step<BTreeMap<String, String>> {
        let refused =
            |text: &str, why: &str| failure("the line", ApiError::invalid_request(text), why);
        if self.text.len() > REGISTRATION_LINE_BYTES {
            let why = format!("it has {} bytes", self.text.len());
            let text = format!("The line is longer than {REGISTRATION_LINE_BYTES} bytes");
            return Err(refused(&text, &why));
        }
        let text = "The line is not a valid JSON object";
        let parsed = Json::parse(&self.text, Numbers::AsWritten)
            .map_err(|not_json| refused(text, &not_json.to_string()))?;
        let Json::Object(members) = parsed else {
            return Err(refused(text, "it is JSON, but no object"));
        };
        let mut parameters = BTreeMap::new();
        for (name, value) in members.iter() {
            match value_of(value) {
                Some(Some(value)) => drop(parameters.insert(name.to_string(), value)),
                Some(None) => {}
                None => {
                    let text = format!("The value of the parameter {name} is not a string");
                    return Err(refused(&text, "lists and objects are no values of parameters"));
                }
            }
        }
        Ok(parameters)
    }
}

//= https://github.com/yilmaznaslan/aws-iot-core-registering-things-in-bulk
//# a number counts as its text
//? assumed: so do `true` and `false`; `null` is no value at all
/// The text of a parameter, which `null` has none of; `None` for what can be no parameter.
fn value_of(value: &Json) -> Option<Option<String>> {
    match value {
        Json::String(text) => Some(Some(text.to_string())),
        Json::Number(number) => Some(Some(number.to_string())),
        Json::Boolean(boolean) => Some(Some(boolean.to_string())),
        Json::Null => Some(None),
        Json::Array(_) | Json::Object(_) => None,
    }
}

//= https://github.com/yilmaznaslan/aws-iot-core-registering-things-in-bulk
//# a line of JSON with these members in this order; the offset is that behind the line
//? assumed: what was registered has the same members, and no errorMessage
/// A line of a report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistrationReport<'a> {
    error_message: Option<String>,
    line_number: u64,
    offset: u64,
    response: Option<Response<'a>>,
}

//= https://github.com/aws-samples/aws-iot-device-management-workshop
//# bulk-result.py reads CertificatePem and ResourceArns of the response
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    certificate_pem: Option<&'a str>,
    resource_arns: &'a BTreeMap<String, Arn>,
}

impl<'a> RegistrationReport<'a> {
    /// What RESULTS tell of a line.
    pub(crate) fn of_success(line: &Line, response: &'a RegisterThingResponse) -> Self {
        let certificate_pem = response.certificate_pem.as_deref();
        let response = Response { certificate_pem, resource_arns: &response.resource_arns };
        let Line { number: line_number, offset, .. } = *line;
        Self { error_message: None, line_number, offset, response: Some(response) }
    }

    //= https://github.com/yilmaznaslan/aws-iot-core-registering-things-in-bulk
    //# the exception as the AWS SDK for Java prints it
    /// What ERRORS tell of a line.
    pub(crate) fn of_failure(line: &Line, error: &ApiError, request_id: &str) -> Self {
        let (name, status) = (error.code().name(), error.code().status());
        let message = format!(
            "com.amazonaws.services.iot.model.{name}: {} (Service: AWSIot; Status Code: {status}; \
             Error Code: {name}; Request ID: {request_id}; Proxy: null)",
            error.message()
        );
        let Line { number: line_number, offset, .. } = *line;
        Self { error_message: Some(message), line_number, offset, response: None }
    }

    /// As it stands in the file.
    pub(crate) fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}
