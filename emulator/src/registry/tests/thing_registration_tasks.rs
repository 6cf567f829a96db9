//! Bulk registration tasks: which there are, for how long, and what is kept of their reports.

use std::time::Duration;

use super::*;
use crate::quotas::{
    REGISTRATION_REPORT_BYTES, REGISTRATION_REPORT_FILE_BYTES, REGISTRATION_TASK_RETENTION,
    REGISTRATION_TASKS,
};
use ThingRegistrationTaskStatus::{Cancelled, Cancelling, Completed, Failed, InProgress};

const ROLE: &str = "arn:aws:iam::123456789012:role/Bulk";

fn start(registry: &mut Registry, now: Timestamp) -> Result<String, ApiError> {
    let json = json!({
        "templateBody": "{}", "inputFileBucket": "things", "inputFileKey": "a/b.json",
        "roleArn": ROLE,
    });
    let started = asked("StartThingRegistrationTask", &json, |input| {
        registry.start_thing_registration_task(input, now)
    })?;
    Ok(started.task_id)
}

/// A task that has ended.
fn ended(registry: &mut Registry, status: ThingRegistrationTaskStatus, now: Timestamp) -> String {
    let id = start(registry, now).unwrap();
    registry.end_registration_task(&id, status, None, now);
    id
}

fn stop(registry: &mut Registry, id: &str, now: Timestamp) -> String {
    let json = json!({ "taskId": id });
    outcome(&asked("StopThingRegistrationTask", &json, |input| {
        registry.stop_thing_registration_task(input, now)
    }))
}

fn describe(registry: &mut Registry, id: &str, now: Timestamp) -> Result<Value, ApiError> {
    let json = json!({ "taskId": id });
    asked("DescribeThingRegistrationTask", &json, |input| {
        registry.describe_thing_registration_task(input, now)
    })
    .map(output)
}

fn list(registry: &mut Registry, json: Value, now: Timestamp) -> Value {
    output(
        asked("ListThingRegistrationTasks", &json, |input| {
            registry.list_thing_registration_tasks(input, now)
        })
        .unwrap(),
    )
}

fn reports(registry: &mut Registry, json: Value) -> Result<Value, ApiError> {
    let link = |number| format!("link-{number}");
    asked("ListThingRegistrationTaskReports", &json, |input| {
        registry.list_thing_registration_task_reports(input, link, NOW)
    })
    .map(output)
}

fn report(registry: &mut Registry, id: &str, line: &str) -> Result<(), ReportsAreFull> {
    registry.report_registration(id, ReportType::Results, line, 50, NOW)
}

#[test]
fn bulk_one_task_runs_at_a_time() {
    let mut registry = registry();
    let first = start(&mut registry, NOW).unwrap();
    let refused = format!(
        "400 InvalidRequestException: Only one bulk registration task can run at a time: {first} \
         runs"
    );
    assert_eq!(outcome(&start(&mut registry, NOW)), refused);
    assert_eq!(stop(&mut registry, &first, NOW), "200");
    assert_eq!(outcome(&start(&mut registry, NOW)), refused, "it is cancelling");
    registry.end_registration_task(&first, Cancelled, None, NOW);
    let second = start(&mut registry, NOW).unwrap();
    assert_ne!(first, second);
    assert_eq!(second.len(), 36);
}

#[test]
fn bulk_a_role_must_be_an_arn() {
    let json = json!({
        "templateBody": "{}", "inputFileBucket": "things", "inputFileKey": "a",
        "roleArn": "a role that is no ARN",
    });
    let refused = asked("StartThingRegistrationTask", &json, |input| {
        registry().start_thing_registration_task(input, NOW)
    });
    let text = "400 InvalidRequestException: Invalid roleArn: a role that is no ARN";
    assert_eq!(outcome(&refused), text);
}

