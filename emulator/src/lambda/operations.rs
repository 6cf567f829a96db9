//! AWS's operations on functions, one method each, named after the operation.
//!
//! Truth: botocore's model of Lambda 2015-03-31.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Bound;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::code::Code;
use super::configuration::{
    CreateFunctionRequest, FunctionConfiguration, UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest, check_architectures, check_role, invalid,
};
use super::function::{Function, Kind, ProcessFunction, Runtime};
use super::functions::{Entry, Functions};
use super::permissions::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyResponse, RemovePermissionRequest,
    ResourcePolicy,
};
use crate::errors::{ApiError, ErrorCode};
use crate::time::Timestamp;

/// The most functions on one page.
const PAGE: usize = 50;

/// `GetFunction`, `GetFunctionConfiguration`, `DeleteFunction` and `GetPolicy` ask for a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionRequest {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
}

/// `GetFunction`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetFunctionResponse {
    pub(crate) configuration: FunctionConfiguration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<FunctionCodeLocation>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

/// Where the code is. AWS answers a link to the archive; here it is the folder that is run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionCodeLocation {
    pub(crate) repository_type: &'static str,
    pub(crate) location: String,
}

/// `ListFunctions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ListFunctionsRequest {
    /// Only functions of this Region that Lambda@Edge replicated.
    pub(crate) master_region: Option<String>,
    /// `ALL` adds published versions, which are not here.
    #[serde(rename = "FunctionVersion")]
    pub(crate) _function_version: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<usize>,
}

/// `ListFunctions`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListFunctionsResponse {
    pub(crate) functions: Vec<FunctionConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

