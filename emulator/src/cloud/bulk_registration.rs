//! Bulk registration, as far as it needs S3: the file that a task reads, and links to its reports.
//!
//! It decides nothing of AWS's but how long a link lives. What a line makes is decided below
//! `IotCore`.

use std::sync::Arc;

use super::Cloud;
use crate::device_keys;
use crate::iot_core::ReportLinks;
use crate::names::Scope;

//? assumed: an hour; whoever lists the reports again gets new links
/// How long a link to a report can be followed, in seconds.
const LINK_SECONDS: u64 = 60 * 60;

/// Tasks of all accounts that work at the same time, each with its file in memory.
pub(super) const TASKS_AT_WORK: usize = 4;

impl Cloud {
    /// Works through the file of a bulk registration task, line by line. Between two lines all
    /// others on this thread have their turn.
    pub(crate) async fn register_things(&self, scope: &Scope, task_id: &str) {
        let Ok(_turn) = self.shared.registration_turns.acquire().await else { return };
        device_keys::issuer_made_ahead().await;
        let iot_core = self.regional(scope).iot_core;
        let Some((bucket, key)) = iot_core.file_of_registration_task(task_id) else { return };
        let read = self.buckets().get(&bucket, &key).map_err(|error| error.to_string());
        iot_core.begin_registration_task(task_id, read);
        while iot_core.register_next_line(task_id) {
            tokio::task::yield_now().await;
        }
    }