#[test]
fn bulk_a_task_is_described_with_what_became_of_it() {
    let mut registry = registry();
    let id = start(&mut registry, NOW).unwrap();
    let later = NOW + Duration::from_secs(2);
    let mut expected = json!({
        "taskId": id, "creationDate": 1_800_000_000.053, "lastModifiedDate": 1_800_000_000.053,
        "templateBody": "{}", "inputFileBucket": "things", "inputFileKey": "a/b.json",
        "roleArn": ROLE, "status": "InProgress", "successCount": 0, "failureCount": 0,
        "percentageProgress": 0,
    });
    assert_eq!(describe(&mut registry, &id, NOW).unwrap(), expected);
    for (report_type, percentage) in
        [(ReportType::Results, 20), (ReportType::Errors, 30), (ReportType::Results, 70)]
    {
        registry.report_registration(&id, report_type, "{}\n", percentage, later).unwrap();
    }
    let mut change = |changes: Value, registry: &mut Registry| {
        expected.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        assert_eq!(describe(registry, &id, later).unwrap(), expected);
    };
    let counts = json!({
        "successCount": 2, "failureCount": 1, "percentageProgress": 70,
        "lastModifiedDate": 1_800_000_002.053,
    });
    change(counts, &mut registry);
    assert_eq!(registry.registration_task_status(&id), Some(InProgress));
    stop(&mut registry, &id, later);
    change(json!({ "status": "Cancelling" }), &mut registry);
    assert_eq!(registry.registration_task_status(&id), Some(Cancelling));
    let message = Some("é".repeat(3000));
    registry.end_registration_task(&id, Failed, message, later);
    change(json!({ "status": "Failed", "message": "é".repeat(2048) }), &mut registry);
    assert_eq!(registry.end_registration_task(&id, Completed, None, later), (2, 1));
    assert_eq!(describe(&mut registry, &id, later).unwrap()["percentageProgress"], 100);
}

#[test]
fn bulk_a_task_that_is_unknown_or_over_cannot_be_stopped() {
    let mut registry = registry();
    let unknown = "404 ResourceNotFoundException: Task nothing not found";
    assert_eq!(stop(&mut registry, "nothing", NOW), unknown);
    assert_eq!(outcome(&describe(&mut registry, "nothing", NOW)), unknown);
    let asked = json!({ "taskId": "nothing", "reportType": "ERRORS" });
    let undeclared = "400 InvalidRequestException: Task nothing not found";
    assert_eq!(outcome(&reports(&mut registry, asked)), undeclared);
    for status in [Completed, Failed, Cancelled] {
        let id = ended(&mut registry, status, NOW);
        let refused =
            format!("400 InvalidRequestException: Task {id} is not in progress: {status}");
        assert_eq!(stop(&mut registry, &id, NOW), refused);
    }
    let id = start(&mut registry, NOW).unwrap();
    assert_eq!([(); 2].map(|()| stop(&mut registry, &id, NOW)), ["200", "200"]);
}

#[test]
fn bulk_tasks_are_listed_by_status_and_page() {
    let mut registry = registry();
    let statuses = [Completed, Failed, Completed, Cancelled];
    let ids = statuses.map(|status| ended(&mut registry, status, NOW));
    let running = start(&mut registry, NOW).unwrap();
    let all = list(&mut registry, json!({}), NOW);
    assert_eq!(all, json!({ "taskIds": [ids[0], ids[1], ids[2], ids[3], running] }));
    let completed = json!({ "status": "Completed" });
    assert_eq!(list(&mut registry, completed, NOW), json!({ "taskIds": [ids[0], ids[2]] }));
    let cancelling = list(&mut registry, json!({ "status": "Cancelling" }), NOW);
    assert_eq!(cancelling, json!({ "taskIds": [] }));
    let page = list(&mut registry, json!({ "maxResults": 1, "status": "Completed" }), NOW);
    assert_eq!(page["taskIds"], json!([ids[0]]));
    let next = json!({ "status": "Completed", "nextToken": page["nextToken"] });
    assert_eq!(list(&mut registry, next, NOW), json!({ "taskIds": [ids[2]] }));
}

