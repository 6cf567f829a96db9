//! What a function's owner may set, checked as AWS checks it, and what AWS shows of it.
//!
//! Members that would change what a function does, and that are not emulated, are refused by name.
//! Truth: botocore's model of Lambda 2015-03-31 and
//! <https://docs.aws.amazon.com/lambda/latest/dg/API_CreateFunction.html>.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::function::Runtime;
use super::reference::constraint;
use crate::errors::{ApiError, ErrorCode};
use crate::names::Arn;
use crate::time::Timestamp;

/// `CreateFunction`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateFunctionRequest {
    pub(crate) function_name: String,
    pub(crate) role: String,
    pub(crate) code: FunctionCode,
    pub(crate) architectures: Option<Vec<String>>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    pub(super) settings: Settings,
}

/// Where the code comes from: only an archive in the request is taken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionCode {
    pub(crate) zip_file: Option<String>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// `UpdateFunctionCode`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateFunctionCodeRequest {
    pub(crate) function_name: String,
    pub(crate) architectures: Option<Vec<String>>,
    pub(crate) revision_id: Option<String>,
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(flatten)]
    pub(super) code: FunctionCode,
}

/// `UpdateFunctionConfiguration`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateFunctionConfigurationRequest {
    pub(crate) function_name: String,
    pub(crate) role: Option<String>,
    pub(crate) revision_id: Option<String>,
    #[serde(flatten)]
    pub(super) settings: Settings,
}

/// What `CreateFunction` and `UpdateFunctionConfiguration` have in common.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Settings {
    pub(crate) runtime: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i64>,
    pub(crate) memory_size: Option<i64>,
    pub(crate) environment: Option<Environment>,
    pub(crate) tracing_config: Option<TracingConfig>,
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// `Environment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Environment {
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
}

/// `TracingConfig`: kept and shown; there is no X-Ray here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TracingConfig {
    pub(crate) mode: String,
}

/// `EphemeralStorage`: kept and shown; the machine's own limits hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EphemeralStorage {
    pub(crate) size: i64,
}

/// What AWS shows of a function. Members that a Rust closure lacks are absent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionConfiguration {
    pub(crate) function_name: String,
    pub(crate) function_arn: Arn,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handler: Option<String>,
    pub(crate) code_size: u64,
    pub(crate) description: String,
    pub(crate) timeout: i64,
    pub(crate) memory_size: i64,
    pub(crate) last_modified: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_sha256: Option<String>,
    pub(crate) version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<Environment>,
    pub(crate) tracing_config: TracingConfig,
    pub(crate) revision_id: String,
    pub(crate) state: &'static str,
    pub(crate) last_update_status: &'static str,
    pub(crate) package_type: &'static str,
    pub(crate) architectures: Vec<String>,
    pub(crate) ephemeral_storage: EphemeralStorage,
    pub(crate) snap_start: SnapStart,
    pub(crate) logging_config: LoggingConfig,
}

/// `SnapStart`, which is never on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SnapStart {
    pub(crate) apply_on: &'static str,
    pub(crate) optimization_status: &'static str,
}

/// `LoggingConfig`: the log goes to the trace, in AWS's text format.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoggingConfig {
    pub(crate) log_format: &'static str,
    pub(crate) log_group: String,
}

impl FunctionConfiguration {
    /// A new function with AWS's defaults.
    pub(super) fn new(name: &str, arn: Arn) -> Self {
        Self {
            function_name: name.to_owned(),
            function_arn: arn,
            runtime: None,
            role: None,
            handler: None,
            code_size: 0,
            description: String::new(),
            timeout: 3,
            memory_size: 128,
            last_modified: String::new(),
            code_sha256: None,
            version: "$LATEST",
            environment: None,
            tracing_config: TracingConfig { mode: "PassThrough".to_owned() },
            revision_id: String::new(),
            //? assumed: AWS answers Pending first, for a second; nothing waits for that here
            state: "Active",
            last_update_status: "Successful",
            package_type: "Zip",
            architectures: vec!["x86_64".to_owned()],
            ephemeral_storage: EphemeralStorage { size: 512 },
            snap_start: SnapStart { apply_on: "None", optimization_status: "Off" },
            logging_config: LoggingConfig {
                log_format: "Text",
                log_group: format!("/aws/lambda/{name}"),
            },
        }
    }

    /// Takes over what `settings` sets, once it is checked.
    pub(super) fn apply(&mut self, settings: Settings) {
        let Settings { runtime, handler, description, timeout, memory_size, .. } = settings;
        self.runtime = runtime.or(self.runtime.take());
        self.handler = handler.or(self.handler.take());
        self.timeout = timeout.unwrap_or(self.timeout);
        self.memory_size = memory_size.unwrap_or(self.memory_size);
        self.environment = settings.environment.or(self.environment.take());
        if let Some(description) = description {
            self.description = description;
        }
        if let Some(tracing) = settings.tracing_config {
            self.tracing_config = tracing;
        }
        if let Some(storage) = settings.ephemeral_storage {
            self.ephemeral_storage = storage;
        }
    }

