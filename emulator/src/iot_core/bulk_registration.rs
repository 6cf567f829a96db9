//! Bulk registration at work: a task that is started, each line of its file, and its end; and where
//! its reports lie.
//!
//! It decides the order of things. What a line is, and makes, is decided in `provisioning/`, which
//! tasks there are in `registry/`; the file comes from whoever works through the outbox.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html>.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::provisioning::{explained, issued_for};
use super::{IotCore, State};
use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Scope};
use crate::outbox::Effect;
use crate::provisioning::{
    BulkTemplate, Line, ParameterFile, Provisioned, ProvisioningFailure, RegisterThingResponse,
    RegistrationReport,
};
use crate::registry::{
    ListThingRegistrationTaskReportsRequest, ListThingRegistrationTaskReportsResponse, ReportType,
    StartThingRegistrationTaskRequest, StartThingRegistrationTaskResponse,
    ThingRegistrationTaskStatus,
};
use crate::time::Timestamp;
use crate::trace::Entry;

/// The task that runs.
#[derive(Debug)]
pub(super) struct BulkRegistration {
    task_id: String,
    template: Arc<BulkTemplate>,
    bucket: String,
    key: String,
    /// `None` until somebody has read it.
    file: Option<ParameterFile>,
}

/// A line whose turn it is, and how far the file is read with it.
struct Next {
    template: Arc<BulkTemplate>,
    line: Line,
    percentage: u8,
}

//? assumed: the names of AWS's bucket and of what lies in it, but that a file ends in its number
/// A file of a report, in a bucket of AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFile {
    task_id: String,
    report_type: ReportType,
    number: u64,
}

impl ReportFile {
    /// What the name of the bucket begins with; a Region follows.
    pub(crate) const BUCKET: &'static str = "aws-iot-thing-registration-tasks-";

    /// `/BUCKET/KEY` of the file in `scope`.
    fn path(&self, scope: &Scope) -> String {
        let Self { task_id, report_type, number } = self;
        let Scope { account, region } = scope;
        format!("/{}{region}/{account}/{report_type}/{task_id}-{number}", Self::BUCKET)
    }

    /// The account and the file that `key` names.
    pub(crate) fn of_key(key: &str) -> Option<(AccountId, Self)> {
        let (account, rest) = key.split_once('/')?;
        let (report_type, name) = rest.split_once('/')?;
        let report_type = match report_type {
            "ERRORS" => ReportType::Errors,
            "RESULTS" => ReportType::Results,
            _ => return None,
        };
        let (task_id, number) = name.rsplit_once('-')?;
        let number = number.parse().ok()?;
        Some((AccountId::new(account), Self { task_id: task_id.to_owned(), report_type, number }))
    }
}

type Link = dyn Fn(&Scope, &str, Timestamp) -> Option<String> + Send + Sync;

/// Makes a link of the path of a report, one that whoever has it can follow.
pub(crate) struct ReportLinks(Box<Link>);

impl ReportLinks {
    pub(crate) fn new(
        link: impl Fn(&Scope, &str, Timestamp) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(link))
    }
}

impl fmt::Debug for ReportLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReportLinks")
    }
}

// === the operations ===