#[test]
fn bulk_reports_have_links_once_the_task_has_ended() {
    let mut registry = registry();
    let id = start(&mut registry, NOW).unwrap();
    let half = "x".repeat(REGISTRATION_REPORT_FILE_BYTES / 2);
    for _ in 0..5 {
        report(&mut registry, &id, &half).unwrap();
    }
    let asked = |kind| json!({ "taskId": id, "reportType": kind });
    let none = json!({ "resourceLinks": [], "reportType": "RESULTS" });
    assert_eq!(reports(&mut registry, asked("RESULTS")).unwrap(), none);
    assert_eq!(registry.registration_report(&id, ReportType::Results, 1, NOW), None);
    registry.end_registration_task(&id, Completed, None, NOW);
    let links = json!(["link-1", "link-2", "link-3"]);
    let expected = json!({ "resourceLinks": links, "reportType": "RESULTS" });
    assert_eq!(reports(&mut registry, asked("RESULTS")).unwrap(), expected);
    let expected = json!({ "resourceLinks": [], "reportType": "ERRORS" });
    assert_eq!(reports(&mut registry, asked("ERRORS")).unwrap(), expected);
    let mut page = asked("RESULTS");
    page["maxResults"] = json!(2);
    let first = reports(&mut registry, page.clone()).unwrap();
    assert_eq!(first["resourceLinks"], json!(["link-1", "link-2"]));
    page["nextToken"] = first["nextToken"].clone();
    let expected = json!({ "resourceLinks": ["link-3"], "reportType": "RESULTS" });
    assert_eq!(reports(&mut registry, page).unwrap(), expected);
    let last = registry.registration_report(&id, ReportType::Results, 3, NOW);
    assert_eq!(last, Some((half.as_bytes(), NOW)));
    for (report_type, number) in [(ReportType::Results, 4), (ReportType::Errors, 1)] {
        assert_eq!(registry.registration_report(&id, report_type, number, NOW), None);
    }
}

#[test]
fn bulk_a_task_is_forgotten_after_thirty_days_and_so_are_its_reports() {
    let mut registry = registry();
    let id = start(&mut registry, NOW).unwrap();
    report(&mut registry, &id, "{}\n").unwrap();
    let long_after = NOW + 2 * REGISTRATION_TASK_RETENTION;
    assert!(describe(&mut registry, &id, long_after).is_ok(), "it runs");
    registry.end_registration_task(&id, Completed, None, NOW);
    let last = NOW + REGISTRATION_TASK_RETENTION - Duration::from_millis(1);
    assert!(registry.registration_report(&id, ReportType::Results, 1, last).is_some());
    assert_eq!(list(&mut registry, json!({}), last)["taskIds"], json!([id]));
    let over = NOW + REGISTRATION_TASK_RETENTION;
    assert!(registry.registration_report(&id, ReportType::Results, 1, over).is_none());
    assert_eq!(describe(&mut registry, &id, over).unwrap_err().code().status(), 404);
    assert_eq!(list(&mut registry, json!({}), over)["taskIds"], json!([]));
}

#[test]
fn bulk_a_hundred_tasks_are_known() {
    let mut registry = registry();
    let ids: Vec<_> =
        (0..=REGISTRATION_TASKS).map(|_| ended(&mut registry, Completed, NOW)).collect();
    assert!(describe(&mut registry, &ids[0], NOW).is_err());
    assert!(describe(&mut registry, &ids[1], NOW).is_ok());
    let listed = list(&mut registry, json!({ "maxResults": 250 }), NOW);
    assert_eq!(listed["taskIds"].as_array().unwrap().len(), REGISTRATION_TASKS);
}

#[test]
fn bulk_reports_give_way_to_newer_ones_and_are_bounded() {
    let mut registry = registry();
    let most = "x".repeat(REGISTRATION_REPORT_BYTES - 2);
    let old = start(&mut registry, NOW).unwrap();
    report(&mut registry, &old, &most).unwrap();
    registry.end_registration_task(&old, Completed, None, NOW);
    let empty = ended(&mut registry, Completed, NOW);

    let new = start(&mut registry, NOW).unwrap();
    report(&mut registry, &new, "12").unwrap();
    assert!(describe(&mut registry, &old, NOW).is_ok(), "there was room");
    report(&mut registry, &new, "3").unwrap();
    assert!(describe(&mut registry, &old, NOW).is_err(), "it gave way");
    assert!(describe(&mut registry, &empty, NOW).is_ok(), "it was not in the way");
    assert_eq!(report(&mut registry, &new, &most), Err(ReportsAreFull));
    assert_eq!(report(&mut registry, &new, "4"), Ok(()));
    registry.end_registration_task(&new, Failed, Some(ReportsAreFull.to_string()), NOW);
    let described = describe(&mut registry, &new, NOW).unwrap();
    assert_eq!(described["successCount"], 4);
    let text = "The reports have more than 67108864 bytes, which is all that is kept";
    assert_eq!(described["message"], text);
    let kept = registry.registration_report(&new, ReportType::Results, 1, NOW);
    assert_eq!(kept, Some((&b"1234"[..], NOW)));
}
