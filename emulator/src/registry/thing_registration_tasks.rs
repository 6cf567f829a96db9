//! Bulk registration tasks: StartThingRegistrationTask, StopThingRegistrationTask,
//! DescribeThingRegistrationTask, ListThingRegistrationTasks, ListThingRegistrationTaskReports.
//!
//! It decides which tasks there are, in which state, for how long they are known and how much their
//! reports may hold. What a line of the file makes is decided in `provisioning`; who works through
//! the file calls [`Registry::report_registration`] for each line and
//! [`Registry::end_registration_task`].
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html> and
//! <https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html>.

use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::quotas::{REGISTRATION_REPORT_BYTES, REGISTRATION_TASK_RETENTION, REGISTRATION_TASKS};
use crate::time::Timestamp;

use super::paging::PageRequest;
use super::registration_config::check_role_arn;
use super::registration_reports::Reports;
use super::shelf::Shelf;
use super::{Registry, ReportType, ThingRegistrationTaskStatus};

/// StartThingRegistrationTask's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StartThingRegistrationTaskRequest {
    pub(crate) template_body: String,
    pub(crate) input_file_bucket: String,
    pub(crate) input_file_key: String,
    pub(crate) role_arn: String,
}

/// StartThingRegistrationTask's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartThingRegistrationTaskResponse {
    pub(crate) task_id: String,
}

/// The input of StopThingRegistrationTask and DescribeThingRegistrationTask.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThingRegistrationTaskRequest {
    task_id: String,
}

/// DescribeThingRegistrationTask's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeThingRegistrationTaskResponse {
    task_id: String,
    creation_date: Timestamp,
    last_modified_date: Timestamp,
    template_body: String,
    input_file_bucket: String,
    input_file_key: String,
    role_arn: String,
    pub(crate) status: ThingRegistrationTaskStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    pub(crate) success_count: u64,
    pub(crate) failure_count: u64,
    percentage_progress: u8,
}

/// ListThingRegistrationTasks' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListThingRegistrationTasksRequest {
    next_token: Option<String>,
    max_results: Option<i64>,
    status: Option<ThingRegistrationTaskStatus>,
}

/// ListThingRegistrationTasks' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingRegistrationTasksResponse {
    task_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListThingRegistrationTaskReports' input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingRegistrationTaskReportsRequest {
    pub(crate) task_id: String,
    pub(crate) report_type: ReportType,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// ListThingRegistrationTaskReports' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListThingRegistrationTaskReportsResponse {
    pub(crate) resource_links: Vec<String>,
    report_type: ReportType,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The tasks of one account and Region.
#[derive(Debug, Default)]
pub(super) struct RegistrationTasks {
    // INVARIANT: at most one runs, and it is the last.
    tasks: Shelf<String, Task>,
    /// Of all reports.
    report_bytes: usize,
}

#[derive(Debug)]
struct Task {
    input: StartThingRegistrationTaskRequest,
    created: Timestamp,
    modified: Timestamp,
    status: ThingRegistrationTaskStatus,
    message: Option<String>,
    successes: u64,
    failures: u64,
    percentage: u8,
    reports: Reports,
}

impl Task {
    fn runs(&self) -> bool {
        use ThingRegistrationTaskStatus::{Cancelling, InProgress};
        matches!(self.status, InProgress | Cancelling)
    }
}

impl RegistrationTasks {
    //= https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
    //# 30 days after a task ended all that belongs to it is deleted
    fn forget_what_is_over(&mut self, now: Timestamp) {
        let over = |task: &Task| !task.runs() && task.modified + REGISTRATION_TASK_RETENTION <= now;
        let over = self.tasks.iter().filter(|(_, task)| over(task)).map(|(id, _)| id.clone());
        for id in over.collect::<Vec<_>>() {
            self.forget(&id);
        }
    }

    /// Forgets the oldest task, unless it runs; `false` then.
    fn forget_the_oldest(&mut self) -> bool {
        let oldest = self.tasks.iter().next().filter(|(_, task)| !task.runs());
        let Some(id) = oldest.map(|(id, _)| id.clone()) else { return false };
        self.forget(&id);
        true
    }