impl IotCore {
    //? assumed: a body that is no template is refused at once, with RegisterThing's words; what
    //? only shows with a line's values fails that line
    /// The `StartThingRegistrationTask` operation.
    pub(crate) fn start_thing_registration_task(
        &self,
        input: StartThingRegistrationTaskRequest,
    ) -> Result<StartThingRegistrationTaskResponse, ApiError> {
        let template = BulkTemplate::read(&input.template_body).map_err(|failure| {
            let error = failure.error.clone();
            let entry = Entry::failure(self.scope(), "ThingRegistrationTask", error.code().name());
            self.note(explained(entry, *failure));
            error
        })?;
        self.locked(|state, now| {
            let (bucket, key) = (input.input_file_bucket.clone(), input.input_file_key.clone());
            let started = state.registry.start_thing_registration_task(input, now)?;
            let (task_id, template) = (started.task_id.clone(), Arc::new(template));
            let scope = self.scope().clone();
            state.after.effects.push(Effect::RegisterThings { scope, task_id: task_id.clone() });
            state.bulk = Some(BulkRegistration { task_id, template, bucket, key, file: None });
            Ok(started)
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingRegistrationTaskReports.html
    //# links to the task's resources
    /// The `ListThingRegistrationTaskReports` operation.
    pub(crate) fn list_thing_registration_task_reports(
        &self,
        input: ListThingRegistrationTaskReportsRequest,
        now: Timestamp,
    ) -> Result<ListThingRegistrationTaskReportsResponse, ApiError> {
        let scope = self.scope();
        let (task_id, report_type) = (input.task_id.clone(), input.report_type);
        let path =
            |number| ReportFile { task_id: task_id.clone(), report_type, number }.path(scope);
        let mut answer = self.registry(|registry, now| {
            registry.list_thing_registration_task_reports(input, path, now)
        })?;
        for link in &mut answer.resource_links {
            *link = (self.shared.around.report_links.0)(scope, link, now).ok_or_else(|| {
                let message = "the emulator has stopped";
                ApiError::new(ErrorCode::ServiceUnavailableException, message)
            })?;
        }
        Ok(answer)
    }

    /// What a file of a report holds, and since when.
    pub(crate) fn registration_report(&self, file: &ReportFile) -> Option<(Bytes, Timestamp)> {
        let ReportFile { task_id, report_type, number } = file;
        self.registry(|registry, now| {
            let (body, ended) =
                registry.registration_report(task_id, *report_type, *number, now)?;
            Some((Bytes::copy_from_slice(body), ended))
        })
    }
}

// === a task at work ===

impl IotCore {
    /// Bucket and key of the file that the task waits for.
    pub(crate) fn file_of_registration_task(&self, task_id: &str) -> Option<(String, String)> {
        let mut state = self.state();
        let task = state.bulk_registration(task_id).filter(|task| task.file.is_none())?;
        Some((task.bucket.clone(), task.key.clone()))
    }

    //? assumed: a file that is not there fails the task, not the request: a role that may not read
    //? it shows as late; the text
    /// The file that the task waits for was read, or why it was not.
    pub(crate) fn begin_registration_task(&self, task_id: &str, read: Result<Bytes, String>) {
        self.locked(|state, now| {
            let Some(task) = state.bulk_registration(task_id) else { return };
            match read {
                Ok(bytes) => task.file = Some(ParameterFile::new(bytes)),
                Err(why) => {
                    let place = format!("s3://{}/{}", task.bucket, task.key);
                    let message = format!("Unable to read the input file {place}: {why}");
                    let status = ThingRegistrationTaskStatus::Failed;
                    state.end_registration(self.scope(), status, Some(message), now);
                }
            }
        });
    }

    /// Registers what the next line of the task's file asks for; `false` if the task is over. The
    /// lock is free while AWS's CA signs, and between two lines.
    pub(crate) fn register_next_line(&self, task_id: &str) -> bool {
        let scope = self.scope();
        let next = self.locked(|state, now| state.next_line(scope, task_id, now));
        let Some(Next { template, line, percentage }) = next else { return false };
        let read = template.registration(&line).and_then(|registration| {
            let issued = issued_for(&registration, self.now())?;
            Ok((registration, issued))
        });
        self.locked(|state, now| {
            // Whoever forgot everything meanwhile wants nothing registered any more.
            if state.bulk_registration(task_id).is_none() {
                return false;
            }
            let registered = read.and_then(|(registration, issued)| {
                registration.run(&mut state.registry, issued, now)
            });
            state.report_line(scope, task_id, (&line, percentage), registered, now)
        })
    }
}

impl State {
    /// The task that runs, if it is this one.
    fn bulk_registration(&mut self, task_id: &str) -> Option<&mut BulkRegistration> {
        self.bulk.as_mut().filter(|task| task.task_id == task_id)
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_StopThingRegistrationTask.html
    //# cancels the task
    //? assumed: between two lines; what was registered stays
    /// The next line, unless the task ends here.
    fn next_line(&mut self, scope: &Scope, task_id: &str, now: Timestamp) -> Option<Next> {
        use ThingRegistrationTaskStatus::{Cancelled, Cancelling, Completed};
        let cancelled = self.registry.registration_task_status(task_id) == Some(Cancelling);
        let task = self.bulk_registration(task_id)?;
        let file = task.file.as_mut()?;
        let line = if cancelled { None } else { file.next_line() };
        if let Some(line) = line {
            let (template, percentage) = (Arc::clone(&task.template), file.percentage());
            return Some(Next { template, line, percentage });
        }
        let status = if cancelled { Cancelled } else { Completed };
        self.end_registration(scope, status, None, now);
        None
    }

    /// Reports what became of a line; `false` if the task ends with it.
    fn report_line(
        &mut self,
        scope: &Scope,
        task_id: &str,
        (line, percentage): (&Line, u8),
        registered: Result<Provisioned, Box<ProvisioningFailure>>,
        now: Timestamp,
    ) -> bool {
        let answered = registered.and_then(|provisioned| {
            RegisterThingResponse::of(&self.registry, &provisioned).map_err(|error| {
                let step = "the certificate".to_owned();
                let (why, done) = (Vec::new(), provisioned.lines);
                Box::new(ProvisioningFailure { step, error, why, done })
            })
        });
        let (report_type, told) = match answered {
            Ok(response) => {
                (ReportType::Results, RegistrationReport::of_success(line, &response).line())
            }
            Err(failure) => {
                let request_id = self.uuid().to_string();
                let report = RegistrationReport::of_failure(line, &failure.error, &request_id);
                let told = report.line();
                let entry = Entry::failure(scope, "RegisterThing", failure.error.code().name())
                    .member("taskId", task_id)
                    .number("lineNumber", line.number);
                let answer = "a line in the report ERRORS; the task goes on";
                self.note(explained(entry, *failure).answer(answer));
                (ReportType::Errors, told)
            }
        };
        let kept = self.registry.report_registration(task_id, report_type, &told, percentage, now);
        if let Err(full) = kept {
            let status = ThingRegistrationTaskStatus::Failed;
            self.end_registration(scope, status, Some(full.to_string()), now);
        }
        kept.is_ok()
    }

    /// Ends the task that runs, and tells the trace of all of it.
    fn end_registration(
        &mut self,
        scope: &Scope,
        status: ThingRegistrationTaskStatus,
        message: Option<String>,
        now: Timestamp,
    ) {
        let Some(BulkRegistration { task_id, bucket, key, .. }) = self.bulk.take() else { return };
        let counts = self.registry.end_registration_task(&task_id, status, message.clone(), now);
        let event_type = "ThingRegistrationTask";
        let entry = match &message {
            None => Entry::success(scope, event_type),
            Some(message) => Entry::failure(scope, event_type, "ClientError").details(message),
        };
        let (registered, failed) = counts;
        self.note(entry.member("taskId", &task_id).member("taskStatus", status).why([format!(
            "of s3://{bucket}/{key} {registered} lines were registered, {failed} failed"
        )]));
    }
}