    /// Marks a change: each has a revision of its own.
    pub(super) fn touch(&mut self, revision_id: String, now: Timestamp) {
        self.revision_id = revision_id;
        self.last_modified = now.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    }

    /// Refuses a change that was meant for another revision.
    pub(super) fn expect_revision(&self, revision_id: Option<&str>) -> Result<(), ApiError> {
        if revision_id.is_none_or(|revision_id| revision_id == self.revision_id) {
            return Ok(());
        }
        let text = "The Revision Id provided does not match the latest Revision Id. Call the \
                    GetFunction/GetAlias API to retrieve the latest Revision Id";
        Err(ApiError::new(ErrorCode::PreconditionFailedException, text))
    }
}

/// `InvalidParameterValueException` with `text`.
pub(super) fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValueException, text)
}

impl Settings {
    /// Checks everything that is set.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        refuse_others(&self.others)?;
        in_range(self.timeout, "timeout", 1..=900)?;
        in_range(self.memory_size, "memorySize", 128..=10_240)?;
        let storage = self.ephemeral_storage.as_ref().map(|storage| storage.size);
        in_range(storage, "ephemeralStorage.size", 512..=10_240)?;
        if let Some(runtime) = &self.runtime {
            check_runtime(runtime)?;
        }
        if let Some(handler) = &self.handler {
            check_handler(handler)?;
        }
        if let Some(text) = self.description.as_deref().filter(|text| text.chars().count() > 256) {
            let what = "Member must have length less than or equal to 256";
            return Err(constraint(text, "description", what));
        }
        if let Some(tracing) = &self.tracing_config
            && !matches!(tracing.mode.as_str(), "Active" | "PassThrough")
        {
            let what = "Member must satisfy enum value set: [Active, PassThrough]";
            return Err(constraint(&tracing.mode, "tracingConfig.mode", what));
        }
        self.environment.as_ref().map_or(Ok(()), Environment::check)
    }
}

/// Refuses what AWS would act upon and we do not.
fn refuse_others(others: &Map<String, Value>) -> Result<(), ApiError> {
    const NOT_EMULATED: [&str; 19] = [
        "CapacityProviderConfig",
        "CodeSigningConfigArn",
        "DeadLetterConfig",
        "DurableConfig",
        "FileSystemConfigs",
        "ImageConfig",
        "ImageUri",
        "KMSKeyArn",
        "Layers",
        "LoggingConfig",
        "Publish",
        "PublishTo",
        "S3Bucket",
        "S3Key",
        "S3ObjectVersion",
        "SnapStart",
        "SourceKMSKeyArn",
        "TenancyConfig",
        "VpcConfig",
    ];
    for name in NOT_EMULATED {
        if others.get(name).is_some_and(says_something) {
            return Err(invalid(format!("{name} is not emulated")));
        }
    }
    match others.get("PackageType").and_then(Value::as_str) {
        Some(package) if package != "Zip" => {
            Err(invalid(format!("PackageType {package} is not emulated")))
        }
        _ => Ok(()),
    }
}

/// Whether a member asks for something: tools send empty ones.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text != "None",
        Value::Array(values) => values.iter().any(says_something),
        Value::Object(members) => members.values().any(says_something),
    }
}

impl FunctionCode {
    /// The archive that the request brings.
    pub(super) fn archive(&self) -> Result<&str, ApiError> {
        refuse_others(&self.others)?;
        self.zip_file.as_deref().ok_or_else(|| {
            invalid("Please provide a source for function code: only ZipFile is emulated.")
        })
    }
}

fn in_range(value: Option<i64>, member: &str, range: RangeInclusive<i64>) -> Result<(), ApiError> {
    let Some(value) = value else { return Ok(()) };
    let what = if value < *range.start() {
        format!("Member must have value greater than or equal to {}", range.start())
    } else if value > *range.end() {
        format!("Member must have value less than or equal to {}", range.end())
    } else {
        return Ok(());
    };
    Err(constraint(value, member, &what))
}

//= https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
//# an unknown runtime is an InvalidParameterValueException that lists the known ones
fn check_runtime(runtime: &str) -> Result<(), ApiError> {
    if Runtime::parse(runtime).is_some() {
        return Ok(());
    }
    Err(invalid(format!(
        "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value \
         set: [{}] or be a valid ARN",
        Runtime::EXAMPLES
    )))
}

fn check_handler(handler: &str) -> Result<(), ApiError> {
    let what = if handler.len() > 128 {
        "Member must have length less than or equal to 128"
    } else if handler.is_empty() || handler.contains(char::is_whitespace) {
        r"Member must satisfy regular expression pattern: [^\s]+"
    } else {
        return Ok(());
    };
    Err(constraint(handler, "handler", what))
}

