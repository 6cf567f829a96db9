//! AWS's operations on functions, one method each, named after the operation.
//!
//! Truth: botocore's model of Lambda 2015-03-31.

use std::collections::BTreeMap;
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
        let most = input.max_items.unwrap_or(PAGE).clamp(1, PAGE);
        let after = match &input.marker {
            Some(marker) => Bound::Excluded(marker.as_str()),
            None => Bound::Unbounded,
        };
        let entries = self.entries();
        let mut following = entries.range::<str, _>((after, Bound::Unbounded));
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
        self.with_entry(name, |entry| {
            entry.configuration.expect_revision(revision_id)?;
            let Kind::Process(process) = &entry.function.0 else {
                return Err(invalid(format!(
                    "{name} has no code of its own here: it is {:?}, given by the emulator's owner",
                    entry.function
                )));
            };
            let (mut process, mut configuration) = (process.clone(), entry.configuration.clone());
            let apply = change(&mut process, &mut configuration);
            let function = configured(process, &mut configuration);
            if apply {
                configuration.touch(new_revision, now);
                entry.runner = self.runner(&function, &configuration);
                entry.function = function;
                entry.configuration = configuration.clone();
            }
            Ok(configuration)
        })?
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