    fn forget(&mut self, id: &str) {
        if let Some(task) = self.tasks.remove(id) {
            self.report_bytes -= task.reports.bytes();
        }
    }
}

/// The reports of the task would have more bytes than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The reports have more than {REGISTRATION_REPORT_BYTES} bytes, which is all that is kept")]
pub(crate) struct ReportsAreFull;

// === the operations ===

impl Registry {
    //= https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
    //# one task at a time in an account
    //? assumed: and Region; the exception, which must be one that the operation declares, and its
    //? text
    /// The `StartThingRegistrationTask` operation, as far as the task is made.
    pub(crate) fn start_thing_registration_task(
        &mut self,
        input: StartThingRegistrationTaskRequest,
        now: Timestamp,
    ) -> Result<StartThingRegistrationTaskResponse, ApiError> {
        check_role_arn("roleArn", &input.role_arn)?;
        let known = &mut self.registration_tasks;
        if let Some((id, _)) = known.tasks.iter().find(|(_, task)| task.runs()) {
            let text = format!("Only one bulk registration task can run at a time: {id} runs");
            return Err(ApiError::invalid_request(text));
        }
        known.forget_what_is_over(now);
        if known.tasks.len() >= REGISTRATION_TASKS {
            known.forget_the_oldest();
        }
        let position = self.next_position();
        let task_id = self.derive_uuid("thing registration task", position);
        let task = Task {
            input,
            created: now,
            modified: now,
            status: ThingRegistrationTaskStatus::InProgress,
            message: None,
            successes: 0,
            failures: 0,
            percentage: 0,
            reports: Reports::default(),
        };
        self.registration_tasks.tasks.insert(position, task_id.clone(), task);
        Ok(StartThingRegistrationTaskResponse { task_id })
    }

    //? assumed: a task that has ended cannot be stopped any more, and one may be stopped twice
    /// The `StopThingRegistrationTask` operation.
    pub(crate) fn stop_thing_registration_task(
        &mut self,
        input: ThingRegistrationTaskRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let task = self.known_task(&input.task_id, now)?;
        if !task.runs() {
            let text = format!("Task {} is not in progress: {}", input.task_id, task.status);
            return Err(ApiError::invalid_request(text));
        }
        task.status = ThingRegistrationTaskStatus::Cancelling;
        task.modified = now;
        Ok(())
    }

    /// The `DescribeThingRegistrationTask` operation.
    pub(crate) fn describe_thing_registration_task(
        &mut self,
        input: ThingRegistrationTaskRequest,
        now: Timestamp,
    ) -> Result<DescribeThingRegistrationTaskResponse, ApiError> {
        let task = self.known_task(&input.task_id, now)?;
        let asked = task.input.clone();
        Ok(DescribeThingRegistrationTaskResponse {
            task_id: input.task_id,
            creation_date: task.created,
            last_modified_date: task.modified,
            template_body: asked.template_body,
            input_file_bucket: asked.input_file_bucket,
            input_file_key: asked.input_file_key,
            role_arn: asked.role_arn,
            status: task.status,
            message: task.message.clone(),
            success_count: task.successes,
            failure_count: task.failures,
            percentage_progress: task.percentage,
        })
    }

    //? assumed: the oldest first
    /// The `ListThingRegistrationTasks` operation.
    pub(crate) fn list_thing_registration_tasks(
        &mut self,
        input: ListThingRegistrationTasksRequest,
        now: Timestamp,
    ) -> Result<ListThingRegistrationTasksResponse, ApiError> {
        self.registration_tasks.forget_what_is_over(now);
        let token = input.next_token.as_deref();
        let page = PageRequest::tokened("listThingRegistrationTasks", input.max_results, token)?;
        let (task_ids, next_token) = page.page(&self.registration_tasks.tasks, |id, task| {
            input.status.is_none_or(|status| status == task.status).then(|| id.clone())
        });
        Ok(ListThingRegistrationTasksResponse { task_ids, next_token })
    }