/// Checks a role's ARN; whether there is such a role, nobody here knows.
pub(super) fn check_role(role: &str) -> Result<(), ApiError> {
    const PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&byte);
    let matches = match parts[..] {
        ["arn", partition, "iam", "", account, resource] => {
            let partition = partition.is_empty()
                || partition.strip_prefix("aws").is_some_and(|rest| {
                    rest.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
                });
            let account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let name = resource.strip_prefix("role").unwrap_or_default();
            partition && account && !matches!(name, "" | "/") && name.bytes().all(fits)
        }
        _ => false,
    };
    if matches {
        return Ok(());
    }
    let what = format!("Member must satisfy regular expression pattern: {PATTERN}");
    Err(constraint(role, "role", &what))
}

/// Checks `Architectures`; the machine's own runs, whichever is asked for.
pub(super) fn check_architectures(architectures: &[String]) -> Result<(), ApiError> {
    let known = |name: &String| matches!(name.as_str(), "x86_64" | "arm64");
    if architectures.len() == 1 && architectures.iter().all(known) {
        return Ok(());
    }
    let value = format!("[{}]", architectures.join(", "));
    let what =
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]";
    Err(constraint(value, "architectures", what))
}

impl Environment {
    //= https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    //# the variables that Lambda sets are reserved, and all together take 4 KB at most
    fn check(&self) -> Result<(), ApiError> {
        const RESERVED: [&str; 18] = [
            "_HANDLER",
            "_X_AMZN_TRACE_ID",
            "AWS_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "LAMBDA_RUNTIME_DIR",
            "LAMBDA_TASK_ROOT",
        ];
        const CANNOT: &str = "Lambda was unable to configure your environment variables because \
                              the environment variables you have provided";
        let reserved: Vec<&str> =
            RESERVED.into_iter().filter(|name| self.variables.contains_key(*name)).collect();
        if !reserved.is_empty() {
            return Err(invalid(format!(
                "{CANNOT} contains reserved keys that are currently not supported for \
                 modification. Reserved keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        let measured = serde_json::json!(self.variables).to_string();
        if measured.len() > 4096 {
            return Err(invalid(format!(
                "{CANNOT} exceeded the 4KB limit. String measured: {measured}"
            )));
        }
        let valid = |name: &str| {
            name.len() > 1
                && name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match self.variables.iter().find(|(name, value)| !valid(name) || value.contains('\0')) {
            Some((name, _)) => Err(constraint(
                name,
                "environment.variables",
                "Map keys must satisfy constraint: [Member must satisfy regular expression \
                 pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(settings: Value) -> Result<(), ApiError> {
        serde_json::from_value::<Settings>(settings).unwrap().check()
    }

    #[test]
    fn settings_outside_aws_limits_are_refused_in_aws_words() {
        let table = [
            (json!({"Timeout": 0}), "Member must have value greater than or equal to 1"),
            (json!({"Timeout": 901}), "Member must have value less than or equal to 900"),
            (json!({"MemorySize": 127}), "Member must have value greater than or equal to 128"),
            (json!({"Handler": "a b"}), r"regular expression pattern: [^\s]+"),
            (
                json!({"Runtime": "java21"}),
                "Value java21 at 'runtime' failed to satisfy constraint",
            ),
            (json!({"Layers": ["arn"]}), "Layers is not emulated"),
            (json!({"VpcConfig": {"SubnetIds": ["s"]}}), "VpcConfig is not emulated"),
            (json!({"PackageType": "Image"}), "PackageType Image is not emulated"),
            (
                json!({"Environment": {"Variables": {"AWS_REGION": "x", "_HANDLER": "y"}}}),
                "Reserved keys used in this request: _HANDLER, AWS_REGION",
            ),
            (
                json!({"Environment": {"Variables": {"LARGE": "x".repeat(4096)}}}),
                "exceeded the 4KB limit. String measured: {",
            ),
            (json!({"Environment": {"Variables": {"a=b": "x"}}}), "Value 'a=b' at"),
        ];
        for (settings, expected) in table {
            let error = checked(settings.clone()).unwrap_err();
            assert!(error.message().contains(expected), "{settings}: {error}");
        }
    }

    #[test]
    fn members_that_ask_for_nothing_are_taken() {
        let settings = json!({
            "Timeout": 900, "MemorySize": 10240, "Runtime": "python3.12", "Handler": "app.handler",
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}, "Publish": false, "Layers": [],
            "SnapStart": {"ApplyOn": "None"}, "DeadLetterConfig": {}, "PackageType": "Zip",
            "SomethingThatAwsDoesNotKnow": 1,
        });
        assert_eq!(checked(settings), Ok(()));
    }

    #[test]
    fn a_role_has_the_form_of_a_role() {
        let table = [
            ("arn:aws:iam::123456789012:role/lambda", true),
            ("arn:aws-cn:iam::123456789012:role/path/lambda", true),
            ("arn:aws:iam::123456789012:user/lambda", false),
            ("arn:aws:iam::1234:role/lambda", false),
            ("arn:aws:iam::123456789012:role/", false),
            ("arn:aws:iam::123456789012:role/a b", false),
            ("lambda", false),
            ("", false),
        ];
        for (role, expected) in table {
            assert_eq!(check_role(role).is_ok(), expected, "{role}");
        }
    }
}