impl Functions {
    /// `CreateFunction`. Unpacks the archive, which takes a while for a large one.
    pub(crate) fn create_function(
        &self,
        input: CreateFunctionRequest,
        now: Timestamp,
    ) -> Result<FunctionConfiguration, ApiError> {
        let name = self.name_of(&input.function_name, None)?;
        check_role(&input.role)?;
        input.settings.check()?;
        if let Some(architectures) = &input.architectures {
            check_architectures(architectures)?;
        }
        let taken = || {
            let text = format!("Function already exist: {name}");
            ApiError::new(ErrorCode::ResourceConflictException, text)
        };
        if self.entries().contains_key(&name) {
            return Err(taken());
        }
        let (Some(runtime), Some(handler)) = (&input.settings.runtime, &input.settings.handler)
        else {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with \
                 deployment packages.",
            ));
        };
        let code = Code::zip_file(input.code.archive()?, "CreateFunction")?;
        let runtime = Runtime::parse(runtime).expect("checked with the other settings");
        let process = ProcessFunction::with_code(code, runtime, handler);
        let mut configuration = FunctionConfiguration::new(&name, self.0.scope.function_arn(&name));
        configuration.role = Some(input.role);
        configuration.apply(input.settings);
        if let Some(architectures) = input.architectures {
            configuration.architectures = architectures;
        }
        let entry = self.entry(process, configuration, input.tags.unwrap_or_default(), now);
        let configuration = entry.configuration.clone();
        let mut entries = self.entries();
        if entries.contains_key(&name) {
            return Err(taken());
        }
        entries.insert(name.clone(), entry);
        Ok(configuration)
    }

    fn entry(
        &self,
        process: ProcessFunction,
        mut configuration: FunctionConfiguration,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Entry {
        let function = configured(process, &mut configuration);
        configuration.touch(self.0.host.new_id(), now);
        let runner = self.runner(&function, &configuration);
        Entry { configuration, tags, policy: ResourcePolicy::default(), function, runner }
    }

    /// `GetFunction`.
    pub(crate) fn get_function(
        &self,
        input: FunctionRequest,
    ) -> Result<GetFunctionResponse, ApiError> {
        self.look(&input, |entry| {
            let code = match &entry.function.0 {
                Kind::Process(process) => Some(FunctionCodeLocation {
                    repository_type: "S3",
                    location: format!("file://{}", process.code.root().display()),
                }),
                Kind::Closure(_) | Kind::Endpoint(_) => None,
            };
            let configuration = entry.configuration.clone();
            GetFunctionResponse { configuration, code, tags: entry.tags.clone() }
        })
    }

    /// `GetFunctionConfiguration`.
    pub(crate) fn get_function_configuration(
        &self,
        input: FunctionRequest,
    ) -> Result<FunctionConfiguration, ApiError> {
        self.look(&input, |entry| entry.configuration.clone())
    }

    /// `ListFunctions`, in the order of their names.
    pub(crate) fn list_functions(
        &self,
        input: ListFunctionsRequest,
    ) -> Result<ListFunctionsResponse, ApiError> {
        //= https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
        //# with a MasterRegion only functions that Lambda@Edge replicated from there: none are here
        let replicated_only = input.master_region.as_ref().is_some_and(|region| region != "ALL");
        let most = input.max_items.unwrap_or(PAGE).clamp(1, PAGE);
        let after = match &input.marker {
            Some(marker) => Bound::Excluded(marker.as_str()),
            None => Bound::Unbounded,
        };
        let entries = self.entries();
        let mut following = entries.range::<str, _>((after, Bound::Unbounded));
        if replicated_only {
            following = entries.range::<str, _>((Bound::Unbounded, Bound::Excluded("")));
        }
        let page = following.by_ref().take(most);
        let functions: Vec<_> = page.map(|(_, entry)| entry.configuration.clone()).collect();
        let last = functions.last().filter(|_| following.next().is_some());
        let next_marker = last.map(|configuration| configuration.function_name.clone());
        Ok(ListFunctionsResponse { functions, next_marker })
    }

    /// `UpdateFunctionCode`. The next event finds the new code; one that runs keeps the old.
    pub(crate) fn update_function_code(
        &self,
        input: UpdateFunctionCodeRequest,
        now: Timestamp,
    ) -> Result<FunctionConfiguration, ApiError> {
        let name = self.name_of(&input.function_name, None)?;
        self.with_entry(&name, |_| ())?;
        if let Some(architectures) = &input.architectures {
            check_architectures(architectures)?;
        }
        // Unpacked before the lock is taken: others need not wait for a large archive.
        let code = Code::zip_file(input.code.archive()?, "UpdateFunctionCode")?;
        self.change(&name, input.revision_id.as_deref(), now, |process, configuration| {
            if let Some(architectures) = input.architectures {
                configuration.architectures = architectures;
            }
            process.code = code;
            !input.dry_run
        })
    }

    /// `UpdateFunctionConfiguration`. Processes with the old one end when they are done.
    pub(crate) fn update_function_configuration(
        &self,
        input: UpdateFunctionConfigurationRequest,
        now: Timestamp,
    ) -> Result<FunctionConfiguration, ApiError> {
        let name = self.name_of(&input.function_name, None)?;
        input.settings.check()?;
        if let Some(role) = &input.role {
            check_role(role)?;
        }
        self.change(&name, input.revision_id.as_deref(), now, |_, configuration| {
            configuration.role = input.role.or(configuration.role.take());
            configuration.apply(input.settings);
            true
        })
    }

    /// Changes a process function, unless `change` says that it was only to be tried.
    fn change(
        &self,
        name: &str,
        revision_id: Option<&str>,
        now: Timestamp,
        change: impl FnOnce(&mut ProcessFunction, &mut FunctionConfiguration) -> bool,
    ) -> Result<FunctionConfiguration, ApiError> {
        let new_revision = self.0.host.new_id();
        let changed = self.with_entry(name, |entry| {
            entry.configuration.expect_revision(revision_id)?;
            let Kind::Process(process) = &entry.function.0 else {
                return Err(invalid(format!(
                    "{name} has no code that could be changed here: it is {:?}",
                    entry.function
                )));
            };
            let (mut process, mut configuration) = (process.clone(), entry.configuration.clone());
            let apply = change(&mut process, &mut configuration);
            let function = configured(process, &mut configuration);
            let mut replaced = None;
            if apply {
                configuration.touch(new_revision, now);
                let runner = self.runner(&function, &configuration);
                replaced = Some((
                    mem::replace(&mut entry.runner, runner),
                    mem::replace(&mut entry.function, function),
                ));
                entry.configuration = configuration.clone();
            }
            Ok((configuration, replaced))
        })?;
        // What was replaced is dropped here, after the lock: processes are killed, files deleted.
        changed.map(|(configuration, _replaced)| configuration)
    }

    /// `DeleteFunction`. Its processes and its unpacked code go when no event runs any more.
    pub(crate) fn delete_function(&self, input: FunctionRequest) -> Result<(), ApiError> {
        let name = self.name_of(&input.function_name, input.qualifier.as_deref())?;
        let removed = self.entries().remove(&name);
        // Dropped here, after the lock: killing processes and deleting files takes a moment.
        removed.map(drop).ok_or_else(|| self.not_found(&name))
    }

    /// `AddPermission`.
    pub(crate) fn add_permission(
        &self,
        input: AddPermissionRequest,
    ) -> Result<AddPermissionResponse, ApiError> {
        let name = self.name_of(&input.function_name, input.qualifier.as_deref())?;
        let new_revision = self.0.host.new_id();
        self.with_entry(&name, |entry| {
            entry.configuration.expect_revision(input.revision_id.as_deref())?;
            let added = entry.policy.add(&entry.configuration.function_arn, input)?;
            entry.configuration.revision_id = new_revision;
            Ok(added)
        })?
    }

    /// `RemovePermission`.
    pub(crate) fn remove_permission(&self, input: RemovePermissionRequest) -> Result<(), ApiError> {
        let name = self.name_of(&input.function_name, input.qualifier.as_deref())?;
        let new_revision = self.0.host.new_id();
        self.with_entry(&name, |entry| {
            entry.policy.text()?;
            entry.configuration.expect_revision(input.revision_id.as_deref())?;
            entry.policy.remove(&input.statement_id)?;
            entry.configuration.revision_id = new_revision;
            Ok(())
        })?
    }

    /// `GetPolicy`.
    pub(crate) fn get_policy(&self, input: FunctionRequest) -> Result<GetPolicyResponse, ApiError> {
        self.look(&input, |entry| {
            let revision_id = entry.configuration.revision_id.clone();
            Ok(GetPolicyResponse { policy: entry.policy.text()?, revision_id })
        })?
    }

    fn look<T>(
        &self,
        input: &FunctionRequest,
        look: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, ApiError> {
        let name = self.name_of(&input.function_name, input.qualifier.as_deref())?;
        self.with_entry(&name, look)
    }
}

/// `process` as `configuration` wants it, and what the code adds to the configuration.
fn configured(mut process: ProcessFunction, configuration: &mut FunctionConfiguration) -> Function {
    if let Some(runtime) = configuration.runtime.as_deref().and_then(Runtime::parse) {
        process.runtime = runtime;
    }
    if let Some(handler) = &configuration.handler {
        process.handler.clone_from(handler);
    }
    if let Some(environment) = &configuration.environment {
        process.environment.clone_from(&environment.variables);
    }
    process.timeout = Duration::from_secs(configuration.timeout.unsigned_abs());
    configuration.code_size = process.code.size();
    configuration.code_sha256 = process.code.sha256().map(str::to_owned);
    Function::process(process)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::super::code::tests::zipped;
    use super::super::host::FunctionHost;
    use super::*;
    use crate::names::Scope;

    const NOW: Timestamp = Timestamp::from_milliseconds(1_700_000_000_123);
    const ROLE: &str = "arn:aws:iam::123456789012:role/lambda";
    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:jitr";

    fn functions() -> (FunctionHost, Functions) {
        let host = FunctionHost::new(1, Box::new(|_, _, _| {}));
        let functions = Functions::new(Scope::new("123456789012", "eu-west-1"), &host);
        (host, functions)
    }

    fn zip_file(code: &str) -> String {
        BASE64_STANDARD.encode(zipped(&[("app.py", 0o644, code)]))
    }

    fn create(functions: &Functions, members: Value) -> Result<FunctionConfiguration, ApiError> {
        let mut input = json!({
            "FunctionName": "jitr", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
            "Code": { "ZipFile": zip_file("def handler(event, context): return 'one'") },
        });
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        functions.create_function(serde_json::from_value(input).unwrap(), NOW)
    }

    fn named(name: &str) -> FunctionRequest {
        FunctionRequest { function_name: name.to_owned(), qualifier: None }
    }

    #[test]
    fn a_created_function_is_shown_as_aws_shows_it() {
        let (_host, functions) = functions();
        let input = json!({
            "Environment": { "Variables": { "POLICY": "Device" } }, "Tags": { "team": "iot" },
            "Architectures": ["arm64"], "Timeout": 5,
        });
        let created = json!(create(&functions, input).unwrap());
        let expected = json!({
            "FunctionName": "jitr", "FunctionArn": ARN, "Runtime": "python3.11", "Role": ROLE,
            "Handler": "app.handler", "CodeSize": created["CodeSize"], "Description": "",
            "Timeout": 5, "MemorySize": 128, "LastModified": "2023-11-14T22:13:20.123+0000",
            "CodeSha256": created["CodeSha256"], "Version": "$LATEST",
            "Environment": { "Variables": { "POLICY": "Device" } },
            "TracingConfig": { "Mode": "PassThrough" }, "RevisionId": created["RevisionId"],
            "State": "Active", "LastUpdateStatus": "Successful", "PackageType": "Zip",
            "Architectures": ["arm64"], "EphemeralStorage": { "Size": 512 },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/jitr" },
        });
        assert_eq!(created, expected);
        assert_eq!(
            BASE64_STANDARD.decode(created["CodeSha256"].as_str().unwrap()).unwrap().len(),
            32
        );
        let shown = json!(functions.get_function(named(ARN)).unwrap());
        assert_eq!(
            (&shown["Configuration"], &shown["Tags"]),
            (&created, &json!({ "team": "iot" }))
        );
        assert!(shown["Code"]["Location"].as_str().unwrap().starts_with("file://"));
        assert_eq!(json!(functions.get_function_configuration(named("jitr")).unwrap()), created);
    }

    #[test]
    fn a_function_that_cannot_be_created_is_refused_in_aws_words() {
        let (_host, functions) = functions();
        create(&functions, json!({})).unwrap();
        let table = [
            (json!({}), ErrorCode::ResourceConflictException, "Function already exist: jitr"),
            (json!({ "FunctionName": "a b" }), ErrorCode::ValidationException, "at 'functionName'"),
            (
                json!({ "FunctionName": "x", "Role": "me" }),
                ErrorCode::ValidationException,
                "Value 'me' at 'role'",
            ),
            (
                json!({ "FunctionName": "x", "Runtime": "java21" }),
                ErrorCode::InvalidParameterValueException,
                "Value java21 at 'runtime'",
            ),
            (
                json!({ "FunctionName": "x", "Handler": null }),
                ErrorCode::InvalidParameterValueException,
                "Runtime and Handler are mandatory parameters",
            ),
            (
                json!({ "FunctionName": "x", "Code": { "S3Bucket": "b", "S3Key": "k" } }),
                ErrorCode::InvalidParameterValueException,
                "S3Bucket is not emulated",
            ),
            (
                json!({ "FunctionName": "x", "Code": {} }),
                ErrorCode::InvalidParameterValueException,
                "Please provide a source for function code",
            ),
            (
                json!({ "FunctionName": "x", "Code": { "ZipFile": "bm8gemlw" } }),
                ErrorCode::InvalidParameterValueException,
                "Could not unzip uploaded file",
            ),
            (
                json!({ "FunctionName": "x", "Architectures": ["mips"] }),
                ErrorCode::ValidationException,
                "Value '[mips]' at 'architectures'",
            ),
        ];
        for (input, code, text) in table {
            let error = create(&functions, input.clone()).unwrap_err();
            assert_eq!(error.code(), code, "{input}: {error}");
            assert!(error.message().contains(text), "{input}: {error}");
        }
    }

    #[test]
    fn functions_are_listed_by_name_page_by_page() {
        let (_host, functions) = functions();
        for name in ["c", "a", "b"] {
            functions.register(name, Function::new(Ok), NOW).unwrap();
        }
        let list = |marker: Option<&str>, max_items| {
            let marker = marker.map(str::to_owned);
            let answer = functions.list_functions(ListFunctionsRequest {
                marker,
                max_items,
                ..ListFunctionsRequest::default()
            });
            let ListFunctionsResponse { functions, next_marker } = answer.unwrap();
            let names = functions.into_iter().map(|function| function.function_name);
            (names.collect::<Vec<_>>().concat(), next_marker)
        };
        assert_eq!(list(None, None), ("abc".to_owned(), None));
        assert_eq!(list(None, Some(2)), ("ab".to_owned(), Some("b".to_owned())));
        assert_eq!(list(Some("b"), Some(2)), ("c".to_owned(), None));
        assert_eq!(list(Some("c"), Some(2)), (String::new(), None));
    }

    #[tokio::test]
    async fn new_code_and_a_new_configuration_are_there_for_the_next_event() {
        let (_host, functions) = functions();
        let first = create(&functions, json!({})).unwrap();
        let invoke = async || functions.invoke("jitr", Bytes::new()).await.unwrap().payload;
        assert_eq!(invoke().await, "\"one\"");
        let code = "import os\ndef other(event, context): return os.environ.get('POLICY', 'two')";
        let update = |revision_id: &str, dry_run: bool| {
            let input = json!({
                "FunctionName": "jitr", "ZipFile": zip_file(code), "RevisionId": revision_id,
                "DryRun": dry_run,
            });
            functions.update_function_code(serde_json::from_value(input).unwrap(), NOW)
        };
        assert_eq!(
            update("stale", false).unwrap_err().code(),
            ErrorCode::PreconditionFailedException
        );
        assert_ne!(update(&first.revision_id, true).unwrap().code_sha256, first.code_sha256);
        assert_eq!(invoke().await, "\"one\"", "a dry run changes nothing");
        let second = update(&first.revision_id, false).unwrap();
        assert_ne!(second.revision_id, first.revision_id);
        let configure = |input: Value| {
            let input = serde_json::from_value(input).unwrap();
            functions.update_function_configuration(input, NOW).unwrap()
        };
        configure(json!({ "FunctionName": "jitr", "Handler": "app.other" }));
        assert_eq!(invoke().await, "\"two\"");
        let variables = json!({ "Variables": { "POLICY": "three" } });
        let third = configure(json!({ "FunctionName": "jitr", "Environment": variables }));
        assert_eq!(
            (third.handler.as_deref(), third.role.as_deref()),
            (Some("app.other"), Some(ROLE))
        );
        assert_eq!(invoke().await, "\"three\"");
        functions.delete_function(named("jitr")).unwrap();
        let gone = functions.delete_function(named("jitr")).unwrap_err();
        assert_eq!(gone.message(), format!("Function not found: {ARN}"));
    }

    #[test]
    fn l20_a_created_function_is_closed_until_permission_is_added() {
        let (_host, functions) = functions();
        create(&functions, json!({})).unwrap();
        let rule = "arn:aws:iot:eu-west-1:123456789012:rule/Jitr".into();
        let account = "123456789012".into();
        let may = || functions.may_invoke("iot.amazonaws.com", &rule, &account, ARN);
        assert!(may().is_err());
        let error = functions.get_policy(named("jitr")).unwrap_err();
        assert_eq!(error.message(), "The resource you requested does not exist.");
        let input = json!({
            "FunctionName": "jitr", "StatementId": "iot", "Action": "lambda:InvokeFunction",
            "Principal": "iot.amazonaws.com", "SourceArn": rule, "SourceAccount": account,
        });
        functions.add_permission(serde_json::from_value(input).unwrap()).unwrap();
        assert_eq!(may(), Ok(()));
        let policy = functions.get_policy(named("jitr")).unwrap();
        let document: Value = serde_json::from_str(&policy.policy).unwrap();
        assert_eq!(document["Statement"][0]["Sid"], "iot");
        let input = json!({ "FunctionName": "jitr", "StatementId": "iot" });
        functions.remove_permission(serde_json::from_value(input).unwrap()).unwrap();
        assert!(may().is_err());
        let missing = functions.may_invoke("iot.amazonaws.com", &rule, &account, "none");
        assert!(
            missing.unwrap_err().why[0]
                .starts_with("ResourceNotFoundException: Function not found")
        );
    }

    #[test]
    fn a_registered_function_is_open_and_keeps_its_code() {
        let (_host, functions) = functions();
        let arn = functions.register("jitr", Function::new(Ok), NOW).unwrap();
        assert_eq!(arn.as_str(), ARN);
        for service in ["iot.amazonaws.com", "apigateway.amazonaws.com"] {
            let anything = "arn:aws:x:eu-west-1:123456789012:y".into();
            functions.may_invoke(service, &anything, &"123456789012".into(), "jitr").unwrap();
        }
        let input = json!({ "FunctionName": "jitr", "ZipFile": zip_file("") });
        let error = functions.update_function_code(serde_json::from_value(input).unwrap(), NOW);
        assert!(error.unwrap_err().message().contains("Function(\"closure\")"));
        assert!(functions.register("a b", Function::new(Ok), NOW).is_err());
    }
}