    /// How an account makes links to its reports. It holds the emulator weakly, which holds the
    /// accounts.
    //? assumed: the link is signed with the account's own key, and leads to the API port over HTTP,
    //? where AWS's leads to HTTPS
    pub(super) fn report_links(&self) -> ReportLinks {
        let shared = Arc::downgrade(&self.shared);
        ReportLinks::new(move |scope, path, now| {
            let shared = shared.upgrade()?;
            let url = shared.addresses.api_url();
            let (_, host) = url.split_once("://")?;
            let path = shared.verifier.presigned(scope, host, path, LINK_SECONDS, now)?;
            Some(format!("{url}{path}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::iot_core::IotCore;

    const ROLE: &str = "arn:aws:iam::000000000000:role/Bulk";

    /// An emulator in which nobody works on what the outbox holds.
    fn cloud() -> (Cloud, IotCore) {
        let config = Config { seed: Some(7), ..Config::default() };
        let bound = crate::listeners::bind(&config).expect("free ports");
        let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).expect("a start");
        let iot = cloud.regional(cloud.default_scope()).iot_core;
        (cloud, iot)
    }

    fn start(iot: &IotCore) -> String {
        let thing = json!({
            "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": "ThingName" } },
        });
        let parameters = json!({ "ThingName": { "Type": "String" } });
        let template = json!({ "Parameters": parameters, "Resources": { "thing": thing } });
        let input = json!({
            "templateBody": template.to_string(), "inputFileBucket": "bulk",
            "inputFileKey": "things.json", "roleArn": ROLE,
        });
        let started = iot.call("StartThingRegistrationTask", input).expect("no other task runs");
        started["taskId"].as_str().expect("a text").to_owned()
    }

    fn put(cloud: &Cloud, text: &'static str) {
        cloud.buckets().put("bulk", "things.json", text).expect("room");
    }

    fn describe(iot: &IotCore, id: &str) -> Value {
        let json = json!({ "taskId": id });
        iot.call("DescribeThingRegistrationTask", json).expect("a task that is known")
    }

    /// Status, successes, failures, percentage.
    fn became(iot: &IotCore, id: &str) -> (String, [u64; 3]) {
        let task = describe(iot, id);
        let numbers = ["successCount", "failureCount", "percentageProgress"];
        let status = task["status"].as_str().expect("a text").to_owned();
        (status, numbers.map(|name| task[name].as_u64().expect("a number")))
    }

    fn things(iot: &IotCore) -> Vec<String> {
        let listed = iot.call("ListThings", json!({})).expect("a list");
        let things = listed["things"].as_array().into_iter().flatten();
        things.filter_map(|thing| Some(thing["thingName"].as_str()?.to_owned())).collect()
    }

    #[tokio::test]
    async fn bulk_a_task_goes_on_over_bad_lines_and_tells_why() {
        let (cloud, iot) = cloud();
        put(&cloud, "{\"ThingName\": \"a\"}\nnonsense\n\n{}\n{\"ThingName\": \"b\"}");
        let id = start(&iot);
        assert_eq!(became(&iot, &id), ("InProgress".to_owned(), [0, 0, 0]));
        cloud.register_things(iot.scope(), &id).await;
        assert_eq!(became(&iot, &id), ("Completed".to_owned(), [2, 2, 100]));
        assert_eq!(things(&iot), ["a", "b"]);
        let refusals = cloud.trace().refusals();
        let told: Vec<String> = refusals.iter().map(|entry| entry.to_string()).collect();
        let phrases = [
            ["RegisterThing", "lineNumber=2", "step=the line", "not a valid JSON object"],
            ["RegisterThing", "lineNumber=4", "step=thing", "{Ref=ThingName}"],
        ];
        assert_eq!(told.len(), phrases.len(), "{told:?}");
        for (text, phrases) in told.iter().zip(phrases) {
            assert!(phrases.iter().all(|phrase| text.contains(phrase)), "{text}");
            assert!(text.contains(&id), "{text}");
        }
        let whole = cloud.trace().entries().pop().expect("an entry").to_string();
        let counted = "of s3://bulk/things.json 2 lines were registered, 2 failed";
        assert!(whole.contains("ThingRegistrationTask") && whole.contains(counted), "{whole}");
        // Whoever comes late finds nothing to do.
        cloud.register_things(iot.scope(), &id).await;
        assert!(!iot.register_next_line(&id));
        assert_eq!(things(&iot).len(), 2);
    }

    #[tokio::test]
    async fn bulk_a_file_that_is_not_there_fails_the_task() {
        let (cloud, iot) = cloud();
        let id = start(&iot);
        cloud.register_things(iot.scope(), &id).await;
        assert_eq!(became(&iot, &id), ("Failed".to_owned(), [0, 0, 0]));
        let message = "Unable to read the input file s3://bulk/things.json: NoSuchBucket: The \
                       specified bucket does not exist (BucketName bulk)";
        assert_eq!(describe(&iot, &id)["message"], message);
        put(&cloud, "");
        let id = start(&iot);
        cloud.register_things(iot.scope(), &id).await;
        assert_eq!(became(&iot, &id), ("Completed".to_owned(), [0, 0, 100]));
        assert_eq!(cloud.trace().refusals().len(), 1);
    }

    #[test]
    fn bulk_a_task_is_cancelled_between_two_lines() {
        let (cloud, iot) = cloud();
        let id = start(&iot);
        assert_eq!(
            iot.file_of_registration_task(&id),
            Some(("bulk".to_owned(), "things.json".to_owned()))
        );
        let text = "{\"ThingName\": \"a\"}\n{\"ThingName\": \"b\"}\n";
        iot.begin_registration_task(&id, Ok(text.into()));
        assert_eq!(iot.file_of_registration_task(&id), None);
        assert!(iot.register_next_line(&id));
        assert_eq!(became(&iot, &id), ("InProgress".to_owned(), [1, 0, 50]));
        iot.call("StopThingRegistrationTask", json!({ "taskId": id })).expect("it runs");
        assert_eq!(became(&iot, &id), ("Cancelling".to_owned(), [1, 0, 50]));
        assert!(!iot.register_next_line(&id));
        assert_eq!(became(&iot, &id), ("Cancelled".to_owned(), [1, 0, 50]));
        assert_eq!(things(&iot), ["a"]);
        assert!(cloud.trace().refusals().is_empty());
        assert!(cloud.trace().to_string().contains("taskStatus=Cancelled"));
    }

    #[test]
    fn bulk_nothing_is_registered_once_all_is_forgotten() {
        let (cloud, iot) = cloud();
        let id = start(&iot);
        iot.begin_registration_task(&id, Ok("{\"ThingName\": \"a\"}".into()));
        cloud.reset();
        assert!(!iot.register_next_line(&id));
        assert_eq!(things(&iot), Vec::<String>::new());
        let described = iot.call("DescribeThingRegistrationTask", json!({ "taskId": id }));
        assert_eq!(described.unwrap_err().code().status(), 404);
    }

    #[test]
    fn bulk_a_body_that_is_no_template_is_refused_at_once() {
        let (cloud, iot) = cloud();
        let input = json!({
            "templateBody": "{\"Resources\": 1}", "inputFileBucket": "bulk", "inputFileKey": "k",
            "roleArn": ROLE,
        });
        let refused = iot.call("StartThingRegistrationTask", input).unwrap_err();
        let text = "InvalidRequestException: Invalid registration template. The template body is \
                    invalid";
        assert_eq!(refused.to_string(), text);
        let told = cloud.trace().refusals().pop().expect("an entry").to_string();
        assert!(told.contains("step=the template"), "{told}");
    }

    #[tokio::test]
    async fn bulk_links_lead_to_the_api_port() {
        let (cloud, iot) = cloud();
        put(&cloud, "{\"ThingName\": \"a\"}\n");
        let id = start(&iot);
        cloud.register_things(iot.scope(), &id).await;
        let asked = json!({ "taskId": id, "reportType": "RESULTS" });
        let listed = iot.call("ListThingRegistrationTaskReports", asked.clone());
        let links = listed.expect("a task that is known")["resourceLinks"].clone();
        let link = links[0].as_str().expect("a link");
        let port = cloud.addresses().api.port();
        let path = format!(
            "http://localhost:{port}/aws-iot-thing-registration-tasks-us-east-1/000000000000/\
             RESULTS/{id}-1?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
        );
        assert!(link.starts_with(&path), "{link}");
        drop(cloud);
        let stopped = iot.call("ListThingRegistrationTaskReports", asked).unwrap_err();
        assert_eq!(stopped.to_string(), "ServiceUnavailableException: the emulator has stopped");
    }
}