    //? assumed: there are no links before the task has ended, nor to a report without a line; an
    //? unknown task is an InvalidRequestException, as the operation declares no other
    /// The `ListThingRegistrationTaskReports` operation; `link` leads to a file by its number.
    pub(crate) fn list_thing_registration_task_reports(
        &mut self,
        input: ListThingRegistrationTaskReportsRequest,
        link: impl Fn(u64) -> String,
        now: Timestamp,
    ) -> Result<ListThingRegistrationTaskReportsResponse, ApiError> {
        let report_type = input.report_type;
        let token = input.next_token.as_deref();
        let page =
            PageRequest::tokened("listThingRegistrationTaskReports", input.max_results, token)?;
        let task = self
            .known_task(&input.task_id, now)
            .map_err(|unknown| ApiError::invalid_request(unknown.message()))?;
        let files = &task.reports.of(report_type).files;
        let ended = !task.runs();
        let (resource_links, next_token) = page.page(files, |file, _| ended.then(|| link(*file)));
        Ok(ListThingRegistrationTaskReportsResponse { resource_links, report_type, next_token })
    }

    //? assumed: the text
    fn known_task(&mut self, id: &str, now: Timestamp) -> Result<&mut Task, ApiError> {
        self.registration_tasks.forget_what_is_over(now);
        let task = self.registration_tasks.tasks.get_mut(id);
        task.ok_or_else(|| ApiError::not_found(format!("Task {id} not found")))
    }
}

// === what becomes of a task ===

impl Registry {
    /// The state of a task.
    pub(crate) fn registration_task_status(&self, id: &str) -> Option<ThingRegistrationTaskStatus> {
        self.registration_tasks.tasks.get(id).map(|task| task.status)
    }

    /// Counts a line of the file, and adds what is told of it to a report.
    pub(crate) fn report_registration(
        &mut self,
        id: &str,
        report_type: ReportType,
        line: &str,
        percentage: u8,
        now: Timestamp,
    ) -> Result<(), ReportsAreFull> {
        let known = &mut self.registration_tasks;
        let Some(task) = known.tasks.get_mut(id) else { return Ok(()) };
        match report_type {
            ReportType::Errors => task.failures += 1,
            ReportType::Results => task.successes += 1,
        }
        (task.percentage, task.modified) = (percentage, now);
        while known.report_bytes + line.len() > REGISTRATION_REPORT_BYTES {
            if !known.forget_the_oldest() {
                return Err(ReportsAreFull);
            }
        }
        let Some(task) = known.tasks.get_mut(id) else { return Ok(()) };
        task.reports.add(report_type, line);
        known.report_bytes += line.len();
        Ok(())
    }

    /// The task ended: in this state, with this message. How many lines were registered, and how
    /// many failed.
    pub(crate) fn end_registration_task(
        &mut self,
        id: &str,
        status: ThingRegistrationTaskStatus,
        message: Option<String>,
        now: Timestamp,
    ) -> (u64, u64) {
        let Some(task) = self.registration_tasks.tasks.get_mut(id) else { return (0, 0) };
        (task.status, task.modified) = (status, now);
        //= https://github.com/boto/botocore/tree/develop/botocore/data/iot/2015-05-28
        //# ErrorMessage has 2048 characters at most
        task.message = message.map(|message| message.chars().take(2048).collect());
        if status == ThingRegistrationTaskStatus::Completed {
            task.percentage = 100;
        }
        (task.successes, task.failures)
    }

    /// What a file of a report holds, once the task has ended.
    pub(crate) fn registration_report(
        &self,
        id: &str,
        report_type: ReportType,
        file: u64,
        now: Timestamp,
    ) -> Option<(&[u8], Timestamp)> {
        let task = self.registration_tasks.tasks.get(id).filter(|task| !task.runs())?;
        let known = task.modified + REGISTRATION_TASK_RETENTION > now;
        let file = task.reports.of(report_type).files.get(&file).filter(|_| known)?;
        Some((file, task.modified))
    }
}
